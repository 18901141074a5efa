"""Builds a tf_keras (Keras 2) model again in Keras 3, for what takes Keras 3 models only.

tf_keras keeps the graph of a model, and what it was compiled with, in private attributes. They are
touched in this file; read in tf_keras 2.21.0 (`src/engine/functional.py`, `src/engine/node.py`,
`src/engine/compile_utils.py`). Of Keras 3.15.1 it renames operations (`src/ops/operation.py`).
"""

import inspect
from typing import Any

import keras
import numpy as np

from kerasnas.keras_models.keras_2_operations import operation_of
from kerasnas.runtime.errors import describe

# How far outputs may differ, as a share of the largest absolute output.
_TOLERANCE = 1e-4
# Keys that Keras 3 does not know, and that change nothing: always, or with these values.
_IGNORED = (
    *("batch_input_shape", "implementation", "input_length", "key_shape", "query_shape"),
    *("softmax_robust_masking", "value_shape"),
)
_NEUTRAL = {"groups": 1, "renorm": False, "time_major": False}
# Keras 2 computes another function: clip(x / 5 + 1 / 2, 0, 1).
_OTHER = "hard_sigmoid"
_WAY_OUT = (
    "Build it in Keras 3; or make its file with `kerasnas.export.to_tflite(model, ...)`, which "
    "takes tf_keras models as they are, and read the costs of that with "
    "`kerasnas.hardware.profile_tflite`"
)


def is_tf_keras(model: Any) -> bool:
    """Returns whether something is a model of tf_keras, without importing tf_keras."""
    return any(
        kind.__name__ == "Model" and kind.__module__.startswith("tf_keras.")
        for kind in type(model).__mro__
    )


def in_keras_3(model: Any) -> Any:
    """Returns a tf_keras model built again in Keras 3, and anything else as it is."""
    return from_tf_keras(model) if is_tf_keras(model) else model


def from_tf_keras(model: Any) -> keras.Model:
    """Builds a tf_keras model again in Keras 3, with its weights, loss and metrics.

    The outputs of both are compared on random input before this returns.

    Args:
        model: Built Sequential or Functional `tf_keras.Model`. It is not changed.

    Returns:
        Functional Keras 3 model with inputs and outputs of the same structure and names. It is
        compiled with the same loss and metrics if the given one is; the optimizer is Adam.

    Raises:
        ValueError: If it has no graph, or a layer, loss or metric without counterpart: one error
            that names all such layers.

    Example:

    ```python
    given = tf_keras.applications.MobileNet(weights=None)
    model = kerasnas.keras_models.keras_2.from_tf_keras(given)
    ```
    """
    if not getattr(model, "_is_graph_network", False):
        raise ValueError(
            "`model` must be a built Sequential or Functional model: another has no graph to read. "
            f"{_WAY_OUT}. Received: {type(model).__name__} '{model.name}' of tf_keras"
        )
    problems: list[str] = []
    made = _rebuilt(model, problems)
    if made is None:
        raise ValueError(
            f"`model` '{model.name}' of tf_keras has layers that cannot be built in Keras 3. "
            f"{_WAY_OUT}:\n" + "\n".join(dict.fromkeys(problems))
        )
    _verify(model, made)
    if getattr(model, "loss", None) is not None:
        _compile(model, made)
    return made


def _rebuilt(model: Any, problems: list[str]) -> keras.Model | None:
    """Returns the model in Keras 3, or None if there were problems, which it adds to the list."""
    tensors: dict[int, Any] = {}
    layers: dict[int, Any] = {}

    def filled(structure: Any) -> Any:
        return keras.tree.map_structure(lambda x: tensors.get(id(x), x), structure)

    found = len(problems)
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            layer = node.layer
            try:
                if id(layer) not in layers:
                    layers[id(layer)] = _layer(layer, problems)
                if layers[id(layer)] is None or len(problems) > found:
                    continue  # the layers after it are looked at all the same
                args, kwargs = (filled(given) for given in (node.call_args, node.call_kwargs))
                if node.is_input:
                    outputs = layers[id(layer)]
                else:
                    outputs = _called(layer, layers[id(layer)], args, kwargs)
            except Exception as error:
                reason = describe(error).removeprefix("ValueError: ")
                problems.append(f"  '{layer.name}' ({type(layer).__name__}): {reason}")
                continue
            old = keras.tree.flatten(node.outputs)
            for tensor, new in zip(old, keras.tree.flatten(outputs), strict=True):
                tensors[id(tensor)] = new
    if len(problems) > found:
        return None
    return keras.Model(filled(model.input), filled(model.output), name=model.name)


