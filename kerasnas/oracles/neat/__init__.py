"""NEAT: networks that grow from the smallest one, in species."""

from kerasnas.oracles.neat.strategy import NEAT

__all__ = ["NEAT"]
