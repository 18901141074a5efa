"""How a trial is run, and the searches that run them."""

from kerasnas.tuners.base import Tuner
from kerasnas.tuners.evolution import Evolution
from kerasnas.tuners.greedy import Greedy
from kerasnas.tuners.hyperband import Hyperband

__all__ = ["Evolution", "Greedy", "Hyperband", "Tuner"]
