"""How Keras's own layers and operations enter the graph of costs: the rules of `cost_rule`."""

from kerasnas.hardware.keras_graph import BUILT_IN, RULES
from kerasnas.hardware.keras_rules import layers, operations

__all__ = ["layers", "operations"]

BUILT_IN.update(RULES)
