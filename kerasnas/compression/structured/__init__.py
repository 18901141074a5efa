"""Structured pruning: whole channels leave a Keras 3 model, with all that depends on them."""

from kerasnas.compression.structured.prune_structured import PruneStructured, prune_channels

__all__ = ["PruneStructured", "prune_channels"]
