"""Imports TensorFlow Model Optimization without its side effect."""

import os
from typing import Any


def import_tfmot() -> Any:
    """Imports TFMOT and puts `TF_USE_LEGACY_KERAS` back.

    TFMOT 0.8.1 sets the variable when it is imported, which would make `tf.keras` Keras 2 in this
    process and in every child process.

    Returns:
        The module `tensorflow_model_optimization`.
    """
    before = os.environ.get("TF_USE_LEGACY_KERAS")
    try:
        import tensorflow_model_optimization
    finally:
        if before is None:
            os.environ.pop("TF_USE_LEGACY_KERAS", None)
        else:
            os.environ["TF_USE_LEGACY_KERAS"] = before
    return tensorflow_model_optimization
