"""The table of layers, and a user's own layer that is given a row in it."""

import keras
import numpy as np
import pytest
import tf_keras
from keras import layers

import kerasnas as kn
from kerasnas.hardware import LayerTraits, keras_graph, register_layer
from kerasnas.hardware.lowering import lower
from kerasnas.keras_models.traits import LAYERS, is_augmentation, names, of_kind, traits_of
from kerasnas.tflite.reader import read_tflite


class Sigmoids(layers.Layer):
    """A user's own layer of one value at a time."""

    def call(self, x):
        return x / (1 + keras.ops.abs(x))

    def compute_output_shape(self, input_shape):
        return input_shape


class Blurred(layers.Layer):
    """A user's own augmentation."""

    def call(self, x, training=False):
        return x


class Noisy(layers.Layer):
    """A user's own regularization."""

    def call(self, x, training=False):
        return x


register_layer(
    Sigmoids,
    LayerTraits(
        settings=(), elementwise="ABS x; ADD 0 =1; DIV x 1", channels_alone=True, steps="each"
    ),
)
register_layer(Blurred, LayerTraits(inference="left_out"))
register_layer(Noisy, LayerTraits(inference="nothing", channels_alone=True))


def network(*middle) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3)(x)
    for layer in middle:
        x = layer(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3)(x))
    return keras.Model(inputs, layers.Dense(2)(x))


def test_every_layer_said_to_be_in_tf_keras_is_there():
    found = [*names(lambda traits: traits.in_tf_keras)]
    assert found
    assert all(hasattr(tf_keras.layers, name) and hasattr(keras.layers, name) for name in found)


def test_a_layer_of_lines_has_a_layer_of_images_of_its_name():
    found = [*names(lambda traits: traits.lines == "image")]
    assert found
    assert all(hasattr(tf_keras.layers, name.replace("1D", "2D")) for name in found)


@pytest.mark.parametrize("name", [*names(lambda traits: traits.same_range)])
def test_what_only_moves_values_keeps_integers_and_factors(name):
    assert LAYERS[name].keeps_integers
    assert LAYERS[name].keeps_factor


def test_a_class_that_only_has_the_name_of_one_of_keras_is_unknown():
    class Dropout(layers.Layer):
        """A user's own."""

    assert traits_of(layers.Dropout(0.5)) is of_kind("Dropout")
    assert traits_of(Dropout()) == LayerTraits()


def test_an_own_layer_costs_what_its_file_costs(rng):
    model = network(Sigmoids())
    file = kn.export.to_tflite(model, "float32")
    kinds = [operator.kind for operator in lower(keras_graph(model), "float32").operators]
    assert kinds == [operator.kind for operator in read_tflite(file)[0].operators]
    assert kn.profile(model, "float32").macs == kn.hardware.profile_tflite(file).macs


def test_an_own_layer_runs_over_time_steps():
    steps = keras.Sequential([keras.Input((5, 4)), layers.TimeDistributed(Sigmoids())])
    alone = keras.Sequential([keras.Input((5, 4)), Sigmoids()])
    assert kn.profile(steps).ram_bytes == kn.profile(alone).ram_bytes


def test_channels_pass_through_an_own_layer_in_structured_pruning(rng):
    model = network(Sigmoids())
    small = kn.compression.prune_channels(model, 0.5)
    assert kn.profile(small).macs <= 0.5 * kn.profile(model).macs
    assert small.layers[1].filters < 8
    assert small(rng.random((2, 8, 8, 3), dtype=np.float32)).shape == (2, 2)


def test_own_augmentation_costs_nothing_and_does_not_cross_the_bridge():
    assert is_augmentation(Blurred())
    assert kn.profile(network(Blurred())).ram_bytes == kn.profile(network()).ram_bytes
    kinds = [type(layer).__name__ for layer in kn.bridge.to_tf_keras(network(Blurred())).layers]
    assert kinds == ["InputLayer", "Conv2D", "Conv2D", "GlobalAveragePooling2D", "Dense"]


def test_own_regularization_costs_nothing_and_is_there_for_fine_tuning():
    noisy = network(Noisy())
    assert kn.profile(noisy).ram_bytes == kn.profile(network()).ram_bytes
    assert any("Keras" in type(layer).__name__ for layer in kn.bridge.to_tf_keras(noisy).layers)


@pytest.mark.parametrize(
    ("layer", "traits", "message"),
    [
        (Sigmoids(), LayerTraits(), "must be a subclass.*Sigmoids"),
        (layers.Dense, LayerTraits(), "rename the class.*Dense"),
        (type("Power", (layers.Layer,), {}), LayerTraits(elementwise="abs(x)"), r"abs\(x\)"),
    ],
)
def test_a_wrong_registration_says_what_to_do(layer, traits, message):
    with pytest.raises(ValueError, match=message):
        register_layer(layer, traits)
