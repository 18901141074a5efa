"""How networks are trained: steps that cost less."""

from kerasnas.training.fast_steps import fast_steps

__all__ = ["fast_steps"]
