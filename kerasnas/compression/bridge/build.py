"""From the graph to a tf_keras model, checked against the model it came from."""

from typing import Any

import keras
import numpy as np

from kerasnas.compression.bridge.graph import Graph, read

# Of the largest absolute output. Rounding alone stays below 1e-6 in networks of 100 layers.
TOLERANCE = 1e-5
_FREE_DIMENSION = 16


def to_tf_keras(model: keras.Model) -> Any:
    """Rebuilds a Keras 3 model in tf_keras, weights and all.

    TensorFlow Model Optimization and TensorFlow Lite's converter take Keras 2 models. Every layer
    becomes the tf_keras layer of the same name; nested models are inlined, shared layers stay
    shared. The outputs of both models are compared on random input before this returns.

    Args:
        model: Built Sequential or Functional Keras 3 model, on any backend. It is not changed.

    Returns:
        `tf_keras.Model` with the same inputs and outputs, flat and in the same order. It is not
        compiled.

    Raises:
        ValueError: If `model` has no graph or has layers that cannot be carried (all are named),
            or if the outputs differ by more than 1e-5 of the largest output.

    Example:

    ```python
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    legacy = kerasnas.compression.to_tf_keras(model)
    ```
    """
    graph = read(model)
    rebuilt = build(graph)
    verify(model, graph, rebuilt)
    return rebuilt


def build(graph: Graph) -> Any:
    """Makes the tf_keras model of a graph.

    Args:
        graph: Graph of layers that all exist in `tf_keras.layers`.

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
            layer_class = getattr(tf_keras.layers, spec.kind)
            layers[id(spec)] = layer_class(name=spec.name, **spec.config)
        layer = layers[id(spec)]
        tensors[id(node.output)] = layer(*filled(node.args), **filled(node.kwargs))
        if new and spec.weights:
            layer.set_weights(spec.weights)
    inputs = [tensors[id(tensor)] for tensor in graph.inputs]
    outputs = [tensors[id(tensor)] for tensor in graph.outputs]
    return tf_keras.Model(
        inputs[0] if len(inputs) == 1 else inputs,
        outputs[0] if len(outputs) == 1 else outputs,
        name=graph.name,
    )


def verify(model: keras.Model, graph: Graph, rebuilt: Any) -> None:
    """Compares two models in inference mode on random input.

    Args:
        model: The Keras 3 model.
        graph: What was read from it.
        rebuilt: The tf_keras model that should do the same.

    Raises:
        ValueError: If an output differs by more than 1e-5 of its largest absolute value.
    """
    batch = random_inputs(graph, np.random.default_rng(0))
    # A Sequential has no `input`; it takes one tensor.
    one = isinstance(model, keras.Sequential)
    inputs = batch[0] if one else keras.tree.pack_sequence_as(model.input, batch)
    wanted = keras.tree.flatten(model(inputs, training=False))
    given = rebuilt(batch[0] if len(batch) == 1 else batch, training=False)
    given = given if isinstance(given, list | tuple) else [given]
    for index, (want, got) in enumerate(zip(wanted, given, strict=True)):
        want, got = keras.ops.convert_to_numpy(want), np.asarray(got)
        largest = np.abs(want).max()
        difference = np.abs(want - got).max()
        if not difference <= TOLERANCE * largest:
            raise ValueError(
                f"The tf_keras rebuild of '{model.name}' does not compute the same: output "
                f"{index} differs by {difference:.3g} where its largest value is {largest:.3g}. "
                "Please report the model; until then leave the layer that causes it out."
            )


def random_inputs(graph: Graph, rng: np.random.Generator) -> list[np.ndarray]:
    """A random batch of two for each input of a model, in the order of `model.inputs`.

    Args:
        graph: What was read from the model.
        rng: Source of the values.

    Returns:
        List of arrays: normal values for float inputs, valid indices for inputs of an Embedding,
        0 to 255 for other integers.
    """
    batch = []
    for tensor in graph.inputs:
        shape = [_FREE_DIMENSION if size is None else size for size in tensor.shape]
        shape[0] = tensor.shape[0] or 2
        embeddings = [n for n in graph.consumers(tensor) if n.layer.kind == "Embedding"]
        if embeddings:
            high = min(node.layer.config["input_dim"] for node in embeddings)
        else:
            high = {"bool": 2, "int8": 128}.get(tensor.dtype, 256)
        is_float = "float" in tensor.dtype and not embeddings
        values = rng.standard_normal(shape) if is_float else rng.integers(0, high, shape)
        batch.append(values.astype(tensor.dtype))
    return batch
