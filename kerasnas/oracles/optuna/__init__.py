"""Samplers of Optuna as strategies."""

from kerasnas.oracles.optuna.strategy import Optuna

__all__ = ["Optuna"]
