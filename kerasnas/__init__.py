"""Neural architecture search for Keras models that must fit a device."""

# Before all others: they load Keras, and that TensorFlow.
from kerasnas.runtime import quiet_start  # noqa: F401

# isort: split
from keras_tuner import HyperParameters, Objective, Oracle, SklearnTuner, synchronized
from keras_tuner.engine.hyperparameters import HyperParameter

from kerasnas import (
    applications,
    bridge,
    compression,
    engine,
    errors,
    export,
    hardware,
    hypermodels,
    oracles,
    report,
    tuners,
)
from kerasnas._version import __version__
from kerasnas.compression import Cluster, Distill, Prune, PruneStructured, Quantize, compress
from kerasnas.hardware import Budget, profile
from kerasnas.hypermodels import (
    CellHyperModel,
    GraphHyperModel,
    HyperModel,
    LayerwiseHyperModel,
    Training,
)
from kerasnas.training import augment
from kerasnas.tuners import Tuner, WarmStart, retrain

# A tuner for each strategy and fidelity of the registry.
from kerasnas.tuners.named import *  # noqa: F403

# These names of version 0.1.0; see kerasnas/hardware/__init__.py.
hardware.HostLatency = export.HostLatency
hardware.LatencyMeasurement = export.LatencyMeasurement
hardware.measure_latency = export.measure_latency

__all__ = [
    "Budget",
    "CellHyperModel",
    "Cluster",
    "Distill",
    "GraphHyperModel",
    "HyperModel",
    "HyperParameter",
    "HyperParameters",
    "LayerwiseHyperModel",
    "Objective",
    "Oracle",
    "Prune",
    "PruneStructured",
    "Quantize",
    "SklearnTuner",
    "Training",
    "Tuner",
    "WarmStart",
    "__version__",
    "applications",
    "augment",
    "bridge",
    "compress",
    "compression",
    "engine",
    "errors",
    "export",
    "hardware",
    "hypermodels",
    "oracles",
    "profile",
    "report",
    "retrain",
    "synchronized",
    "tuners",
]
__all__ += tuners.named.__all__
