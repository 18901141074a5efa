"""Keras's own layers: costs against those of the file."""

import keras
import numpy as np
import pytest
from keras import layers
from keras.src.applications import convnext, inception_resnet_v2

import kerasnas as kn

IMAGE = (8, 8, 4)
SEQUENCE = (6, 8)
VECTOR = (12,)


VOLUMES = [
    ((4, 6, 6, 2), lambda x: layers.Cropping3D(1)(x)),
    ((4, 6, 6, 2), lambda x: layers.ZeroPadding3D(1)(x)),
    ((4, 6, 6, 2), lambda x: layers.Conv3D(3, 3)(x)),
]

IMAGES = [
    (IMAGE, lambda x: layers.Conv2D(4, 3)(layers.RandomTranslation(0.1, 0.1)(x))),
    (IMAGE, lambda x: layers.RandomRotation(0.1)(layers.Conv2D(4, 3)(layers.RandomFlip()(x)))),
    (IMAGE, lambda x: layers.Resizing(6, 5)(layers.Conv2D(4, 1)(x))),
    (IMAGE, lambda x: layers.Resizing(16, 16, interpolation="nearest")(x)),
    (IMAGE, lambda x: layers.Resizing(6, 4, crop_to_aspect_ratio=True)(x)),
    (IMAGE, lambda x: layers.CenterCrop(6, 5)(layers.Conv2D(4, 1)(x))),
    (VECTOR, lambda x: layers.Dense(3)(layers.AlphaDropout(0.1)(x))),
    (SEQUENCE, lambda x: layers.Dense(4)(layers.Masking()(x))),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_volumes_cost_what_their_file_costs(dtype, compare_all):
    compare_all(VOLUMES, dtype)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_images_cost_what_their_file_costs(dtype, compare_all):
    compare_all(IMAGES, dtype)


EACH = np.arange(1, 5, dtype="float32")


INTEGERS = {
    "rescaled": ("uint8", IMAGE, lambda x: layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(x))),
    "moved": (
        "uint8",
        IMAGE,
        lambda x: layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 127.5, -1)(x)),
    ),
    "normalized": (
        "uint8",
        IMAGE,
        lambda x: layers.Conv2D(4, 3)(layers.Normalization(mean=EACH, variance=EACH)(x)),
    ),
    "augmented": ("uint8", IMAGE, lambda x: layers.Conv2D(4, 3)(layers.RandomFlip()(x))),
    "dense": ("int32", VECTOR, layers.Dense(3)),
    "indices": (
        "int32",
        (5,),
        lambda x: layers.Dense(3)(layers.Flatten()(layers.Embedding(9, 4)(x))),
    ),
    "float indices": ("float32", (5,), lambda x: layers.Embedding(9, 4)(x)),
}


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_cost_what_their_file_costs(kind, dtype, compare):
    if (kind, dtype) == ("normalized", "int8"):
        pytest.skip(
            "a Normalization of pixels is one of floats, whose test is test_a_normalization"
        )
    given, shape, make = INTEGERS[kind]
    x = keras.Input(shape, dtype=given)
    compare(keras.Model(x, make(x)), dtype, slack=100)


def test_a_class_derived_from_augmentation_costs_nothing():
    class Mine(layers.RandomFlip):
        """A user's own."""

    def profile(*first):
        tail = [layers.Conv2D(4, 3, name="conv"), layers.GlobalAveragePooling2D(name="pool")]
        return kn.profile(keras.Sequential([keras.Input(IMAGE), *first, *tail]))

    augmented, plain = profile(Mine()), profile()
    assert (augmented.flash_bytes, augmented.macs) == (plain.flash_bytes, plain.macs)
    assert augmented.ram_bytes == plain.ram_bytes


def applications() -> keras.Model:
    """Layers of Keras Applications' own."""
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(8, 2, strides=2)(inputs)
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    y = layers.Dense(32)(layers.LayerNormalization(epsilon=1e-6)(y))
    y = layers.Dense(8)(layers.Activation("gelu")(y))
    y = convnext.StochasticDepth(0.1)(convnext.LayerScale(0.1, 8)(y))
    x = layers.Add()([x, y])
    x = inception_resnet_v2.CustomScaleLayer(0.2)([x, layers.Conv2D(8, 1)(x)])
    x = layers.GlobalAveragePooling2D()(layers.Activation("relu")(x))
    return keras.Model(inputs, layers.Dense(3)(x))


def test_layers_of_keras_applications(compare):
    compare(applications(), "float32", flash=0.1)
