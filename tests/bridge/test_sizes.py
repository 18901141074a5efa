import keras
import numpy as np
import pytest

from kerasnas.bridge import build, expected, read, verify
from kerasnas.bridge.sizes import input_sizes
from kerasnas.compression import to_tf_keras

L = keras.layers


def model_of(outputs, *inputs):
    return keras.Model(inputs, outputs(*inputs))


def mobile():
    """Pads, then takes windows without padding, as the networks of keras.applications do."""
    x = keras.Input((None, None, 3))
    y = L.Conv2D(8, 3, strides=2, padding="same", activation="hard_silu")(x)
    for _ in range(4):
        y = L.ZeroPadding2D(((1, 2), (1, 2)))(y)
        y = L.BatchNormalization()(L.DepthwiseConv2D(5, strides=2)(y))
    return keras.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(y)))


def pooled():
    def outputs(x):
        for pool in (L.MaxPooling2D, L.AveragePooling2D, L.MaxPooling2D):
            x = pool(5, strides=2)(x)
        return x

    return model_of(outputs, keras.Input((None, None, 2)))


def dilated():
    def outputs(x):
        for rate in (1, 4, 16, 64):
            x = L.Conv1D(4, 3, dilation_rate=rate, activation="relu")(x)
        return L.GlobalMaxPooling1D()(x)

    return model_of(outputs, keras.Input((None, 3)))


def volumes():
    def outputs(x):
        x = L.MaxPooling3D(3)(L.Conv3D(4, 5)(x))
        return L.GlobalAveragePooling3D()(L.Conv3D(4, 5, strides=2)(x))

    return model_of(outputs, keras.Input((None, None, None, 2)))


def one_axis_fixed():
    def outputs(x):
        x = L.Conv2D(4, (9, 3), strides=(4, 2))(x)
        return L.GlobalAveragePooling2D()(L.DepthwiseConv2D((9, 3), strides=(3, 1))(x))

    return model_of(outputs, keras.Input((None, 20, 3)))


def steps():
    def outputs(x):
        x = L.Conv1D(4, 7, strides=3)(L.Conv1D(4, 9, strides=4)(x))
        return L.LSTM(3)(x)

    return model_of(outputs, keras.Input((None, 4)))


def halved_and_doubled():
    def outputs(x):
        skips, y = [], x
        for _ in range(5):
            y = L.MaxPooling2D(2)(y)
            skips.append(y)
        for skip in skips[-2::-1]:
            y = L.Concatenate()([L.UpSampling2D(2)(y), skip])
        return L.Conv2D(2, 1)(y)

    return model_of(outputs, keras.Input((None, None, 2)))


def one_input_twice_the_other():
    def outputs(x, y):
        return L.Concatenate()([L.MaxPooling2D(2)(x), y])

    return model_of(outputs, keras.Input((None, None, 2)), keras.Input((None, None, 3)))


def as_long_as_a_fixed_input():
    def outputs(x, y):
        return L.Add()([L.Conv1D(4, 3)(x), L.Conv1D(4, 3)(y)])

    return model_of(outputs, keras.Input((21, 4)), keras.Input((None, 4)))


def cropped():
    def outputs(x):
        return L.Conv1D(2, 3)(L.Cropping1D(30)(x))[:, 5]

    return model_of(outputs, keras.Input((None, 3)))


def resized():
    def outputs(x):
        return L.Flatten()(L.Conv2D(3, 3, strides=2)(L.Resizing(24, 24)(x)))

    return model_of(outputs, keras.Input((None, None, 3)))


def distributed():
    def outputs(x):
        for _ in range(2):
            x = L.TimeDistributed(L.DepthwiseConv2D(7, strides=3))(x)
        return L.TimeDistributed(L.GlobalAveragePooling2D())(x)

    return model_of(outputs, keras.Input((2, None, None, 1)))


NETWORKS = (
    mobile, pooled, dilated, volumes, one_axis_fixed, steps, halved_and_doubled,
    one_input_twice_the_other, as_long_as_a_fixed_input, cropped, resized, distributed,
)  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS)
def test_inputs_of_no_fixed_size_cross_the_bridge(network):
    keras.utils.set_random_seed(0)
    model = network()
    legacy = to_tf_keras(model)
    assert [tuple(tensor.shape) for tensor in legacy.inputs] == [t.shape for t in model.inputs]


@pytest.mark.slow
def test_a_network_of_keras_applications_as_it_comes():
    model = keras.applications.MobileNetV3Small(weights=None)
    assert to_tf_keras(model).input_shape == (None, None, None, 3)


def test_weights_at_the_rim_of_a_kernel_are_compared():
    """At 16 pixels the last map would be one value, which the middle of the kernel alone sees."""
    x = keras.Input((None, None, 2))
    y = x
    for _ in range(4):
        y = L.AveragePooling2D(2)(y)
    model = keras.Model(x, L.Conv2D(2, 5, padding="same")(y))
    graph = read(model)
    rebuilt = build(graph)
    verify(model, expected(model, graph), rebuilt)
    kernel, bias = rebuilt.layers[-1].get_weights()
    kernel[0, 0] += 1
    rebuilt.layers[-1].set_weights([kernel, bias])
    with pytest.raises(ValueError, match="does not compute the same"):
        verify(model, expected(model, graph), rebuilt)


def test_every_map_holds_its_window():
    (shape,) = next(input_sizes(dilated()))
    assert shape[1] > 2 * (1 + 4 + 16 + 64)
    (shape,) = next(input_sizes(volumes()))
    assert all(size >= 19 for size in shape[1:4])


def test_a_kernel_that_no_size_can_fill_is_compared_all_the_same():
    def outputs(x):
        return L.Conv2D(3, 3, padding="same")(L.GlobalAveragePooling2D(keepdims=True)(x))

    to_tf_keras(model_of(outputs, keras.Input((None, None, 2))))


def test_fixed_inputs_are_taken_as_they_are():
    model = model_of(lambda x: L.Conv2D(2, 3, padding="same")(x), keras.Input((1, 2, 3)))
    assert list(input_sizes(model)) == [[(None, 1, 2, 3)]]


def test_no_size_that_runs_is_an_error_that_says_what_to_do():
    model = model_of(lambda x: L.Cropping1D(30_000)(x), keras.Input((None, 3), name="wave"))
    with pytest.raises(ValueError, match=r"'wave' of shape \(None, None, 3\)") as caught:
        to_tf_keras(model)
    assert "`keras.Input` of a fixed shape" in str(caught.value)


def test_what_a_fixed_model_raises_is_not_hidden():
    @keras.saving.register_keras_serializable("kerasnas.tests")
    class Failing(L.Layer):
        fails = False

        def call(self, x):
            if self.fails:
                raise ArithmeticError("out of order")
            return x * 2

    model = model_of(Failing(), keras.Input((3,)))
    graph = read(model)
    rebuilt = build(graph)
    Failing.fails = True
    with pytest.raises(ArithmeticError, match="out of order"):
        verify(model, expected(model, graph), rebuilt)


def test_one_sample_takes_bounded_memory():
    def outputs(x):
        for rate in (1, 10, 100):
            x = L.Conv3D(2, 3, dilation_rate=rate, padding="same")(x)
        return x

    model = model_of(outputs, keras.Input((None, None, None, 1)))
    (shape,) = next(input_sizes(model))
    assert np.prod(shape[1:]) * 7 <= 2**26
