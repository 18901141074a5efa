import keras
import numpy as np
import pytest

from kerasnas.compression import to_tf_keras
from kerasnas.export import Interpreter, conversion, to_tflite
from kerasnas.export.model_file import float_operators, operators

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


def test_lstm_is_one_operator():
    model = keras.Sequential([keras.Input((6, 4)), L.LSTM(5)])
    names = [op.name for op in operators(to_tflite(model))]
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in names
    assert "WHILE" not in names


def test_crash_of_the_converter_is_an_error(capfd):
    model = keras.Sequential([keras.Input((6, 4)), L.GRU(5)])
    samples = np.random.default_rng(0).normal(size=(20, 6, 4))
    with pytest.raises(RuntimeError, match=r"converter crashed \(SIG\w+\).*said last:\n  \S"):
        to_tflite(model, "int8", representative_data=samples)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def converter(monkeypatch):
    """A converter of the test's own, so that the one of the other tests lives on."""
    made = conversion._Converter()
    monkeypatch.setattr(conversion, "_CONVERTER", made)
    yield made
    made.close()


def test_end_of_the_converter_says_why(monkeypatch, tmp_path, model, converter):
    child = tmp_path / "child.py"
    child.write_text(
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.stdin.readline().strip())\n"
        "(folder / 'log.txt').write_text('no such operator')\n"
        "sys.exit(7)\n"
    )
    monkeypatch.setattr(conversion, "_CHILD", child)
    with pytest.raises(RuntimeError, match=r"failed \(exit status 7\)[^$]*no such operator"):
        to_tflite(model)
    monkeypatch.undo()
    assert len(to_tflite(model)) > 1000


def test_a_failed_conversion_says_why_and_the_next_one_works(monkeypatch, tmp_path, converter):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RuntimeError, match=r"converter failed[^$]*FileNotFoundError"):
        conversion._run_child(empty, 60)
    child = converter._child
    model = keras.Sequential([keras.Input((4,)), L.Dense(2)])
    assert len(to_tflite(model)) == len(to_tflite(model)) > 500
    assert converter._child is child, "one child does all"


def test_time_limit(model, converter):
    with pytest.raises(TimeoutError, match=r"`timeout`=0\.01 seconds"):
        to_tflite(model, timeout=0.01)
    assert converter._child is None
    assert len(to_tflite(model)) > 1000


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


def test_unknown_quantization(model):
    with pytest.raises(ValueError, match=r"float32.*Received: 'int4'"):
        to_tflite(model, "int4")


def test_not_a_model():
    with pytest.raises(ValueError, match="must be a Keras model"):
        to_tflite("model")
