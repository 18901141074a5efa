"""How long networks are trained: fidelities that end, or go on with, short trainings."""

from kerasnas.oracles.fidelity.asha import ASHA
from kerasnas.oracles.fidelity.hyperband import Hyperband

__all__ = ["ASHA", "Hyperband"]
