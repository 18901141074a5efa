"""Finds masks: Keras 3 writes them into the graph as tensors, tf_keras passes them on by itself."""

from collections.abc import Sequence
from typing import Any

import keras

from kerasnas.keras_models.walk import Call

# Arguments of MultiHeadAttention that tf_keras does not have.
_OF_ATTENTION = ("query_mask", "key_mask", "value_mask")
_MASKING = (keras.layers.Embedding, keras.layers.Masking)


class Masks:
    """The tensors of a graph that are masks of an Embedding or a Masking layer.

    Args:
        calls: Calls of the model.
        all_native: Whether every layer becomes a tf_keras layer. Masks do not find their way
            through others, so they are handed to each layer then.
    """

    def __init__(self, calls: Sequence[Call], all_native: bool) -> None:
        self._automatic = _automatic_masks(calls)
        self._left_out = ("mask", *_OF_ATTENTION) if all_native else _OF_ATTENTION
        # Tensors that are read by nothing but arguments that are left out.
        self.implicit = set(self._automatic)
        for call in reversed(calls):
            if any(id(tensor) in self.implicit for tensor in call.outputs):
                continue
            kwargs = call.kwargs
            if isinstance(call.operation, keras.layers.Layer):
                kwargs = self.explicit(kwargs)
            for tensor in keras.tree.flatten((call.args, kwargs)):
                self.implicit.discard(id(tensor))

    def explicit(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Returns a layer's keyword arguments without the masks that tf_keras passes on itself."""

        def is_left_out(key: str, value: Any) -> bool:
            masks = [id(x) for x in keras.tree.flatten(value) if x is not None]
            return key in self._left_out and all(mask in self._automatic for mask in masks)

        return {key: value for key, value in kwargs.items() if not is_left_out(key, value)}


def _automatic_masks(calls: Sequence[Call]) -> set[int]:
    """Tensors that Keras 3 computes beside an Embedding or Masking, and from nothing else."""
    masked = {
        id(tensor)
        for call in calls
        if isinstance(call.operation, _MASKING) and getattr(call.operation, "mask_zero", True)
        for tensor in call.inputs
    }
    found: set[int] = set()
    for call in calls:
        if isinstance(call.operation, keras.layers.Layer) or not call.inputs:
            continue
        first = (
            type(call.operation).__name__ == "NotEqual"
            and len(call.inputs) == 1
            and id(call.inputs[0]) in masked
        )
        if first or all(id(tensor) in found for tensor in call.inputs):
            found.update(id(tensor) for tensor in call.outputs)
    return found
