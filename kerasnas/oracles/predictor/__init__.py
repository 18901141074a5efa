"""Search guided by a model that predicts scores from settings."""

from kerasnas.oracles.predictor.strategy import Predictor

__all__ = ["Predictor"]
