"""Activations as layers of their own, in the forms that have 8 bits."""

from kerasnas.compression.bridge.canonical.affine import FOLDED_BY_CONVERTER, FOLDED_HERE
from kerasnas.compression.bridge.canonical.edits import append, new_layer
from kerasnas.compression.bridge.graph import Graph, LayerSpec


def leaky(graph: Graph) -> None:
    """Makes a LeakyReLU of each ReLU with a slope."""
    # TFMOT takes every ReLU layer for one that is fused with the layer before it.
    for node in graph.nodes:
        spec = node.layer
        slope = spec.config.get("negative_slope")
        cut = spec.config.get("max_value") is not None or spec.config.get("threshold")
        if spec.kind == "ReLU" and slope and not cut:
            spec.kind, spec.config = "LeakyReLU", {"alpha": slope}


def split_activations(graph: Graph) -> None:
    """Takes activations out of layers with a kernel, except linear and relu."""
    has_kernel = (*FOLDED_BY_CONVERTER, *FOLDED_HERE)
    activations: dict[int, LayerSpec] = {}
    for node in list(graph.nodes):
        spec = node.layer
        if spec.kind not in has_kernel:
            continue
        name = spec.config.get("activation") or "linear"
        if id(spec) not in activations:
            if name in ("linear", "relu"):
                continue
            spec.config["activation"] = "linear"
            activations[id(spec)] = _activation_layer(graph, spec.name, name)
        append(graph, node, activations[id(spec)], node.output.shape)


def hard_sigmoid_to_relu6(graph: Graph) -> None:
    """Writes hard_sigmoid as the layers that it is made of."""
    parts: dict[int, list[LayerSpec]] = {}
    for node in list(graph.nodes):
        spec = node.layer
        if spec.kind == "Activation" and spec.config["activation"] == "hard_sigmoid":
            spec.kind, spec.config = "Rescaling", {"scale": 1.0, "offset": 3.0}
            relu6 = new_layer(graph, f"{spec.name}_relu6", "ReLU", max_value=6.0)
            sixth = new_layer(graph, f"{spec.name}_sixth", "Rescaling", scale=1 / 6, offset=0.0)
            parts[id(spec)] = [relu6, sixth]
        for part in parts.get(id(spec), []):
            node = append(graph, node, part, node.output.shape)


def _activation_layer(graph: Graph, owner: str, name: str) -> LayerSpec:
    if name == "relu6":
        return new_layer(graph, f"{owner}_relu6", "ReLU", max_value=6.0)
    return new_layer(graph, f"{owner}_{name}", "Activation", activation=name)
