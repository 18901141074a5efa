"""Operations of TensorFlow and those of keras.ops that do the same."""

import numpy as np
import pytest
import tensorflow as tf

from kerasnas.keras_models.keras_2_operations import operation_of

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
Y = X + 2
CASES = {
    "math.add": ((X, Y), {}),
    "math.subtract": ((), {"x": X, "y": Y}),
    "math.truediv": ((X, Y), {}),
    "math.maximum": ((X, Y), {}),
    "math.reduce_mean": ((X,), {"axis": 1, "keepdims": True}),
    "math.reduce_max": ((), {"input_tensor": X, "axis": [1, 2]}),
    "math.reduce_sum": ((X, 1), {}),
    "math.abs": ((X,), {"name": "absolute"}),
    "math.square": ((X,), {}),
    "nn.relu6": ((), {"features": X}),
    "nn.softmax": ((), {"logits": X, "axis": -1}),
    "clip_by_value": ((X,), {"clip_value_min": -0.5, "clip_value_max": 0.5}),
    "concat": (([X, Y],), {"axis": 2}),
    "expand_dims": ((X,), {"axis": 1}),
    "reshape": ((X,), {"shape": (2, 12)}),
    "squeeze": ((X[:, :1],), {"axis": 1}),
    "transpose": ((X,), {"perm": [0, 2, 1]}),
    "cast": ((X,), {"dtype": "int32"}),
}


@pytest.mark.parametrize("path", CASES)
def test_it_computes_the_same(path):
    args, kwargs = CASES[path]
    function = tf
    for name in path.split("."):
        function = getattr(function, name)
    np.testing.assert_allclose(operation_of(path)(*args, **kwargs), function(*args, **kwargs))


def test_a_slice_is_read_as_tf_keras_keeps_it():
    spec = [{"start": None, "stop": None, "step": None}, {"start": 0, "stop": 2, "step": None}, -1]
    found = operation_of("__operators__.getitem")(X, slice_spec=spec)
    assert np.array_equal(found, X[:, :2, -1])


def test_an_operation_without_a_counterpart_is_named():
    with pytest.raises(ValueError, match=r"tf\.linalg\.det.*use a layer"):
        operation_of("linalg.det")
