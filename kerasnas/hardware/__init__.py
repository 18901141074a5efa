"""What a model costs on a device: parameters, multiply-accumulates, flash and RAM."""

from typing import Any

from kerasnas.hardware import keras_rules  # noqa: F401  It registers the rules.
from kerasnas.hardware.budget import Budget, Violation
from kerasnas.hardware.device import Device
from kerasnas.hardware.devices import DEVICES
from kerasnas.hardware.estimation import profile, profile_graph
from kerasnas.hardware.graph import Graph, Node
from kerasnas.hardware.keras_graph import cost_rule, keras_graph
from kerasnas.hardware.latency import (
    Cost,
    HeldOut,
    LatencyModel,
    Timing,
    read_operator_timings,
    read_timings,
)
from kerasnas.hardware.latency.boards import BOARDS, MICROCONTROLLER
from kerasnas.hardware.micro import Arena, measure_arena
from kerasnas.hardware.profile import LayerProfile, Profile, Work
from kerasnas.hardware.sketch import Sketch
from kerasnas.hardware.tflite_profile import profile_tflite
from kerasnas.keras_models.traits import LayerTraits, register_layer

# To time a model on this host is to convert it first, so these three live in `kerasnas.export`,
# which stands above this package. `kerasnas/__init__.py` sets them here as well, because programs
# written for version 0.1.0 look for them here.
HostLatency: Any
LatencyMeasurement: Any
measure_latency: Any

__all__ = [
    "BOARDS",
    "DEVICES",
    "MICROCONTROLLER",
    "Arena",
    "Budget",
    "Cost",
    "Device",
    "Graph",
    "HeldOut",
    "HostLatency",
    "LatencyMeasurement",
    "LatencyModel",
    "LayerProfile",
    "LayerTraits",
    "Node",
    "Profile",
    "Sketch",
    "Timing",
    "Violation",
    "Work",
    "cost_rule",
    "keras_graph",
    "measure_arena",
    "measure_latency",
    "profile",
    "profile_graph",
    "profile_tflite",
    "read_operator_timings",
    "read_timings",
    "register_layer",
]
