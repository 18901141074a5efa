"""How long networks are trained: fidelities that end, or go on with, short trainings."""

from kerasnas.oracles.fidelity.asha import ASHA
from kerasnas.oracles.fidelity.checked import CheckedFidelity
from kerasnas.oracles.fidelity.hyperband import Hyperband
from kerasnas.oracles.fidelity.short_then_best import ShortThenBest

__all__ = ["ASHA", "CheckedFidelity", "Hyperband", "ShortThenBest"]
