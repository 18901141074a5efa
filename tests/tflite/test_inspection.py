import keras
import numpy as np
import pytest

from kerasnas.export import to_tflite
from kerasnas.tflite.inspection import (
    ends,
    float_operators,
    keeps_state,
    kernel_sparsity,
    operators,
    output_steps,
)

L = keras.layers


@pytest.fixture(scope="module")
def model():
    """Zeros: half of the second kernel, none of the third, all of first, last and depthwise."""
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 4))
    y = L.Conv2D(4, 1, name="first")(x)
    y = L.Conv2D(6, 3, name="half")(y)
    y = L.DepthwiseConv2D(3, activation="relu", name="depthwise")(y)
    y = L.Conv2D(9, 1, name="none")(y)
    model = keras.Model(x, L.Dense(2, name="last")(L.Flatten()(y)))
    rng = np.random.default_rng(0)
    zeros = {"first": 1.0, "half": 0.5, "depthwise": 1.0, "none": 0.0, "last": 1.0}
    for layer, value in zeros.items():
        kernel = model.get_layer(layer).weights[0]
        values = rng.uniform(0.5, 1, kernel.shape)
        values.reshape(-1)[: int(value * values.size)] = 0
        kernel.assign(values)
    return model


@pytest.mark.parametrize("quantization", ["float32", "float16", "int8"])
def test_sparsity_counts_the_kernels_that_pruning_touches(model, quantization):
    samples = np.random.default_rng(0).normal(size=(20, 8, 8, 4))
    data = to_tflite(model, quantization, representative_data=samples)
    half, none = 3 * 3 * 4 * 6, 6 * 9
    assert kernel_sparsity(data) == pytest.approx(0.5 * half / (half + none))


def test_operators(model):
    found = operators(to_tflite(model))
    assert [op.name for op in found][1:4] == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"]
    assert found[1].inputs[0] == found[0].outputs[0]
    assert set(found[0].dtypes) == {"float32"}


def test_float_operators_of_a_float_file(model):
    data = to_tflite(model)
    assert float_operators(data) == [op.name for op in operators(data)]


def test_no_kernels():
    model = keras.Sequential([keras.Input((4,)), L.ReLU()])
    assert kernel_sparsity(to_tflite(model)) == 0


def test_a_damaged_file_is_refused(model):
    data = to_tflite(model)
    for damaged in (b"", b"text", data[: len(data) // 2]):
        for read in (operators, float_operators, kernel_sparsity):
            with pytest.raises(ValueError, match="tflite file"):
                read(damaged)


def test_ends_of_an_int8_file(classifier_file):
    (x,), (y,) = ends(classifier_file, "input"), ends(classifier_file, "output")
    assert (x.name, x.shape, x.dtype) == ("input_000", (1, 8, 8, 3), "int8")
    assert x.scale > 0
    assert (y.name, y.shape, y.scale, y.zero_point) == ("output_000", (1, 4), 1 / 256, -128)
    assert output_steps(classifier_file) == [1 / 256]


def test_ends_of_float_files(model, classifier, images):
    data = to_tflite(model)
    assert [(t.dtype, t.scale) for t in ends(data, "input")] == [("float32", 0.0)]
    assert output_steps(data) == [0.0]
    data = to_tflite(classifier, "int8", images, inputs="float32")
    assert [(t.dtype, t.scale) for t in ends(data, "output")] == [("float32", 0.0)]
    assert output_steps(data) == [1 / 256], "of what is dequantized at the end"


def test_ends_of_damaged_files(classifier_file):
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(classifier_file)
        for position in rng.integers(8, len(damaged), 20):
            damaged[position] = rng.integers(256)
        try:
            ends(bytes(damaged), "input"), ends(bytes(damaged), "output")
            output_steps(bytes(damaged))
        except ValueError:
            refused += 1
    assert refused > 30


def test_state_that_no_interpreter_resets(streaming_files, model):
    assert keeps_state(streaming_files["float32"])
    assert not keeps_state(to_tflite(model))
