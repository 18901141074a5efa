"""What a model costs on a device: parameters, multiply-accumulates, flash and RAM."""

from kerasnas.hardware import keras_rules  # noqa: F401  It registers the rules.
from kerasnas.hardware.budget import Budget, Violation
from kerasnas.hardware.devices import DEVICES, Device
from kerasnas.hardware.graph import Graph, Node
from kerasnas.hardware.keras_graph import cost_rule, keras_graph
from kerasnas.hardware.latency import (
    Cost,
    HeldOut,
    HostLatency,
    LatencyMeasurement,
    LatencyModel,
    Timing,
    measure_latency,
    read_operator_timings,
    read_timings,
)
from kerasnas.hardware.latency.boards import BOARDS, MICROCONTROLLER
from kerasnas.hardware.micro import Arena, measure_arena
from kerasnas.hardware.profile import LayerProfile, Profile, Work, profile, profile_graph
from kerasnas.hardware.sketch import Sketch
from kerasnas.hardware.tflite import profile_tflite

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
]
