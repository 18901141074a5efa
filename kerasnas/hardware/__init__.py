"""What a model costs on a device: parameters, multiply-accumulates, flash and RAM."""

from kerasnas.hardware.budget import Budget, Violation
from kerasnas.hardware.graph import Graph, Node
from kerasnas.hardware.keras_graph import cost_rule, keras_graph
from kerasnas.hardware.profile import LayerProfile, Profile, Work, profile, profile_graph
from kerasnas.hardware.sketch import Sketch

__all__ = [
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
    "profile",
    "profile_graph",
]
