import warnings

import keras
import numpy as np
import pytest

from kerasnas.compression import to_tf_keras
from kerasnas.export import Interpreter, conversion, to_tflite
from kerasnas.tflite.inspection import float_operators, operators
from kerasnas.tflite.reader import read_tflite

L = keras.layers


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            L.Conv2D(8, 3, dilation_rate=2),
            L.BatchNormalization(),
            L.ReLU(),
            L.Flatten(),
            L.Dense(10),  # 1,280 weights: dynamic quantization leaves those below 1,024 alone.
        ]
    )


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(0).normal(size=(600, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="module")
def float_file(model):
    return to_tflite(model)


def error(model, data, samples):
    want = model.predict(samples[:50], verbose=0)
    return np.abs(Interpreter(data).predict(samples[:50]) - want).max() / np.abs(want).max()


def test_float32_is_exact_and_lean(model, float_file, samples):
    assert error(model, float_file, samples) < 1e-5
    names = [op.name for op in operators(float_file)]
    assert names == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]


def test_int8_throughout(model, float_file, samples, capfd):
    data = to_tflite(model, "int8", representative_data=samples)
    assert capfd.readouterr() == ("", "")
    assert float_operators(data) == []
    interpreter = Interpreter(data)
    assert interpreter.input_dtypes == interpreter.output_dtypes == ["int8"]
    assert error(model, data, samples) < 0.05
    assert len(data) < len(float_file)


@pytest.mark.parametrize(("quantization", "most"), [("float16", 1e-2), ("dynamic", 5e-2)])
def test_weights_in_fewer_bits(model, float_file, samples, quantization, most):
    data = to_tflite(model, quantization)
    assert error(model, data, samples) < most
    assert len(data) < len(float_file)
    assert float_operators(data) != []


def test_tf_keras_model_with_several_inputs_and_outputs_in_order():
    keras.utils.set_random_seed(0)
    a, b = keras.Input((3,), name="z"), keras.Input((5,), name="a")
    outputs = [L.Dense(7)(b), L.Concatenate()([a, b]), L.Dense(2)(a), a]
    model = keras.Model([a, b], outputs)
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(20, size)).astype("float32") for size in (3, 5)]
    want = model.predict(x, verbose=0)
    data = to_tflite(to_tf_keras(model), "int8", representative_data=x)
    got = Interpreter(data).predict(x)
    assert [array.shape for array in got] == [array.shape for array in want]
    for w, g in zip(want, got, strict=True):
        assert np.abs(w - g).max() < 0.05 * np.abs(w).max()


def test_float_ends_around_an_int8_graph(model, samples):
    data = to_tflite(model, "int8", representative_data=samples, inputs="float32")
    interpreter = Interpreter(data)
    assert interpreter.input_dtypes == interpreter.output_dtypes == ["float32"]
    assert set(float_operators(data)) == {"QUANTIZE", "DEQUANTIZE"}
    assert error(model, data, samples) < 0.05


def test_int16_activations(model, samples):
    data = to_tflite(model, "int16x8", representative_data=samples)
    interpreter = Interpreter(data)
    assert interpreter.input_dtypes == interpreter.output_dtypes == ["int16"]
    assert float_operators(data) == []
    assert error(model, data, samples) < 0.01


def test_weights_in_4_bits(model, float_file, samples):
    pytest.importorskip("ai_edge_quantizer")
    data = to_tflite(model, "int4")
    assert error(model, data, samples) < 0.2
    assert len(data) < len(to_tflite(model, "dynamic"))
    kernel = next(op for op in operators(data) if op.name == "FULLY_CONNECTED").inputs[1]
    assert read_tflite(data)[0].tensors[kernel].dtype == "int4"


@pytest.mark.parametrize(
    ("quantization", "inputs"), [("int8", "int16"), ("float16", "int8"), ("int16x8", "int8")]
)
def test_ends_that_do_not_go_with_the_bits(model, samples, quantization, inputs):
    with pytest.raises(ValueError, match=rf"`inputs` must be .* or None, .*inputs='{inputs}'"):
        to_tflite(model, quantization, samples, inputs=inputs)


@pytest.fixture(scope="module")
def sequences():
    return np.random.default_rng(0).normal(size=(60, 6, 4)).astype("float32")


