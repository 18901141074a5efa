"""The same model without some of its channels."""

from typing import Any

import keras
import numpy as np

from kerasnas.bridge.graph import take_name
from kerasnas.compression.structured.trace import Trace
from kerasnas.keras_models.compiled import fresh_metrics


def rebuild(trace: Trace, gone: np.ndarray) -> keras.Model:
    """Makes the model again with fewer channels.

    Args:
        trace: The model.
        gone: Bool by label: whether it goes.

    Returns:
        A new Functional model, not compiled, with copies of the remaining weights.
    """
    tensors: dict[int, Any] = {}
    made: dict[int, Any] = {}
    names: set[str] = set()

    def filled(structure: Any) -> Any:
        return keras.tree.map_structure(
            lambda x: tensors[id(x)] if isinstance(x, keras.KerasTensor) else x, structure
        )

    for call in trace.calls:
        operation: Any = call.operation
        if id(operation) not in made:
            name = take_name(operation.name, names)
            made[id(operation)] = _resized(trace, operation, gone, name)
        new = made[id(operation)]
        if isinstance(operation, keras.layers.InputLayer):
            outputs = new.output
        else:
            outputs = new(*filled(call.args), **filled(call.kwargs))
        for old, tensor in zip(call.outputs, keras.tree.flatten(outputs), strict=True):
            tensors[id(old)] = tensor
    for call in trace.calls:
        _copy_weights(trace, call.operation, made[id(call.operation)], gone)
    one = isinstance(trace.model, keras.Sequential)
    model = trace.model
    inputs, outputs = (model.inputs[0], model.outputs[0]) if one else (model.input, model.output)
    return keras.Model(filled(inputs), filled(outputs), name=model.name)


def _resized(trace: Trace, operation: Any, gone: np.ndarray, name: str) -> Any:
    config = {**operation.get_config(), "name": name}
    passage = trace.passages.get(id(operation))
    if passage is not None and gone[passage.output].any():
        config |= passage.resized(int((~gone[passage.output]).sum()))
    return type(operation).from_config(config)


def _copy_weights(trace: Trace, old: Any, new: Any, gone: np.ndarray) -> None:
    for source, target in zip(
        getattr(old, "weights", ()), getattr(new, "weights", ()), strict=True
    ):
        values = keras.ops.convert_to_numpy(source)
        weight = trace.weights.get(id(source))
        if weight is not None:
            for axis, labels in enumerate(weight.axes.labels):
                if labels is not None:
                    values = np.compress(~gone[labels], values, axis)
        target.assign(values)
    if isinstance(new, keras.layers.Normalization):
        new.finalize_state()


def compile_like(model: keras.Model, source: keras.Model) -> None:
    """Compiles a model as another one is, with an optimizer of its settings that has seen nothing.

    Args:
        model: The model to compile.
        source: Where loss, metrics and the rest come from. If it is not compiled, nothing is done.
    """
    if not source.compiled:
        return
    config = source.get_compile_config()
    optimizer = type(source.optimizer).from_config(source.optimizer.get_config())
    # The loss has no state to share, and the config of Huber (3.15.1) loses its delta.
    rest = {
        key: keras.saving.deserialize_keras_object(value)
        for key, value in config.items()
        if key not in ("optimizer", "loss", "metrics", "weighted_metrics")
    }
    model.compile(optimizer=optimizer, loss=source.loss, **rest, **fresh_metrics(source))
