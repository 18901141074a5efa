"""The line of an error that says why, of errors that Keras and TensorFlow raise."""

import keras
import numpy as np
import pytest

from kerasnas.runtime.errors import describe


class Broken(keras.layers.Layer):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def call(self, x):
        raise self.error


def _error_of(call):
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


def _of_layer(error):
    return _error_of(lambda: Broken(error)(np.ones((2, 3), "float32")))


def _of_training():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return _error_of(lambda: model.fit(np.ones((4, 3)), np.arange(4), verbose=0))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: ValueError("one\ntwo"), "ValueError: one"),
        (lambda: ValueError(), "ValueError"),
        (lambda: ValueError("  \n "), "ValueError"),
        (lambda: KeyError("units"), "KeyError: units"),
        (lambda: KeyError(3), "KeyError: 3"),
        (lambda: OSError(28, "No space left on device"), "OSError: [Errno 28] No space"),
        (lambda: _of_layer(ValueError("it is too wide")), "ValueError: it is too wide"),
        (lambda: _of_layer(KeyError("units")), "KeyError: units"),
        (
            lambda: _error_of(lambda: Broken(ValueError("odd"))(keras.Input((3,)))),
            "ValueError: odd",
        ),
        (_of_training, "InvalidArgumentError: Received a label value of 3 which is outside"),
        (
            lambda: ValueError("Exception encountered when calling A.call()."),
            "ValueError: Exception encountered when calling A.call().",
        ),
    ],
)
def test_the_line_that_says_why(make, expected):
    said = describe(make())
    assert said.startswith(expected)
    assert "\n" not in said
    assert "\x1b" not in said
