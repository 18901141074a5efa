"""What quantization-aware training wraps, and with which ranges."""

import keras
import numpy as np
import pytest
import tf_keras

from kerasnas.bridge import build, canonical, read
from kerasnas.compression import Quantize, compress
from kerasnas.compression.quantization_scheme import scheme
from kerasnas.compression.training import Training
from kerasnas.export import Interpreter
from kerasnas.tflite.inspection import float_operators, operators

L = keras.layers


IMAGE = (8, 8, 4)


CALIBRATE = Quantize("int8", epochs=2, learning_rate=1e-7)  # finds ranges, trains nothing


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    strength = rng.uniform(0.2, 2, size=(128, 1, 1, 1))  # so that outputs differ by more than noise
    return (strength * rng.normal(size=(128, *IMAGE))).astype("float32")


def randomised(make):
    keras.utils.set_random_seed(1)
    model = make()
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if "moving_variance" in weight.path:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
        elif weight.path.endswith(("moving_mean", "beta", "bias")):
            weight.assign(rng.normal(0, 0.3, weight.shape))
    return model


def test_hard_silu_is_one_operator(samples):
    x = keras.Input(IMAGE)
    model = keras.Model(x, L.Conv2D(6, 3, activation="hard_silu")(x))
    graph = canonical(read(model))
    training = Training(model, graph, [samples], model.predict(samples, verbose=0), "mse", None, 0)
    data = CALIBRATE.export(CALIBRATE.apply(build(graph), training), training)
    assert [operator.name for operator in operators(data)] == ["CONV_2D", "HARD_SWISH"]


def gated():
    """A block of MobileNetV3."""
    x = keras.Input(IMAGE)
    y = L.Conv2D(32, 3, padding="same", use_bias=False)(x)
    y = L.Activation("hard_swish")(L.BatchNormalization()(y))
    gate = L.Conv2D(8, 1, activation="relu")(L.GlobalAveragePooling2D(keepdims=True)(y))
    gate = L.ReLU(6.0)(L.Conv2D(32, 1)(gate) + 3.0) * (1.0 / 6.0)
    y = L.BatchNormalization()(L.Conv2D(8, 1, use_bias=False)(L.Multiply()([y, gate])))
    return keras.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(y)))


def test_the_hard_sigmoid_of_a_gate_is_in_the_convolutions_around_it(samples):
    model = randomised(gated)
    graph = canonical(read(model))
    training = Training(model, graph, [samples], model.predict(samples, verbose=0), "mse", None, 0)
    quantized = CALIBRATE.apply(build(graph), training)
    data = CALIBRATE.export(quantized, training)
    names = [operator.name for operator in operators(data)]
    assert names[:4] == ["CONV_2D", "HARD_SWISH", "MEAN", "CONV_2D"]
    assert names[4:] == ["CONV_2D", "MUL", "CONV_2D", "MEAN", "FULLY_CONNECTED"]
    measured = Quantize("int8", method="ptq").export(build(read(model)), training)
    assert len(data.data) < len(measured.data)
    trained = quantized.predict(samples, verbose=0)
    spread = np.abs(trained - trained.mean(axis=0)).mean()
    assert np.abs(Interpreter(data).predict(samples) - trained).mean() < 0.1 * spread


def small_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input(IMAGE), L.Conv2D(6, 3), L.ReLU(name="act"), L.Flatten(), L.Dense(3)]
    )
    model.compile(loss="mse", metrics=["mae"])
    return model


def test_wrappers_and_zero_keeping_quantizers_are_in_the_trained_model(monkeypatch, samples):
    trained = []
    fit = tf_keras.Model.fit

    def spy(self, *args, **kwargs):
        trained.append(self)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(tf_keras.Model, "fit", spy)
    model = small_model()
    graph = canonical(read(model))
    graph.nodes[1].layer.weights[0][:, :, :2] = 0
    training = Training(model, graph, [samples], samples[:, 0, 0, :3], "mse", None, 0)
    quantized = Quantize("int8", epochs=1, learning_rate=1e-2).apply(build(graph), training)
    assert trained == [quantized]
    assert type(quantized.layers[1]).__name__ == "QuantizeLayer"
    wrapped = [layer for layer in quantized.layers if "QuantizeWrapper" in type(layer).__name__]
    assert [type(layer.layer).__name__ for layer in wrapped] == [
        "Conv2D",
        "ReLU",
        "Flatten",
        "Dense",
    ]
    (config,) = wrapped[0].quantize_config.get_weights_and_quantizers(wrapped[0].layer)
    assert type(config[1]).__name__ == "KeepPattern"
    kernel = next(w for w in wrapped[0].weights if w.name.endswith("kernel:0")).numpy()
    assert (kernel[:, :, :2] == 0).all()
    assert (kernel[:, :, 2:] != 0).all()


