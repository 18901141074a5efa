"""Lets a tf_keras layer call Keras 3 layers and operations as they are.

Only with the TensorFlow backend of Keras, whose operations take the tensors of tf_keras.
"""

import itertools
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import keras

# A function from the flat tensors of one call to the arguments of that call.
Fill = Callable[[list[Any]], tuple[tuple[Any, ...], dict[str, Any]]]


def template(args: Any, kwargs: dict[str, Any]) -> tuple[Fill, list[keras.KerasTensor]]:
    """Separates the arguments of a call from its tensors.

    Args:
        args: Positional arguments, a structure of KerasTensors and constants.
        kwargs: Keyword arguments, likewise.

    Returns:
        Tuple of what puts them together again, and the tensors. A closure, because tf_keras
        replaces the structures that a layer holds by its own.
    """
    flat = keras.tree.flatten((args, kwargs))
    tensors = [x for x in flat if isinstance(x, keras.KerasTensor)]

    def fill(values: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        rest = iter(values)
        filled = [next(rest) if isinstance(x, keras.KerasTensor) else x for x in flat]
        return keras.tree.pack_sequence_as((args, kwargs), filled)

    return fill, tensors


def _callable(source: keras.Operation) -> Callable[..., Any]:
    """Returns what computes an operation, in a form that TensorFlow Lite's converter takes."""
    import tensorflow as tf

    find = {"Argmax": tf.argmax, "Argmin": tf.argmin}.get(type(source).__name__)
    if find is None or not type(source).__module__.startswith("keras."):
        return source

    def place(x: Any) -> Any:
        # Keras distinguishes zeros by their sign bit, which no operator of a file can do.
        flat = x if source.axis is not None else tf.reshape(x, [-1])
        found = find(flat, axis=source.axis or 0, output_type="int32")
        if not source.keepdims:
            return found
        if source.axis is None:
            return tf.reshape(found, [1] * len(x.shape))
        return tf.expand_dims(found, source.axis)

    return place


class Passthrough:
    """A layer or operation that a tf_keras layer calls.

    tf_keras does not see it, since it would track and copy it.
    """

    def __init__(self, source: keras.Operation, calls: list[Fill]) -> None:
        self.source, self.calls, self.number = source, calls, next(_NUMBERS)
        _ALIVE[self.number] = self


_NUMBERS = itertools.count()
# They are found by number, because what rewrites a tf_keras model turns the configs of its layers
# into text.
_ALIVE: weakref.WeakValueDictionary[int, Passthrough] = weakref.WeakValueDictionary()


@cache
def passthrough_layers() -> dict[str, Any]:
    """Returns the two tf_keras layers, by the kind of `LayerSpec` that they are made for.

    `source` is the layer or operation to be called, `calls` has one `Fill` for each place where it
    is called; calling the tf_keras layer takes the number of the place.
    """
    import tensorflow as tf
    import tf_keras

    # tf_keras would rewrite the code of Keras 3 for graphs, which it already supports.
    as_written = tf.autograph.experimental.do_not_convert

    class PassthroughLayer(tf_keras.layers.Layer):
        def __init__(self, passthrough: Passthrough, **kwargs: Any) -> None:
            super().__init__(autocast=False, **kwargs)
            self.supports_masking = True  # without it a mask is an error
            self.passes_mask = getattr(passthrough.source, "supports_masking", False)
            self.passthrough = passthrough

        def source(self) -> Any:
            return self.passthrough.source

        def fill(self, number: int, inputs: Any) -> Any:
            return self.passthrough.calls[number](tf.nest.flatten(inputs))

        def get_config(self) -> dict[str, Any]:
            return {"name": self.name, "passthrough": self.passthrough.number}

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            return cls(_ALIVE[config["passthrough"]], name=config["name"])

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            return tf.nest.flatten(mask)[0] if self.passes_mask else None

        @staticmethod
        def flat(outputs: Any) -> Any:
            outputs = keras.tree.flatten(outputs)
            return outputs[0] if len(outputs) == 1 else outputs

    class KerasOperation(PassthroughLayer):
        def call(self, inputs: Any, number: int = 0) -> Any:
            args, kwargs = self.fill(number, inputs)
            return self.flat(as_written(_callable(self.source()))(*args, **kwargs))

    class KerasLayer(PassthroughLayer):
        def __init__(self, passthrough: Passthrough, **kwargs: Any) -> None:
            super().__init__(passthrough, **kwargs)
            source = passthrough.source
            trainable = [(variable, True) for variable in source.trainable_variables]
            fixed = [(variable, False) for variable in source.non_trainable_variables]
            mirrors = [
                self.add_weight(
                    name=variable.name,
                    shape=variable.shape,
                    dtype=variable.dtype,
                    initializer="zeros",
                    trainable=learns,
                )
                for variable, learns in (*trainable, *fixed)
            ]
            self.learned, self.kept = mirrors[: len(trainable)], mirrors[len(trainable) :]

        def call(self, inputs: Any, number: int = 0, training: Any = None) -> Any:
            args, kwargs = self.fill(number, inputs)
            trains = training in (True, 1)
            if self.source()._call_has_training_arg:
                kwargs["training"] = trains
            function = as_written(self.source().stateless_call)
            outputs, states = function(list(self.learned), list(self.kept), *args, **kwargs)
            if trains:
                for variable, state in zip(self.kept, states, strict=True):
                    variable.assign(state)
            return self.flat(outputs)

    return {"KerasLayer": KerasLayer, "KerasOperation": KerasOperation}