def _layer(layer: Any, problems: list[str]) -> Any:
    """Returns the counterpart of a layer: an input, a layer, a model or an operation."""
    kind, config = type(layer).__name__, layer.get_config()
    if kind == "InputLayer":
        if config.get("sparse") or config.get("ragged"):
            raise ValueError("sparse and ragged inputs are not taken: make them dense")
        shape = config.get("batch_input_shape") or config["batch_shape"]
        return keras.Input(batch_shape=tuple(shape), dtype=layer.dtype, name=_name(layer))
    if is_tf_keras(layer):
        if not layer._is_graph_network:
            raise ValueError("a subclassed model has no graph to read")
        return _rebuilt(layer, problems)
    if kind in ("TFOpLambda", "SlicingOpLambda"):
        return operation_of(config["function"])
    target = getattr(keras.layers, kind, None)
    if target is None or not type(layer).__module__.startswith("tf_keras."):
        raise ValueError("Keras 3 has no such layer")
    if kind == "Lambda":
        return target(layer.function, arguments=layer.arguments, name=_name(layer))
    if kind == "Bidirectional":
        sides = [_layer(one, problems) for one in (layer.forward_layer, layer.backward_layer)]
        merge = config["merge_mode"]
        new = target(sides[0], merge_mode=merge, backward_layer=sides[1], name=_name(layer))
    elif kind == "TimeDistributed":
        new = target(_layer(layer.layer, problems), name=_name(layer))
    else:
        new = target(name=_name(layer), **_config(target, kind, config))
    new.trainable = layer.trainable
    return new


def _name(layer: Any) -> str:
    return str(layer.name.replace("/", "_"))


