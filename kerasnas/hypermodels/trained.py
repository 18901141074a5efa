"""What a tuner must know about how a hypermodel trains."""

from typing import Any

import keras_tuner

from kerasnas.hypermodels.hypermodel import HyperModel
from kerasnas.hypermodels.training import Training


def training_of(hypermodel: Any) -> Training | None:
    """Returns how a hypermodel trains; None of one that is not kerasnas's, or trains by itself."""
    if not isinstance(hypermodel, HyperModel) or has_own_fit(hypermodel):
        return None
    return hypermodel.trainer.training


def has_own_fit(hypermodel: Any) -> bool:
    """Returns whether the `fit` of a hypermodel is the user's own."""
    return type(hypermodel).fit not in (keras_tuner.HyperModel.fit, HyperModel.fit)
