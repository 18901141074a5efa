"""Every file that is made is run and compared with its model."""

import warnings

import keras
import keras_tuner
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kerasnas.compression import Quantize, compress
from kerasnas.export import WrongFileError, conversion, to_mixed_tflite, to_tflite
from kerasnas.tuners.tflite_objectives import TFLiteScorer

L = keras.layers


RNG = np.random.default_rng(0)


X = [RNG.normal(size=(64, 4)).astype("float32") for _ in range(2)]


Y = [RNG.normal(size=(64, 3)).astype("float32") for _ in range(2)]


@pytest.fixture(scope="module")
def model():
    """Two inputs of one shape, and two outputs of one shape."""
    keras.utils.set_random_seed(0)
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    joined = L.Concatenate()([L.Dense(8, activation="relu")(a), L.Dense(6, activation="relu")(b)])
    made = keras.Model([a, b], [L.Dense(3, name="one")(joined), L.Dense(3, name="two")(joined)])
    made.compile("adam", ["mse", "mse"])
    made.fit(X, Y, epochs=1, verbose=0)
    return made


def graph(data):
    return schema.Model.GetRootAs(data, 0).Subgraphs(0)


def coarser_kernel(data):
    """The scale of the largest kernel times four."""
    changed = bytearray(data)
    tensors = [graph(changed).Tensors(i) for i in range(graph(changed).TensorsLength())]
    kernels = [t for t in tensors if t.Type() == schema.TensorType.INT8 and t.Shape(0) > 1]
    largest = max(kernels, key=lambda tensor: np.prod(tensor.ShapeAsNumpy()))
    scale = largest.Quantization().ScaleAsNumpy()
    scale *= np.float32(4)
    return bytes(changed)


def swapped(end):
    def change(data):
        changed = bytearray(data)
        order = getattr(graph(changed), f"{end}AsNumpy")()
        order[:] = order[::-1].copy()
        return bytes(changed)

    return change


@pytest.fixture
def break_files(monkeypatch):
    """Has every file that is converted from now on changed."""

    def broken(change, floats_too=True):
        right = conversion.fix_converted_file

        def touched(data):
            first = graph(data).Tensors(graph(data).Inputs(0))
            is_float = first.Type() == schema.TensorType.FLOAT32
            return right(data) if is_float and not floats_too else change(right(data))

        monkeypatch.setattr(conversion, "fix_converted_file", touched)

    return broken


@pytest.mark.parametrize("change", [coarser_kernel, swapped("Inputs"), swapped("Outputs")])
def test_a_wrong_file_is_an_error(model, break_files, change):
    break_files(change)
    with pytest.raises(WrongFileError, match=r"int8 file of '\w+' differs .* by \d+% in out") as e:
        to_tflite(model, "int8", X)
    assert len(e.value.tflite) > 1000


@pytest.mark.parametrize("bits", ["float32", "float16", "dynamic"])
@pytest.mark.parametrize("samples", [None, X], ids=["random", "given"])
def test_floats_are_compared_too_with_or_without_samples(model, break_files, bits, samples):
    break_files(swapped("Outputs"))
    with pytest.raises(WrongFileError, match=f"The {bits} file of"):
        to_tflite(model, bits, samples)


def test_mixed_files_and_those_of_compress_and_of_a_search_too(model, break_files):
    break_files(swapped("Outputs"), floats_too=False)
    with pytest.raises(WrongFileError):
        to_mixed_tflite(model, X, 1)
    with pytest.raises(WrongFileError):
        compress(model, [Quantize("int8")], train_data=(X, Y), validation_data=(X, Y))
    search = TFLiteScorer((X, Y), (X, Y, None))
    with pytest.raises(keras_tuner.errors.FailedTrialError, match="differs from the model by"):
        search(model, None, ["tflite_size"])


def test_right_files_are_silent(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for bits in ("int8", "float32"):
            to_tflite(model, bits, X)
        compress(model, [Quantize("int8")], train_data=(X, Y), validation_data=(X, Y))


def test_a_model_of_a_fixed_batch_is_compared():
    made = keras.Sequential([keras.Input(batch_shape=(3, 4)), L.Dense(2)])
    assert len(to_tflite(made, "int8", X[0])) > 500


@pytest.mark.parametrize("bits", ["float32", "float16", "dynamic", "int8"])
@pytest.mark.parametrize("x", [X[0][:1], np.ones((20, 4), "float32"), np.zeros((9, 4), "float32")])
def test_samples_that_say_little_are_no_alarm_of_the_file(bits, x):
    keras.utils.set_random_seed(0)
    layers = [L.Dense(32, activation="relu") for _ in range(4)]
    made = keras.Sequential([keras.Input((4,)), *layers, L.Dense(3)])
    for layer in made.layers:
        layer.bias.assign(RNG.normal(size=layer.bias.shape))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        # Of the data, and not of the file.
        warnings.filterwarnings("ignore", "`representative_data` holds", UserWarning)
        to_tflite(made, bits, x)


def test_a_model_that_takes_no_random_inputs_is_told():
    import tensorflow as tf
    import tf_keras

    table = tf.constant(RNG.normal(size=(5, 3)).astype("float32"))
    entry = tf_keras.Input((4,), dtype="int32")
    found = tf_keras.layers.Lambda(lambda x: tf.gather(table, x))(entry)
    made = tf_keras.Model(entry, tf_keras.layers.Dense(2)(found))
    with pytest.warns(UserWarning, match=r"was not compared .*`representative_data`"):
        to_tflite(made)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        to_tflite(made, "float32", RNG.integers(0, 5, (20, 4)))


def boxes_and_scores():
    """As detectors give them: pixels beside probabilities."""
    x = keras.Input((6,))
    ends = [L.Dense(n, activation="sigmoid", kernel_initializer="he_normal")(x) for n in (2, 3)]
    return keras.Model(x, L.Concatenate()([L.Rescaling(300.0)(ends[0]), ends[1]]))


def far_from_zero():
    """A regression of air pressure."""
    x = keras.Input((6,))
    hidden = L.Dense(16, activation="relu")(x)
    return keras.Model(x, L.Dense(1, bias_initializer=keras.initializers.Constant(1013.0))(hidden))


@pytest.mark.parametrize(("make", "lost"), [(boxes_and_scores, "2, 3, 4"), (far_from_zero, "0")])
def test_values_that_the_step_of_an_output_swallows_are_told(make, lost):
    keras.utils.set_random_seed(0)
    data = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
    with pytest.warns(UserWarning, match=f"loses values {lost}: .*Scale targets"):
        to_tflite(make(), "int8", data)


def test_values_of_one_size_are_no_alarm():
    keras.utils.set_random_seed(0)
    data = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
    layers = [keras.Input((6,)), L.Dense(16, activation="relu"), L.Dense(5)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        to_tflite(keras.Sequential(layers), "int8", data)
