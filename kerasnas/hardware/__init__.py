"""What a model costs on a device: parameters, multiply-accumulates, flash and RAM."""

from kerasnas.hardware.budget import Budget, Violation
from kerasnas.hardware.graph import Graph, Node
from kerasnas.hardware.keras_graph import cost_rule, keras_graph
from kerasnas.hardware.micro import Arena, measure_arena
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
from kerasnas.hardware.latency.boards import MICROCONTROLLER
from kerasnas.hardware.profile import LayerProfile, Profile, Work, profile, profile_graph
from kerasnas.hardware.sketch import Sketch
from kerasnas.hardware.tflite import profile_tflite

__all__ = [
    "Arena",
    "Budget",
    "Graph",
    "LayerProfile",
    "Node",
    "Profile",
    "Sketch",
    "Violation",
    "Work",
    "cost_rule",
    "keras_graph",
    "measure_arena",
    "profile",
    "profile_graph",
    "profile_tflite",
]
