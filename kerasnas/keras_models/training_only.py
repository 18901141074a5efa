"""Lists the layers of Keras that do nothing outside training."""

import keras

# Augmentation and noise: a model that is rebuilt for inference has none of these.
AUGMENTATION = (
    *("AugMix", "CutMix", "Equalization", "GaussianNoise", "MixUp", "RandAugment"),
    *("RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomContrast"),
    *("RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur"),
    *("RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective"),
    *("RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness"),
    *("RandomShear", "RandomTranslation", "RandomZoom", "Solarization"),
)
# The converter drops all of these, but fine-tuning needs some of them.
DROPPED = {
    *AUGMENTATION,
    *("ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "Identity"),
    *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
}


def is_augmentation(layer: keras.Operation) -> bool:
    """Returns whether a layer is augmentation or noise, or derived from such a layer.

    Args:
        layer: Keras 3 layer.

    Returns:
        True for what does nothing outside training, and that fine-tuning does not need either:
        dropout is not among them.
    """
    return any(isinstance(layer, getattr(keras.layers, name, ())) for name in AUGMENTATION)
