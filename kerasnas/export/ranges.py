"""Finds the layers whose ranges do not suit 8 bits, once a file has turned out to be bad."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# If a layer writes values so many times larger than those it reads, 8 bits hold nothing of the
# rest.
_BLOWN_UP = 1e4
_PROBED = 4


def crushed(model: Any, samples: Sequence[np.ndarray]) -> list[str]:
    """Returns the branches of a concatenation that vary by less than the step that they share.

    Args:
        model: tf_keras model.
        samples: One array for each input.

    Returns:
        What there is to say of each.
    """
    chosen = [node for node in nodes(model) if kind(node.layer) == "Concatenate"]
    found = []
    for node, arrays in zip(chosen, _values(model, chosen, samples), strict=True):
        tensors, parts = node.keras_inputs, arrays[: len(node.keras_inputs)]
        step = (max(part.max() for part in parts) - min(part.min() for part in parts)) / 255
        largest = max(np.abs(part).max() for part in parts)
        found += [
            f"'{tensor.node.layer.name}' (up to {np.abs(part).max():.2g}) shares a scale with what "
            f"is up to {largest:.2g} in '{node.layer.name}'; normalize it before"
            for tensor, part in zip(tensors, parts, strict=True)
            if 0 < part.std() < step
        ]
    return found


def blown_up(model: Any, samples: Sequence[np.ndarray]) -> list[str]:
    """Returns the layers that write values far beyond those that they read.

    Args:
        model: tf_keras model.
        samples: One array for each input.

    Returns:
        Name of each, with its largest value.
    """
    chosen = [node for node in nodes(model) if node.keras_inputs]
    few = [array[:_PROBED] for array in samples]
    found = []
    for node, arrays in zip(chosen, _values(model, chosen, few), strict=True):
        read, written = (
            max((np.abs(part.astype("float64")).max(initial=0) for part in parts), default=0.0)
            for parts in (arrays[: len(node.keras_inputs)], arrays[len(node.keras_inputs) :])
        )
        if read and written > _BLOWN_UP * read:
            found.append(f"'{node.layer.name}' (up to {written:.2g})")
    return found


def nodes(model: Any) -> list[Any]:
    """Returns the calls of the layers of a tf_keras model."""
    # Private, as of tf_keras 2.21: a layer may have been called in other models, too.
    return [node for nodes in model._nodes_by_depth.values() for node in nodes]


def kind(layer: Any) -> str:
    """Returns the class name of a layer; of a wrapper, that of the layer inside."""
    return type(getattr(layer, "layer", layer)).__name__


def _values(model: Any, nodes: list[Any], samples: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Returns what each node reads, followed by what it writes."""
    import tensorflow as tf
    import tf_keras

    if not nodes:
        return []
    ends = [[*node.keras_inputs, *tf.nest.flatten(node.outputs)] for node in nodes]
    made = tf_keras.Model(model.inputs, ends)(list(samples) if len(samples) > 1 else samples[0])
    return [[np.asarray(value) for value in values] for values in made]