def relative_error(model, data, x):
    want = model.predict(x, verbose=0)
    return np.abs(Interpreter(data).predict(x) - want).max() / np.abs(want).max()


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_lstm_is_one_operator_that_forgets_the_sample_before(sequences, quantization):
    keras.utils.set_random_seed(0)
    # The cells of the second layer stay below 0.5: the converter's scale for them is unusable.
    model = keras.Sequential([keras.Input((6, 4)), L.LSTM(5, return_sequences=True), L.LSTM(5)])
    data = to_tflite(model, quantization, representative_data=sequences)
    names = [op.name for op in operators(data)]
    assert names.count("UNIDIRECTIONAL_SEQUENCE_LSTM") == 2
    assert "WHILE" not in names
    if quantization == "int8":
        assert float_operators(data) == []
    most = 1e-5 if quantization == "float32" else 0.1
    assert relative_error(model, data, sequences) < most


def test_gru_works_in_float_and_unrolled(sequences):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 4)), L.GRU(5)])
    assert relative_error(model, to_tflite(model, "dynamic"), sequences) < 0.05
    model = keras.Sequential([keras.Input((6, 4)), L.GRU(5, unroll=True)])
    assert relative_error(model, to_tflite(model, "int8", sequences), sequences) < 0.05


def test_layer_normalization_in_int8(sequences):
    keras.utils.set_random_seed(0)
    layers = [L.Dense(16), L.LayerNormalization(), L.Dense(3)]
    model = keras.Sequential([keras.Input((6, 4)), *layers])
    assert relative_error(model, to_tflite(model, "int8", sequences), sequences) < 0.1


def test_an_operator_without_an_int16_form_is_named(sequences):
    model = keras.Sequential([keras.Input((6, 4)), L.Dense(5), L.UnitNormalization()])
    with pytest.raises(ValueError, match=r"no int16x8 form of L2_NORMALIZATION.*'int8'"):
        to_tflite(model, "int16x8", representative_data=sequences)


GOOD = np.zeros((4, 8, 8, 3), "float32")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "`representative_data` is needed"),
        (GOOD[0], r"shape \('samples', 8, 8, 3\)\. Received: shape \(8, 8, 3\)"),
        (GOOD[:, :7], r"shape \('samples', 8, 8, 3\)\. Received: shape \(4, 7, 8, 3\)"),
        (GOOD[:0], "at least one sample"),
        (GOOD * np.nan, "NaN or infinity"),
        (GOOD.astype(str), "must hold numbers. Received: dtype <U32"),
        ({"wrong": GOOD}, "must have the keys"),
    ],
)
def test_representative_data_is_checked_first(monkeypatch, model, data, message):
    monkeypatch.setattr("kerasnas.export.conversion._run_child", None)
    with pytest.raises(ValueError, match=message):
        to_tflite(model, "int8", representative_data=data)


def test_representative_data_for_several_inputs_is_checked():
    a, b = keras.Input((3,), name="a"), keras.Input((5,), name="b")
    model = keras.Model([a, b], L.Concatenate()([a, b]))
    x, y = np.zeros((4, 3)), np.zeros((4, 5))
    with pytest.raises(ValueError, match="list of 2 arrays"):
        to_tflite(model, "int8", representative_data=x)
    with pytest.raises(ValueError, match=r"as many samples.*4 for input 0, 3 for input 1"):
        to_tflite(model, "int8", representative_data=[x, y[:3]])
    with pytest.raises(ValueError, match="for input 0 must have shape"):
        to_tflite(model, "int8", representative_data={"a": y, "b": x})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((20, 8, 8, 3)), r"holds 0 everywhere in input '\w+': .* Pass typical inputs"),
        (np.full((20, 8, 8, 3), 0.5), "holds 0.5 everywhere in input"),
        (np.tile(np.random.default_rng(0).normal(size=(1, 8, 8, 3)), (20, 1, 1, 1)), "20 times"),
    ],
)
def test_samples_that_say_nothing_of_ranges_are_told(monkeypatch, model, data, message):
    class Converted(Exception):
        pass

    def convert(*given):
        raise Converted

    monkeypatch.setattr(conversion, "convert_in_child", convert)
    with pytest.warns(UserWarning, match=message), pytest.raises(Converted):
        to_tflite(model, "int8", data)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        # Ranges are not measured, or from what is typical of one input at least.
        for bits, x in (("float32", data), ("int8", np.random.default_rng(0).random(data.shape))):
            with pytest.raises(Converted):
                to_tflite(model, bits, x)


def test_unknown_quantization(model):
    with pytest.raises(ValueError, match=r"float32.*Received: quantization='int2'"):
        to_tflite(model, "int2")


def test_not_a_model():
    with pytest.raises(ValueError, match="must be a Keras model"):
        to_tflite("model")
