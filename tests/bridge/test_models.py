"""Whole networks cross the bridge: Keras Applications, half precision, what is left out."""

import inspect

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas.bridge import read
from kerasnas.compression import to_tf_keras

L = keras.layers


APPLICATIONS = {
    name: make for name, make in vars(keras.applications).items() if inspect.isfunction(make)
}


HYPERMODELS = ("HyperResNet", "HyperXception", "HyperEfficientNet")


# The smallest input, where it is not 64.
SIZES = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71, "HyperXception": 71}


def randomise(model):
    """Every weight random, in a size that keeps signals from dying and from exploding."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "float" not in str(weight.dtype):
            continue
        values = rng.normal(0, 0.1, weight.shape)
        if "variance" in weight.path or weight.path.endswith("gamma"):
            values = rng.uniform(0.5, 1.5, weight.shape)
        elif len(weight.shape) >= 2:
            depthwise = len(weight.shape) == 4 and weight.shape[-1] == 1
            inputs = np.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
            values = rng.normal(0, np.sqrt(2 / inputs), weight.shape)
        weight.assign(values)
    return model


def assert_crosses(model):
    rebuilt = to_tf_keras(randomise(model))
    assert all(type(layer).__module__.startswith("tf_keras.") for layer in rebuilt.layers)
    sizes = [
        sum(int(np.prod(weight.shape)) for weight in either.trainable_weights)
        for either in (model, rebuilt)
    ]
    assert sizes[0] == sizes[1]
    x = np.random.default_rng(1).uniform(0, 255, (3, *model.input_shape[1:])).astype("float32")
    want, got = np.asarray(model(x, training=False)), np.asarray(rebuilt(x, training=False))
    difference = np.abs(want - got).max()
    assert difference <= 1e-4 * np.abs(want).max()
    assert np.ptp(want, axis=0).max() > 10 * difference, "inputs are not told apart"


def application(name):
    size = SIZES.get(name, 224 if "NASNet" in name else 64)
    return APPLICATIONS[name](
        weights=None, classifier_activation=None, input_shape=(size, size, 3), classes=10
    )


def test_mobilenet_v3():
    assert_crosses(application("MobileNetV3Small"))


def test_rounding_is_that_of_keras():
    """Hundreds of layers can make a wrong output of the last bit of an early one."""
    x = y = keras.Input((8, 8, 3))
    for _ in range(3):
        y = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 3, padding="same")(y)))
    model = randomise(keras.Model(x, y))
    x = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(to_tf_keras(model)(x), model(x))


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_application(name):
    assert_crosses(application(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", HYPERMODELS)
def test_hypermodel_of_keras_tuner(name):
    size = SIZES.get(name, 64)
    space = getattr(keras_tuner.applications, name)(input_shape=(size, size, 3), classes=10)
    try:
        model = space.build(keras_tuner.HyperParameters())
    except Exception as reason:
        if "URL fetch failure" not in str(reason):
            raise
        pytest.skip(f"it downloads weights: {reason}")
    model.layers[-1].activation = keras.activations.linear  # a softmax hides what is before it
    assert_crosses(model)


def test_convnext_block_and_inception_resnet_block():
    from keras.src.applications.convnext import LayerScale, StochasticDepth
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    x = keras.Input((8, 8, 4))
    y = L.LayerNormalization(epsilon=1e-6)(L.DepthwiseConv2D(7, padding="same")(x))
    y = L.Dense(4)(L.Activation("gelu")(L.Dense(16)(y)))
    y = L.Add()([x, StochasticDepth(0.2)(LayerScale(1e-6, 4)(y))])
    y = L.Activation("relu")(CustomScaleLayer(0.17)([y, L.Conv2D(4, 1)(y)]))
    model = keras.Model(x, y)
    assert_crosses(model)
    layers = {type(layer).__name__: layer for layer in to_tf_keras(model).layers}
    # Fine-tuning drops whole samples from the branch, as Keras does.
    assert layers["Dropout"].noise_shape == (None, 1, 1, 1)


AUGMENTATIONS = {
    **dict.fromkeys(("RandomFlip", "RandomInvert", "RandomGrayscale", "RandomErasing"), ()),
    **dict.fromkeys(("AugMix", "CutMix", "MixUp", "RandAugment", "Equalization"), ()),
    **dict.fromkeys(("RandomRotation", "RandomZoom", "RandomContrast", "RandomBrightness"), (0.1,)),
    **dict.fromkeys(("RandomHue", "RandomSaturation", "RandomSharpness"), (0.1,)),
    **dict.fromkeys(("RandomShear", "RandomColorJitter", "RandomPerspective"), ()),
    **dict.fromkeys(("RandomGaussianBlur", "RandomElasticTransform", "Solarization"), ()),
    "RandomColorDegeneration": (0.1,),
    "RandomPosterization": (4,),
    "RandomTranslation": (0.1, 0.1),
    "GaussianNoise": (0.1,),
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_and_noise_are_left_out(name):
    if not hasattr(L, name):
        pytest.skip("this Keras does not have it")
    x = keras.Input((8, 8, 3))
    y = getattr(L, name)(*AUGMENTATIONS[name])(x)
    rebuilt = to_tf_keras(randomise(keras.Model(x, L.Conv2D(2, 3)(y))))
    assert [type(layer).__name__ for layer in rebuilt.layers] == ["InputLayer", "Conv2D"]


def test_augmentation_of_integers_still_makes_floats():
    x = keras.Input((8, 8, 3), dtype="uint8")
    model = randomise(keras.Model(x, L.Conv2D(2, 3)(L.RandomFlip()(x))))
    assert [node.layer.kind for node in read(model).nodes][1:] == ["Rescaling", "Conv2D"]
    to_tf_keras(model)


def test_weights_that_are_not_finite_are_named():
    model = keras.Sequential([keras.Input((3,)), L.Dense(2, name="broken")])
    model.layers[0].kernel.assign(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match=r"gives NaN or infinity.*broken/kernel"):
        to_tf_keras(model)
