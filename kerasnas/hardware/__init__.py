"""What a model costs on a device: parameters, multiply-accumulates, flash and RAM."""

from kerasnas.hardware.budget import Budget, Violation
from kerasnas.hardware.graph import Graph, Node
from kerasnas.hardware.sketch import Sketch

__all__ = ["Budget", "Graph", "Node", "Sketch", "Violation"]
