"""Keras's layers that do nothing outside training."""

import keras

# Of augmentation and noise, nothing is left where a model is rebuilt for inference.
AUGMENTATION = (
    *("AugMix", "CutMix", "Equalization", "GaussianNoise", "MixUp", "RandAugment"),
    *("RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomContrast"),
    *("RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur"),
    *("RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective"),
    *("RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness"),
    *("RandomShear", "RandomTranslation", "RandomZoom", "Solarization"),
)
# Fine-tuning needs some of these; the converter drops them.
DROPPED = {
    *AUGMENTATION,
    *("ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "Identity"),
    *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
}


def is_augmentation(layer: keras.Operation) -> bool:
    """Whether a layer, or one derived from it, is augmentation or noise.

    Args:
        layer: Keras 3 layer.

    Returns:
        True for what does nothing outside training, and that fine-tuning does not need either:
        dropout is not among them.
    """
    return any(isinstance(layer, getattr(keras.layers, name, ())) for name in AUGMENTATION)
