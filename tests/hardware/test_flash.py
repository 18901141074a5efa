"""The estimated size of the file, against the file that the exporter writes."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasnas as kn

SPACES = {
    "layerwise": lambda: kn.LayerwiseHyperModel((16, 16, 1), 10, stages=[(4, 8), (8, 16)]),
    "cell": lambda: kn.CellHyperModel((16, 16, 3), 10, cells=[1, 2], filters=[4, 8]),
}


def trained_looking(model: keras.Model, rng) -> keras.Model:
    # The zeros and ones of fresh biases and statistics are folded away by the converter.
    for layer in model.layers:
        layer.set_weights([rng.uniform(0.2, 1, w.shape) for w in layer.get_weights()])
    return model


def worst_error(space, dtype, count, rng, random_values) -> float:
    errors = []
    for hp in random_values(space, count, rng):
        model = trained_looking(space.build(hp), rng)
        data = rng.random((4, *space.input_shape), dtype=np.float32)
        size = len(kn.export.to_tflite(model, dtype, representative_data=data))
        errors.append(abs(kn.profile(model, dtype).flash_bytes / size - 1))
    return max(errors)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("name", list(SPACES))
def test_the_file_is_estimated_within_15_percent(name, dtype, rng, random_values):
    assert worst_error(SPACES[name](), dtype, 2, rng, random_values) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("name", list(SPACES))
def test_twenty_files_are_estimated_within_15_percent(name, dtype, rng, random_values):
    assert worst_error(SPACES[name](), dtype, 20, rng, random_values) < 0.15


def test_a_user_network_with_layers_of_its_own_kind(rng):
    inputs = keras.Input((16, 16, 3))
    x = layers.ZeroPadding2D(1)(inputs)
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    y = layers.SeparableConv2D(8, 3, padding="same", activation="relu6")(x)
    x = layers.Concatenate()([layers.Add()([x, y]), layers.MaxPooling2D(3, 1, padding="same")(x)])
    x = layers.GlobalMaxPooling2D()(x)
    model = trained_looking(keras.Model(inputs, layers.Dense(5, activation="softmax")(x)), rng)
    data = rng.random((4, 16, 16, 3), dtype=np.float32)
    size = len(kn.export.to_tflite(model, "int8", representative_data=data))
    assert kn.profile(model).flash_bytes == pytest.approx(size, rel=0.15)
