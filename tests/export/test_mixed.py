import keras
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.tflite.inspection import conversions, operators

L = keras.layers


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 2))
    y = L.Conv2D(4, 3, activation="relu", bias_initializer="normal", name="first")(x)
    y = L.Conv2D(4, 3, bias_initializer="normal", name="wide")(y)
    y = L.GlobalAveragePooling2D(name="pool")(y)
    model = keras.Model(x, L.Dense(3, name="head")(y))
    # One channel a thousand times as large as the others leaves these no steps.
    kernel, bias = model.get_layer("wide").get_weights()
    model.get_layer("wide").set_weights([kernel * [1e3, 1, 1, 1], bias])
    kernel, bias = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([kernel * [[1e-3], [1], [1], [1]], bias])
    return model


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(64, 8, 8, 2)).astype("float32")


def error(file, model, x):
    return np.abs(kn.export.Interpreter(file).predict(x) - model.predict(x, verbose=0)).mean()


def test_every_layer_has_its_error(model, x):
    errors = kn.export.quantization_errors(model, x)
    assert [e["steps"] for e in errors] == sorted((e["steps"] for e in errors), reverse=True)
    assert {e["layer"]: e["operator"] for e in errors} == {
        "first": "CONV_2D",
        "wide": "CONV_2D",
        "pool": "MEAN",
        "head": "FULLY_CONNECTED",
    }
    # What rounds to the nearest of 256 steps is 1 / sqrt(12) of a step off.
    assert 0.1 < np.median([e["steps"] for e in errors]) < 0.6


def test_named_layers_stay_in_floating_point(model, x):
    with pytest.raises(kn.export.WrongFileError, match="next to another function") as refused:
        kn.export.to_tflite(model, "int8", x)
    whole = refused.value.tflite  # All but one channel are lost, so it gives a constant.
    mixed, names = kn.export.to_mixed_tflite(model, x, ["wide", "pool", "head"])
    assert names == ["wide", "pool", "head"]
    kernels = [op for op in operators(mixed) if op.name in ("CONV_2D", "FULLY_CONNECTED", "MEAN")]
    assert ["float32" in op.dtypes for op in kernels] == [False, True, True, True]
    assert conversions(mixed) == 2
    assert conversions(whole) == 0
    assert error(mixed, model, x) < 0.2 * error(whole, model, x)
    with pytest.raises(kn.export.WrongFileError) as refused:
        kn.export.to_mixed_tflite(model, x, 1)  # One is not enough here.
    assert conversions(refused.value.tflite) > 0


def test_several_outputs_are_told_apart():
    keras.utils.set_random_seed(0)
    x = keras.Input((6,))
    y = L.Dense(8, activation="relu", name="body")(x)
    model = keras.Model(x, [L.Dense(2, name="left")(y), L.Dense(3, name="right")(y)])
    # Values on both sides of zero alike: the zero point of the input is zero.
    data = np.random.default_rng(0).uniform(-1, 1, (64, 6)).astype("float32")
    data = np.concatenate([data, -data])
    errors = kn.export.quantization_errors(model, data)
    assert {e["layer"] for e in errors} == {"body", "left", "right"}
    mixed, names = kn.export.to_mixed_tflite(model, data, 1)
    assert names == [errors[0]["layer"]]
    assert conversions(mixed) > 0
    mixed, names = kn.export.to_mixed_tflite(model, data, ["right"])
    assert names == ["right"]
    kernels = [op for op in operators(mixed) if op.name == "FULLY_CONNECTED"]
    assert sum("float32" in op.dtypes for op in kernels) == 1
    with pytest.raises(ValueError, match="must leave a layer in 8 bits: the file has 3"):
        kn.export.to_mixed_tflite(model, data, 3)


def test_in_a_recipe(x):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 2)), L.Conv2D(3, 3, name="conv"), L.Flatten()])
    model.add(L.Dense(1, name="head"))
    model.compile("adam", "mse")
    data = (x, x.mean((1, 2, 3)))
    step = kn.Quantize("int8", method="ptq", float_layers=("head",))
    small = kn.compress(model, [step], train_data=data, validation_data=data)
    assert small.report[-1]["method"] == "post-training; float: head"
    assert small.report[-1]["conversions"] == 2
    assert small.report[0]["conversions"] == 0


@pytest.mark.parametrize(
    ("float_layers", "message"),
    [
        (["body"], r"first, wide|wide.*Received: \['body'\]"),
        (-1, "Received: float_layers=-1"),
        (True, "Received: float_layers=True"),
    ],
)
def test_layers_that_are_none(model, x, float_layers, message):
    with pytest.raises(ValueError, match=message):
        kn.export.to_mixed_tflite(model, x, float_layers)


def test_other_bits_have_no_float_layers():
    with pytest.raises(ValueError, match="bits='int8' with method='ptq'"):
        kn.Quantize("int8", float_layers=1)
    with pytest.raises(ValueError, match="tuple of names"):
        kn.Quantize("int8", method="ptq", float_layers=(1,))