def test_ranges_of_activations_are_those_of_the_data(samples):
    model = small_model()
    graph = canonical(read(model))
    training = Training(model, graph, [samples], samples[:, 0, 0, :3], "mse", None, 0)
    quantized = CALIBRATE.apply(build(graph), training)
    relu = quantized.get_layer("quant_act")
    (top,) = [weight for weight in relu.weights if "output_max" in weight.name]
    inner = tf_keras.Model(quantized.input, relu.output).predict(samples, verbose=0)
    assert 0.8 * inner.max() < float(top) < 1.2 * inner.max()


def test_scheme_is_tfmots():
    from kerasnas.compression.tfmot import import_tfmot

    base = import_tfmot().quantization.keras.default_8bit.Default8BitQuantizeScheme
    assert isinstance(scheme(set()), base)


def recurrent(x):
    y = L.Conv1D(6, 3, padding="same", activation="relu")(x)
    return L.Bidirectional(L.LSTM(4), name="kept")(y)


def attention(x):
    y = L.Dense(6)(x)
    y = L.Add()([y, L.MultiHeadAttention(2, 4, name="kept")(y, y)])
    return L.Flatten()(y)


def normalized(x):
    return L.Flatten()(L.LayerNormalization(name="kept")(L.Dense(6)(x)))


def shared(x):
    twice = L.Dense(4, activation="relu", name="kept")
    return L.Flatten()(twice(L.Dense(4)(twice(x))))


def across(x):
    return L.Flatten()(L.BatchNormalization(axis=1, name="kept")(L.Dense(4)(x)))


@pytest.mark.parametrize(
    "body", [recurrent, attention, normalized, shared, across], ids=lambda b: b.__name__
)
def test_layers_that_cannot_be_trained_quantized_get_their_ranges_afterwards(body):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 8, 4)).astype("float32")
    y = np.stack([x[:, :, 0].mean(1), x[:, :, 1].max(1)], 1)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 4))
    hidden = L.Dense(8, activation="relu", name="hidden")(body(inputs))
    model = keras.Model(inputs, L.Dense(2)(hidden))
    model.compile(keras.optimizers.Adam(1e-2), "mse", metrics=["mae"])
    model.fit(x, y, epochs=8, verbose=0)
    step = Quantize("int8", epochs=3, learning_rate=1e-3)
    small = compress(model, [step], train_data=(x, y), validation_data=(x, y))
    last = small.report[-1]
    assert last["method"] == "quantization-aware; ranges measured after training for kept"
    assert not float_operators(small.tflite)
    assert last["conversions"] == 0
    # It is trained: the layers themselves, and those around them.
    after = compress(
        model, [Quantize("int8", method="ptq")], train_data=(x, y), validation_data=(x, y)
    )
    assert last["value"] < after.report[-1]["value"]


def test_layers_that_nothing_passes_are_trained_quantized(samples):
    never = keras.initializers.Constant(-100)
    x = keras.Input(IMAGE)
    dead = L.Conv2D(4, 3, padding="same", activation="relu", bias_initializer=never)(x)
    joined = L.Concatenate()([L.ReLU(name="joined")(L.Conv2D(4, 1)(dead)), dead])
    none = L.Concatenate()([L.MaxPooling2D(1)(dead), L.MaxPooling2D(1)(dead)])
    y = L.Conv2D(2, 1, bias_initializer=keras.initializers.Constant(0.5))
    y = L.Add()([y(L.Concatenate()([joined, none])), L.Conv2D(2, 1)(x)])
    model = keras.Model(x, y)
    model.compile("adam", "mse", metrics=["mae"])
    data = (samples, model.predict(samples, verbose=0))
    small = compress(model, [CALIBRATE], train_data=data, validation_data=data)
    assert small.report[-1]["value"] < 0.02 * np.abs(data[1]).max()


def test_the_extremes_of_an_output_are_not_cut_off(rng):
    x = rng.uniform(-1, 1, size=(320, 6)).astype("float32")
    y = 50 * x[:, 0] ** 9
    model = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(1)])
    model.compile(keras.optimizers.Adam(0.03), "mse")
    model.fit(x, y, epochs=20, verbose=0)
    small = compress(model, [Quantize("int8", epochs=2)], train_data=(x, y), validation_data=(x, y))
    want, got = model.predict(x, verbose=0), small.predict(x)
    assert got.max() > 0.95 * want.max()
    assert got.min() < 0.95 * want.min()
