"""Builds a tf_keras model from the graph, and checks it against the model that it came from."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasnas.bridge.activations import for_tf_keras
from kerasnas.bridge.canonical.conv1d_to_conv2d import up_sampling_to_images
from kerasnas.bridge.canonical.graph_edits import integers
from kerasnas.bridge.graph import LayerGraph, LayerSpec, read
from kerasnas.bridge.passthrough import Passthrough, passthrough_layers
from kerasnas.bridge.precision import in_float32
from kerasnas.bridge.sizes import Shape, input_sizes
from kerasnas.data.arrays import packed

# How far outputs may differ, as a share of the largest absolute output. Rounding alone stays below
# 1e-5 in networks of 500 layers.
TOLERANCE = 1e-4
# Layers that take indices, and the key of their config that bounds them.
_CATEGORIES = {"CategoryEncoding": "num_tokens", "Embedding": "input_dim"}


def to_tf_keras(model: keras.Model) -> Any:
    """Rebuilds a Keras 3 model in tf_keras, with its weights.

    TensorFlow Model Optimization and TensorFlow Lite's converter take Keras 2 models. Every layer
    becomes the tf_keras layer of the same name; nested models are inlined, shared layers stay
    shared. The outputs of both models are compared on random input before this returns.

    Args:
        model: Built Sequential or Functional Keras 3 model, on any backend. It is not changed.

    Returns:
        `tf_keras.Model` with the same inputs and outputs, flat and in the same order. It is not
        compiled.

    Raises:
        ValueError: If `model` has no graph or has layers that tf_keras cannot take (all are named),
            or if the outputs differ by more than 1e-4 of the largest output.

    Example:

    ```python
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    legacy = kerasnas.compression.to_tf_keras(model)
    ```
    """
    rebuilt = rebuild(model)
    for layer in _fused(rebuilt):
        layer.fused = False
    return rebuilt


def rebuild(model: keras.Model, rewrite: Callable[[LayerGraph], LayerGraph] | None = None) -> Any:
    """Rebuilds a Keras 3 model in the form that TensorFlow Lite's converter handles best.

    Args:
        model: Built Sequential or Functional Keras 3 model, on any backend.
        rewrite: Changes layers, but not outputs. What the converter has no good form of is
            rewritten in any case.

    Returns:
        What `to_tf_keras` returns, but with fused batch normalization, for shorter names in files.

    Raises:
        ValueError: As `to_tf_keras`.
    """
    graph = read(model)
    wanted = expected(model, graph)  # Before the graph is rewritten.
    up_sampling_to_images(graph)
    rebuilt = build(rewrite(graph) if rewrite else graph)
    verify(model, wanted, rebuilt)
    return rebuilt


def build(graph: LayerGraph) -> Any:
    """Makes the tf_keras model of a graph.

    Args:
        graph: The graph of layers that all exist in `tf_keras.layers`.

    Returns:
        `tf_keras.Model`.
    """
    import tf_keras

    tensors: dict[int, Any] = {}
    layers: dict[int, Any] = {}

    def filled(structure: Any) -> Any:
        return keras.tree.map_structure(
            lambda x: tensors[id(x)] if isinstance(x, keras.KerasTensor) else x, structure
        )

    for node in graph.nodes:
        spec = node.layer
        if spec.kind == "InputLayer":
            tensors[id(node.output)] = tf_keras.Input(name=spec.name, **spec.config)
            continue
        new = id(spec) not in layers
        if new:
            layers[id(spec)] = _make(spec)
        made = layers[id(spec)](*filled(node.args), **filled(node.kwargs))
        outputs = [node.output, *node.further_outputs]
        for tensor, value in zip(outputs, keras.tree.flatten(made), strict=True):
            tensors[id(tensor)] = value
        if new and spec.weights:
            layers[id(spec)].set_weights(spec.weights)
    inputs = [tensors[id(tensor)] for tensor in graph.inputs]
    outputs = [tensors[id(tensor)] for tensor in graph.outputs]
    return tf_keras.Model(
        inputs[0] if len(inputs) == 1 else inputs,
        outputs[0] if len(outputs) == 1 else outputs,
        name=graph.name,
    )


def _make(spec: LayerSpec) -> Any:
    """Makes the layer of a spec, without its weights."""
    import tf_keras

    if spec.passed_through:
        return passthrough_layers()[spec.kind](Passthrough(**spec.config), name=spec.name)

    def made(value: Any) -> Any:
        if isinstance(value, LayerSpec):
            return _make(value)
        return build(value) if isinstance(value, LayerGraph) else value

    config = {}
    for key, value in spec.config.items():
        if key == "activation" or key.endswith("_activation"):
            value = for_tf_keras(value)
        inner = isinstance(value, list) and value and isinstance(value[0], LayerSpec)
        config[key] = [made(item) for item in value] if inner else made(value)
    return getattr(tf_keras.layers, spec.kind)(name=spec.name, **config)


def _fused(rebuilt: Any) -> list[Any]:
    """Returns normalizations computed by a kernel that Keras 3 lacks and that rounds otherwise."""
    return [layer for layer in rebuilt.layers if getattr(layer, "fused", False)]


class Expected(NamedTuple):
    """What a model computes, for a rebuild of it to be compared with.

    Args:
        batch: Random inputs, one array for each.
        outputs: What the model makes of them, one tensor for each output.
    """

    batch: list[np.ndarray]
    outputs: list[Any]


def expected(model: keras.Model, graph: LayerGraph) -> Expected:
    """Runs a model in inference mode on random input.

    Of sizes that the inputs leave open, those are taken at which every map holds its kernel.

    Args:
        model: The Keras 3 model.
        graph: What was read from it, not rewritten yet: it tells what the inputs may be.

    Returns:
        The inputs and what the model makes of them.

    Raises:
        ValueError: If the model runs at no size of those tried for its open inputs.
    """
    source = in_float32(model)
    error: Exception | None = None
    for shapes in input_sizes(source):
        rng = np.random.default_rng(0)
        batch = [
            random_input(graph, tensor, shape, rng)
            for tensor, shape in zip(graph.inputs, shapes, strict=True)
        ]
        try:
            outputs = keras.tree.flatten(source(packed(batch, source), training=False))
            return Expected(batch, outputs)
        except Exception as raised:
            if shapes == [tuple(tensor.shape) for tensor in source.inputs]:
                raise
            error = raised
    sizes = ", ".join(f"'{tensor.name}' of shape {tensor.shape}" for tensor in source.inputs)
    raise ValueError(
        f"`model` '{source.name}' has inputs of no fixed size, and runs at none of the sizes that "
        "were tried for them: make it again with `keras.Input` of a fixed shape, and hand the "
        "weights over: new.set_weights(old.get_weights()). "
        f"Received: {sizes}"
    ) from error


def verify(model: keras.Model, wanted: Expected, rebuilt: Any) -> None:
    """Compares the rebuild of a model with the model.

    Args:
        model: The Keras 3 model.
        wanted: What it computes.
        rebuilt: The tf_keras model that should do the same.

    Raises:
        ValueError: If an output differs by more than 1e-4 of its largest absolute value.
    """
    batch = wanted.batch
    # Deep networks can amplify the rounding of another kernel.
    fused = _fused(rebuilt)
    for layer in fused:
        layer.fused = False
    given = rebuilt(batch[0] if len(batch) == 1 else batch, training=False)
    for layer in fused:
        layer.fused = True
    given = given if isinstance(given, list | tuple) else [given]
    for index, (want, got) in enumerate(zip(wanted.outputs, given, strict=True)):
        want, got = keras.ops.convert_to_numpy(want).astype("float64"), np.asarray(got)
        finite = np.isfinite(want)
        _check_finite(model, finite)
        largest = np.abs(want[finite]).max()
        difference = np.abs(want[finite] - got[finite]).max()
        same_holes = np.array_equal(finite, np.isfinite(got))
        if not (difference <= TOLERANCE * largest and same_holes):
            raise ValueError(
                f"The tf_keras rebuild of '{model.name}' does not compute the same: output "
                f"{index} differs by {difference:.3g} where its largest value is {largest:.3g}. "
                "Please report the model; until then leave the layer that causes it out."
            )


def _check_finite(model: keras.Model, finite: np.ndarray) -> None:
    """Raises an error if the weights of a model make its outputs meaningless."""
    if finite.any():
        return
    weights = [w.path for w in model.weights if not np.isfinite(np.array(w, "float32")).all()]
    raise ValueError(
        f"`model` '{model.name}' gives NaN or infinity for every random input, so a rebuild "
        "cannot be compared with it. Weights that are not finite: "
        + (", ".join(weights) or "none; look at its layers")
    )


def random_input(
    graph: LayerGraph, tensor: keras.KerasTensor, shape: Shape, rng: np.random.Generator
) -> np.ndarray:
    """Returns a random batch for an input of a model.

    Args:
        graph: What was read from the model.
        tensor: Its input.
        shape: Shape of the batch; a batch of open size gets two samples, no other size is open.
        rng: Source of the values.

    Returns:
        Normal values for a float input, valid indices for one of an Embedding or a
        CategoryEncoding, 0 to 255 for other integers. The last sample ends in steps that a mask
        hides, where there is one.
    """
    sizes: Any = (shape[0] or 2, *shape[1:])
    readers = _readers(graph, tensor, integers(graph))
    bounds = [spec.config[_CATEGORIES[spec.kind]] for spec in readers if spec.kind in _CATEGORIES]
    if bounds:
        values: np.ndarray = rng.integers(0, min(bounds), sizes)
    elif "float" in tensor.dtype:
        values = rng.standard_normal(sizes)
    else:
        values = rng.integers(0, {"bool": 2, "int8": 128}.get(tensor.dtype, 256), sizes)
    # The last sample ends in values that a mask hides, so that masks are compared, too.
    for spec in readers:
        if spec.kind == "Masking":
            values[-1, sizes[1] // 2 :] = spec.config["mask_value"]
        elif spec.config.get("mask_zero"):
            values[-1, sizes[1] // 2 :] = 0
    return values.astype(tensor.dtype)


def _readers(graph: LayerGraph, tensor: keras.KerasTensor, whole: set[int]) -> list[LayerSpec]:
    """Returns the layers that read a tensor, or integers that others cut out of it and join."""
    found = []
    for node in graph.consumers(tensor):
        found.append(node.layer)
        for made in (node.output, *node.further_outputs):
            if id(tensor) in whole and id(made) in whole:
                found += _readers(graph, made, whole)
    return found
