"""Reads a Keras 3 model as a graph of tf_keras layers that are not built yet.

It holds only names, configs, numpy weights and who feeds whom, so that rewriting it (`canonical`)
needs no library's private parts.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasnas.bridge.layers import NoCounterpart, converted_config, instead, is_scaled_sum
from kerasnas.bridge.masks import Masks
from kerasnas.bridge.operations import as_layer
from kerasnas.bridge.passthrough import template
from kerasnas.bridge.precision import in_float32
from kerasnas.keras_models.traits import is_augmentation
from kerasnas.keras_models.walk import Call, walk
from kerasnas.runtime.silence import silence


@dataclass(eq=False)
class LayerSpec:
    """A tf_keras layer to be made.

    Args:
        name: Name, unique in its graph.
        kind: Class name in `tf_keras.layers`, or "KerasLayer" or "KerasOperation" for what has no
            counterpart there and is called as it is.
        config: Keyword arguments of that class. Layers inside the layer are LayerSpecs, models
            inside it Graphs.
        weights: Arrays in the order of the layer's weights.
    """

    name: str
    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    weights: list[np.ndarray] = field(default_factory=list)

    @property
    def passed_through(self) -> bool:
        """Whether tf_keras has no counterpart of the layer, which is then called as it is."""
        return self.kind in ("KerasLayer", "KerasOperation")


@dataclass(eq=False)
class LayerNode:
    """One call of a layer. Tensors are KerasTensors, the same when they are the same object."""

    layer: LayerSpec
    inputs: list[keras.KerasTensor]
    output: keras.KerasTensor
    args: Any = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    further_outputs: list[keras.KerasTensor] = field(default_factory=list)


@dataclass(eq=False)
class LayerGraph:
    """Nodes in execution order, between flat inputs and outputs."""

    name: str
    nodes: list[LayerNode]
    inputs: list[keras.KerasTensor]
    outputs: list[keras.KerasTensor]

    @property
    def passed_through(self) -> set[str]:
        """Names of the layers without tf_keras counterpart, which are called as they are.

        They export, but cannot be pruned, and quantization-aware training leaves them in float.
        """
        return {node.layer.name for node in self.nodes if node.layer.passed_through}

    def consumers(self, tensor: keras.KerasTensor) -> list[LayerNode]:
        """Returns the nodes that read a tensor.

        Args:
            tensor: KerasTensor of this graph.
        """
        return [node for node in self.nodes if any(x is tensor for x in node.inputs)]

    def calls(self, layer: LayerSpec) -> int:
        """Returns how many times a layer is called: more than once when it is shared.

        Args:
            layer: Spec of a layer of this graph.
        """
        return sum(node.layer is layer for node in self.nodes)

    def replace(self, old: keras.KerasTensor, new: keras.KerasTensor) -> None:
        """Makes every reader of a tensor, and every output that is this tensor, take another one.

        Args:
            old: KerasTensor of this graph.
            new: KerasTensor of the same shape, which another node makes.
        """

        def swapped(x: object) -> object:
            return new if x is old else x

        for node in self.nodes:
            if any(x is old for x in node.inputs):
                node.inputs = [new if x is old else x for x in node.inputs]
                node.args = keras.tree.map_structure(swapped, node.args)
                node.kwargs = keras.tree.map_structure(swapped, node.kwargs)
        self.outputs = [new if x is old else x for x in self.outputs]

    def remove_idle(self, is_removed: Callable[[LayerNode], bool]) -> None:
        """Takes out nodes that pass their first input on, except a path from input to output.

        Args:
            is_removed: Function of a node; tells whether it goes.
        """
        for node in list(self.nodes):
            if not is_removed(node):
                continue
            is_whole_path = any(x is node.inputs[0] for x in self.inputs)
            if not (is_whole_path and any(y is node.output for y in self.outputs)):
                self.nodes.remove(node)
                self.replace(node.output, node.inputs[0])


def read(model: keras.Model) -> LayerGraph:
    """Reads a Keras 3 model, nested models inlined.

    Augmentation and noise are left out: they do nothing outside training. A model of half
    precision is read in float32.

    Args:
        model: Built Sequential or Functional Keras 3 model, on any backend.

    Returns:
        The graph, with copies of the weights.

    Raises:
        ValueError: If the model has no graph, or if anything in it can be neither rebuilt in
            tf_keras nor called as it is: one error that names every such layer.
    """
    with silence():  # TensorFlow logs while it is imported
        import tf_keras  # noqa: F401

    walk(model)  # raises an error for a model without a graph
    return _Reader(in_float32(model)).read()


class _Reader:
    """Makes the graph of one model."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.calls = walk(model)
        self.names: set[str] = set()
        self.specs: dict[int, LayerSpec] = {}
        self.idle: set[int] = set()
        self.problems: list[str] = []

    def read(self) -> LayerGraph:
        for call in self.calls:
            if isinstance(call.operation, keras.layers.Layer):
                self._try(call, self._spec_once)
        all_native = not any(spec.passed_through for spec in self.specs.values())
        self.masks = Masks(self.calls, all_native)
        nodes: list[LayerNode] = []
        for call in self.calls:
            if not any(id(tensor) in self.masks.implicit for tensor in call.outputs):
                self._try(call, lambda found: nodes.extend(self._nodes(found)))
        if self.problems:
            raise ValueError(
                f"`model` '{self.model.name}' has layers that cannot be rebuilt in tf_keras:\n"
                + "\n".join(self.problems)
            )
        graph = LayerGraph(
            self.model.name, nodes, list(self.model.inputs), list(self.model.outputs)
        )
        graph.remove_idle(lambda node: id(node.layer) in self.idle)
        return graph

    def _try(self, call: Call, step: Callable[[Call], object]) -> None:
        try:
            step(call)
        except ValueError as reason:
            operation = call.operation
            problem = f"  '{operation.name}' ({type(operation).__name__}): {reason}"
            if problem not in self.problems:
                self.problems.append(problem)

    def _name(self, wanted: str) -> str:
        """Returns a name that TensorFlow accepts and no other layer has."""
        base = re.sub(r"[^A-Za-z0-9_.\-]", "_", wanted)
        return take_name(base if base[0].isalnum() else f"layer{base}", self.names)

    def _spec_once(self, call: Call) -> None:
        layer = call.operation
        if id(layer) in self.specs or is_scaled_sum(layer):
            return
        name = self._name(layer.name)
        if is_augmentation(layer):
            if "float" in call.inputs[0].dtype:
                spec = LayerSpec(name, "Identity")
                self.idle.add(id(spec))
            else:  # Integers become floats there.
                spec = LayerSpec(name, "Rescaling", {"scale": 1.0})
        elif isinstance(layer, keras.layers.InputLayer):
            spec = _input_spec(layer, name)
        else:
            try:
                spec = _native_spec(layer, name)
            except NoCounterpart as reason:
                spec = _passthrough_spec("KerasLayer", layer, name, reason)
                variables = [*layer.trainable_variables, *layer.non_trainable_variables]
                spec.weights = [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
        self.specs[id(layer)] = spec

    def _nodes(self, call: Call) -> list[LayerNode]:
        if not isinstance(call.operation, keras.layers.Layer):
            return [self._operation_node(call)]
        if is_scaled_sum(call.operation):
            return self._scaled_sum(call)
        if id(call.operation) not in self.specs:
            return []  # the layer is already named as a problem
        spec = self.specs[id(call.operation)]
        # In Keras 3 the `training` of the model's call overrides one that the graph holds.
        kwargs = {key: value for key, value in call.kwargs.items() if key != "training"}
        if spec.passed_through:
            return [_passthrough_node(spec, call, kwargs)]
        if id(spec) in self.idle:
            return [LayerNode(spec, [call.inputs[0]], call.outputs[0], (call.inputs[0],))]
        kwargs = self.masks.explicit(kwargs)
        tensors = keras.tree.flatten((call.args, kwargs))
        inputs = [x for x in tensors if isinstance(x, keras.KerasTensor)]
        return [LayerNode(spec, inputs, call.outputs[0], call.args, kwargs, list(call.outputs[1:]))]

    def _operation_node(self, call: Call) -> LayerNode:
        name = self._name(call.operation.name)
        try:
            kind, config, called_on = as_layer(call)
        except NoCounterpart as reason:
            spec = _passthrough_spec("KerasOperation", call.operation, name, reason)
            return _passthrough_node(spec, call, call.kwargs)
        spec = LayerSpec(name, kind, config)
        return LayerNode(spec, keras.tree.flatten(called_on), call.outputs[0], (called_on,))

    def _scaled_sum(self, call: Call) -> list[LayerNode]:
        layer, (straight, residual) = call.operation, call.inputs
        config = {"scale": float(layer.scale), "offset": 0.0}
        scaling = LayerSpec(self._name(f"{layer.name}_scale"), "Rescaling", config)
        scaled = keras.KerasTensor(residual.shape)
        both = [straight, scaled]
        add = LayerSpec(self._name(layer.name), "Add")
        return [
            LayerNode(scaling, [residual], scaled, (residual,)),
            LayerNode(add, both, call.outputs[0], (both,)),
        ]


def _input_spec(layer: keras.layers.InputLayer, name: str) -> LayerSpec:
    if layer.sparse or getattr(layer, "ragged", False):
        raise ValueError("sparse and ragged inputs are not supported: make them dense")
    if layer.dtype == "string":
        raise ValueError("strings are not supported: make them numbers before the model")
    config = {"batch_shape": tuple(layer.batch_shape), "dtype": layer.dtype}
    return LayerSpec(name, "InputLayer", config)


def _native_spec(layer: keras.layers.Layer, name: str) -> LayerSpec:
    kind, config, weights = converted_config(layer)
    inside = [x for x in keras.tree.flatten(config) if isinstance(x, keras.layers.Layer)]
    for key, value in config.items():
        if isinstance(value, keras.layers.Layer):
            config[key] = _inner(value)
        elif isinstance(value, list) and value and value[0] in inside:
            config[key] = [_inner(layer) for layer in value]
    if any(isinstance(layer, keras.Model) for layer in inside):
        weights = []  # the graph inside has the weights
    return LayerSpec(name, kind, config, weights)


def _inner(layer: keras.layers.Layer) -> "LayerSpec | LayerGraph":
    """Returns the spec of a layer inside a layer, or the graph of a model inside it."""
    if isinstance(layer, keras.Model):
        return read(layer)
    spec = _native_spec(layer, layer.name)
    if len(spec.weights) != len(layer.weights):
        raise NoCounterpart(f"tf_keras takes the weights of {spec.kind} in another form")
    spec.weights = []
    return spec


def _passthrough_spec(
    kind: str, source: keras.Operation, name: str, reason: ValueError
) -> LayerSpec:
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"{reason}, and only the TensorFlow backend of Keras could call it as it is: use "
            f"{instead(source)}, or save the model and load it with KERAS_BACKEND=tensorflow"
        )
    return LayerSpec(name, kind, {"source": source, "calls": []})


def _passthrough_node(spec: LayerSpec, call: Call, kwargs: dict[str, Any]) -> LayerNode:
    fill, tensors = template(call.args, kwargs)
    number = len(spec.config["calls"])
    spec.config["calls"].append(fill)
    output, *further = call.outputs
    return LayerNode(spec, tensors, output, (list(tensors),), {"number": number}, further)


def take_name(wanted: str, taken: set[str]) -> str:
    """Returns a name, numbered where it is taken, and adds it to those that are taken."""
    name, number = wanted, 1
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    taken.add(name)
    return name
