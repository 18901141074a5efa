"""Settings of a search space as genomes, over any `keras_tuner.HyperParameters`.

Pure functions; conditional scopes included.
"""

from kerasnas.oracles.genome.enumeration import enumerate_settings, size
from kerasnas.oracles.genome.settings import (
    Values,
    active,
    complete,
    decisions_of,
    network_values,
    parts,
    plain,
    sample,
    set_one,
    settle,
)
from kerasnas.oracles.genome.variation import crossover, distance, mutants, mutate, neighbours

__all__ = [
    "Values",
    "active",
    "complete",
    "crossover",
    "decisions_of",
    "distance",
    "enumerate_settings",
    "mutants",
    "mutate",
    "neighbours",
    "network_values",
    "parts",
    "plain",
    "sample",
    "set_one",
    "settle",
    "size",
]