def _config(target: Any, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of the Keras 3 layer."""
    known: set[str] = set()
    for base in target.__mro__:
        if base is keras.layers.Layer:
            break
        known |= set(inspect.signature(base.__init__).parameters)
    found: dict[str, Any] = {}
    for key, value in config.items():
        # The weights are copied, so their initializers do not matter.
        if key in ("name", "dtype", "trainable") or key.endswith("_initializer"):
            continue
        if key == "alpha" and kind == "LeakyReLU":
            key = "negative_slope"
        if key not in known:
            if key not in _IGNORED and value not in (None, _NEUTRAL.get(key)):
                raise ValueError(f"Keras 3 has no counterpart of {key}={value!r}")
        elif key == "recurrent_activation" and value == _OTHER:
            raise ValueError(f"the {_OTHER} of Keras 2 is another function than that of Keras 3")
        elif key == "activation" and value == _OTHER:
            found[key] = "linear"  # `_called` adds it
        elif key == "activation" and not isinstance(value, str | None):
            raise ValueError(f"activation {value!r} is none of Keras's")
        elif isinstance(value, dict) and key.endswith(("_regularizer", "_constraint")):
            found[key] = {"class_name": value["class_name"], "config": value["config"]}
        else:
            found[key] = value
    if kind == "BatchNormalization" and not isinstance(found["axis"], int):
        (found["axis"],) = found["axis"]
    return found


def _called(layer: Any, made: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Calls the counterpart of a layer, and gives it its weights at its first call."""
    first = isinstance(args[0], list) and hasattr(layer, "return_sequences")
    if first:  # tf_keras puts the initial states of a recurrent layer into one list with its input.
        args, kwargs = (args[0][0],), {**kwargs, "initial_state": args[0][1:]}
    outputs = made(*args, **kwargs)
    if not isinstance(made, keras.layers.Layer):
        # Keras 3 numbers operations as tf_keras numbers layers.
        operation = keras.tree.flatten(outputs)[0]._keras_history.operation
        operation.name = f"{_name(layer)}_{operation.name}"
    if isinstance(made, keras.layers.Layer) and not isinstance(made, keras.Model):
        weights = layer.get_weights()
        if len(weights) != len(made.weights):
            raise ValueError(f"it has {len(weights)} weights, and {len(made.weights)} in Keras 3")
        made.set_weights(weights)
        if isinstance(made, keras.layers.Normalization) and weights:
            made.finalize_state()
    if layer.get_config().get("activation") == _OTHER:
        outputs = keras.ops.clip(0.2 * outputs + 0.5, 0.0, 1.0)
    return outputs


def _verify(model: Any, made: keras.Model) -> None:
    """Compares two models in inference mode on random input."""
    rng = np.random.default_rng(0)
    layers = [layer.get_config() for layer in model.submodules if hasattr(layer, "get_config")]
    tables = [one[key] for one in layers for key in ("input_dim", "num_tokens") if one.get(key)]
    batch = []
    for tensor in made.inputs:
        shape = tuple(size or (2 if axis == 0 else 32) for axis, size in enumerate(tensor.shape))
        indices = bool(tables) or "float" not in tensor.dtype  # those of tf_keras may be floats
        high = min(tables, default=2)
        values = rng.integers(0, high, shape) if indices else rng.normal(size=shape)
        batch.append(values.astype(tensor.dtype))
    given = keras.tree.pack_sequence_as(made.input, batch)
    pairs = zip(
        keras.tree.flatten(model(given, training=False)),
        keras.tree.flatten(made(given, training=False)),
        strict=True,
    )
    for index, (want, got) in enumerate(pairs):
        want, got = np.asarray(want, "float64"), keras.ops.convert_to_numpy(got)
        if not np.isfinite(want).all():
            raise ValueError(
                f"`model` '{model.name}' gives NaN or infinity for random input, so it cannot be "
                "compared with what is built in Keras 3: look at its weights"
            )
        difference, largest = np.abs(want - got).max(), np.abs(want).max()
        if not difference <= _TOLERANCE * largest:
            raise ValueError(
                f"`model` '{model.name}' of tf_keras computes something else in Keras 3: output "
                f"{index} differs by {difference:.3g} where its largest value is {largest:.3g}. "
                f"{_WAY_OUT}"
            )


def _compile(model: Any, made: keras.Model) -> None:
    """Compiles the new model with the same loss and metrics."""
    several = len(made.outputs) > 1

    def metrics(given: Any) -> Any:
        alone = isinstance(given, list | tuple) and not any(
            isinstance(one, list | tuple | dict) for one in given
        )
        # Keras 2 applies every metric of a list to each output.
        return _counterparts(
            "metric", [list(given)] * len(made.outputs) if given and several and alone else given
        )

    made.compile(
        "adam",
        loss=_counterparts("loss", model.loss),
        loss_weights=model.compiled_loss._user_loss_weights,
        metrics=metrics(model.compiled_metrics._user_metrics),
        weighted_metrics=metrics(model.compiled_metrics._user_weighted_metrics),
    )


def _counterparts(what: str, given: Any) -> Any:
    """Returns losses or metrics of tf_keras as those of Keras 3, in the same structure."""
    if isinstance(given, dict):
        return {key: _counterparts(what, one) for key, one in given.items()}
    if isinstance(given, list | tuple):
        return [_counterparts(what, one) for one in given]
    parts = [given] if inspect.isfunction(given) else type(given).__mro__
    if given is None or not any(part.__module__.startswith("tf_keras.") for part in parts):
        return given
    kind = parts[0]
    found = [getattr(library, kind.__name__, None) for library in (keras.losses, keras.metrics)]
    counterpart = found[0] if what == "loss" else found[1] or found[0]
    try:
        if counterpart is None or not kind.__module__.startswith("tf_keras."):
            raise TypeError("Keras 3 has none of this name")
        if kind is given:
            return counterpart
        config = dict(given.get_config())
        for key in ("dtype", "fn"):
            config.pop(key, None)
        if config.get("reduction") == "auto":
            config["reduction"] = "sum_over_batch_size"
        return counterpart(**config)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The {what} {kind.__name__} that `model` of tf_keras is compiled with has "
            "no counterpart in Keras 3: compile it with one of Keras's own. "
            f"Received: {given!r}"
        ) from error
