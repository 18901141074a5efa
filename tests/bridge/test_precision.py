"""Models of half precision are read in float32."""

import keras
import numpy as np
import pytest

from kerasnas.compression import to_tf_keras

L = keras.layers


def randomise(model):
    """Every weight random, in a size that keeps signals from dying and from exploding."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "float" not in str(weight.dtype):
            continue
        values = rng.normal(0, 0.1, weight.shape)
        if "variance" in weight.path or weight.path.endswith("gamma"):
            values = rng.uniform(0.5, 1.5, weight.shape)
        elif len(weight.shape) >= 2:
            depthwise = len(weight.shape) == 4 and weight.shape[-1] == 1
            inputs = np.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
            values = rng.normal(0, np.sqrt(2 / inputs), weight.shape)
        weight.assign(values)
    return model


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_half_precision_is_read_in_float32(policy):
    inner = keras.Sequential(
        [keras.Input((8, 8, 4)), L.Conv2D(4, 3, dtype=policy), L.BatchNormalization(dtype=policy)]
    )
    x = keras.Input((8, 8, 3))
    y = inner(L.Conv2D(4, 3, padding="same", dtype=policy)(x))
    y = keras.ops.cast(y, "float16") * 2
    y = L.TimeDistributed(L.Bidirectional(L.LSTM(3, dtype="float32")), dtype="float32")(y)
    model = randomise(keras.Model(x, L.Dense(3, dtype="float32")(y)))
    rebuilt = to_tf_keras(model)
    assert {str(weight.dtype.name) for weight in rebuilt.weights} == {"float32"}
    assert model.layers[1].compute_dtype != "float32", "the model itself is not changed"
    batch = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    want, got = np.asarray(model(batch)), np.asarray(rebuilt(batch))
    assert 0 < np.abs(want - got).max() < 0.05 * np.abs(want).max()


def test_a_model_that_keras_has_quantized_is_refused():
    model = keras.Sequential([keras.Input((3,)), L.Dense(2, name="packed")])
    model.quantize("int8")
    with pytest.raises(ValueError, match=r"quantized 'packed'.*before `quantize`"):
        to_tf_keras(model)
