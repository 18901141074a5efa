"""How Keras's own layers and operations enter the graph of costs: the rules of `cost_rule`."""

from kerasnas.hardware.keras_graph import BUILT_IN, RULES
from kerasnas.hardware.keras_rules import (  # noqa: F401  They register the rules.
    attention,
    layers,
    operations,
    reductions,
    shapes,
    wrappers,
)

BUILT_IN.update(RULES)
