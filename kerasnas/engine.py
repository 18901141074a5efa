"""KerasTuner's own engine, under the name that its scripts import it by.

Its classes are KerasTuner's: `kerasnas.engine.tuner.Tuner` is not `kerasnas.Tuner`.
"""

from keras_tuner import engine
from keras_tuner.engine import (
    base_tuner,
    hypermodel,
    hyperparameters,
    metrics_tracking,
    oracle,
    trial,
    tuner,
)

# Its modules are found where KerasTuner keeps them, which only names what is in `keras_tuner.src`.
__path__ = engine.__path__

__all__ = [
    "base_tuner",
    "hypermodel",
    "hyperparameters",
    "metrics_tracking",
    "oracle",
    "trial",
    "tuner",
]
