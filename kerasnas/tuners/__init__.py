"""How a trial is run, and the searches that run them; KerasTuner's names of ours too."""

from keras_tuner import SklearnTuner

from kerasnas.tuners import named
from kerasnas.tuners.base import Tuner

# A tuner for each strategy and fidelity of the registry.
from kerasnas.tuners.named import *  # noqa: F403
from kerasnas.tuners.retrain import Retrained, retrain
from kerasnas.tuners.warm_start import WarmStart

__all__ = ["Retrained", "SklearnTuner", "Tuner", "WarmStart", "retrain"]
__all__ += named.__all__
