"""How networks are trained: rates, targets and samples of each step, and steps that cost less."""

from kerasnas.training.fast_steps import fast_steps

__all__ = ["fast_steps"]
