"""Makes activations layers of their own, in forms that have 8 bits."""

import itertools
import math

import keras

from kerasnas.bridge.canonical.affine import FOLDED_BY_CONVERTER, FOLDED_HERE
from kerasnas.bridge.canonical.graph_edits import alone_between, append, new_layer, remove, scalars
from kerasnas.bridge.graph import LayerGraph, LayerNode, LayerSpec


def leaky(graph: LayerGraph) -> None:
    """Replaces each ReLU with a slope by a LeakyReLU."""
    # TFMOT treats every ReLU layer as fused with the layer before it.
    for node in graph.nodes:
        spec = node.layer
        slope = spec.config.get("negative_slope")
        cut = spec.config.get("max_value") is not None or spec.config.get("threshold")
        if spec.kind == "ReLU" and slope and not cut:
            spec.kind, spec.config = "LeakyReLU", {"alpha": slope}


def split_activations(graph: LayerGraph) -> None:
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


def fuse_hard_silu(graph: LayerGraph) -> None:
    """Replaces `x * relu6(x + 3) / 6` by the activation hard_silu, which is one operator."""
    for node in list(graph.nodes):
        if node.layer.kind != "Multiply" or graph.calls(node.layer) > 1:
            continue
        for features, gate in itertools.permutations(node.inputs):
            parts = _steps(graph, features, gate)
            steps = [_step(part) for part in parts]
            after = graph.consumers(node.output)
            if steps == ["+ 3", "relu6"] and len(after) == 1 and _step(after[0]) == "/ 6":
                if not alone_between(graph, node, after[0]):
                    continue
                remove(graph, after[0])
            elif steps not in (["+ 3", "relu6", "/ 6"], ["hard_sigmoid"]):
                continue
            node.layer.kind, node.layer.config = "Activation", {"activation": "hard_silu"}
            node.inputs, node.args, node.kwargs = [features], (features,), {}
            for part in reversed(parts):
                read = graph.consumers(part.output) or any(y is part.output for y in graph.outputs)
                if not read:
                    graph.nodes.remove(part)
            break


def _steps(graph: LayerGraph, start: keras.KerasTensor, end: keras.KerasTensor) -> list[LayerNode]:
    """Returns the layers of one input between two tensors, or none if there are other layers."""
    makers = {id(node.output): node for node in graph.nodes}
    found: list[LayerNode] = []
    while end is not start:
        maker = makers.get(id(end))
        if maker is None or len(maker.inputs) != 1:
            return []
        found.insert(0, maker)
        end = maker.inputs[0]
    return found


def _step(node: LayerNode) -> str | None:
    """Returns what a layer does in hard_sigmoid or hard_silu, or None if it is no part."""
    config, kind = node.layer.config, node.layer.kind
    scale, offset = scalars(node)
    if kind == "Activation":
        return str(config["activation"])
    if kind == "Rescaling" and math.isclose(scale, 1 / 6, rel_tol=1e-6) and not offset:
        return "/ 6"
    if kind == "Rescaling" and (scale, offset) == (1, 3):
        return "+ 3"
    bent = config.get("negative_slope") or config.get("threshold")
    return "relu6" if kind == "ReLU" and config.get("max_value") == 6 and not bent else None


def hard_sigmoid_to_relu6(graph: LayerGraph) -> None:
    """Replaces hard_sigmoid by the layers that it consists of."""
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


def _activation_layer(graph: LayerGraph, owner: str, name: str) -> LayerSpec:
    if name == "relu6":
        return new_layer(graph, f"{owner}_relu6", "ReLU", max_value=6.0)
    return new_layer(graph, f"{owner}_{name}", "Activation", activation=name)
