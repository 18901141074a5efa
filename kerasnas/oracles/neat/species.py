"""The living trials of NEAT in species, which protect what is new; Stanley, Miikkulainen 2002."""

import bisect
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import keras_tuner
import numpy as np

from kerasnas.hypermodels.graph import ABSENT
from kerasnas.oracles import genome
from kerasnas.oracles.genome import Values

# Fitness is a rank to this power; without it, species would hardly differ in fitness.
_PRESSURE = 3
# The compatibility threshold at the start, in genes; the factor by which a trial moves it; and its
# least value.
_THRESHOLD, _MOVE, _LEAST = 3.0, 1.1, 0.1
# The least fitness of a young species, as a share of the average, and the factor on the fitness of
# a species that has stopped improving.
_YOUNG, _STAGNANT = 0.5, 0.2


def genes_of(values: Mapping[str, Any]) -> Values:
    """Returns the decisions of a network, without those that say that a part is absent."""
    return {name: v for name, v in values.items() if v is not False and v != ABSENT}


@dataclasses.dataclass(frozen=True)
class Member:
    """A completed trial; the smaller its loss, the fitter it is."""

    trial_id: str
    values: Values
    genes: Values
    loss: float


@dataclasses.dataclass
class Species:
    """Living members that are similar, the fittest first."""

    number: int
    born: int
    members: list[Member] = dataclasses.field(default_factory=list)
    best: float = math.inf
    improved: int = 0


class Population:
    """The living trials in species; it depends only on the order in which trials are added.

    Args:
        size: How many trials are alive at most.
        num_species: How many species the compatibility threshold aims at.
    """

    def __init__(self, size: int, num_species: int) -> None:
        self.size, self.num_species = size, num_species
        self.clock = 0
        self.threshold = _THRESHOLD
        self.species: list[Species] = []
        # Ids of all that ever were members, by the number of their species.
        self.history: dict[int, list[str]] = {}
        self._losses: list[float] = []

    def add(self, space: keras_tuner.HyperParameters, member: Member) -> None:
        """Adds a trial to the species whose best member is nearest, or founds a new species."""
        self.clock += 1
        gaps = [genome.distance(space, one.members[0].genes, member.genes) for one in self.species]
        if gaps and min(gaps) <= self.threshold:
            home = self.species[gaps.index(min(gaps))]
        else:
            home = Species(len(self.history), self.clock)
            self.species.append(home)
        bisect.insort(home.members, member, key=lambda one: one.loss)
        self.history.setdefault(home.number, []).append(member.trial_id)
        if member.loss < home.best:
            home.best, home.improved = member.loss, self.clock
        bisect.insort(self._losses, member.loss)
        if len(self._losses) > self.size:
            self._remove_one()
        if len(self.species) > self.num_species:
            # A threshold above the largest gap has no effect, and would take long to come down.
            self.threshold = min(self.threshold * _MOVE, max(gaps, default=0.0) + _LEAST)
        elif len(self.species) < self.num_species:
            self.threshold = max(self.threshold / _MOVE, _LEAST)

    def draw(self, rng: np.random.Generator) -> Species:
        """Returns a random species, by the mean fitness of its members.

        A young species has at least half of the average chance.
        """
        shares = [self._share(one, sum(map(self._fitness, one.members))) for one in self.species]
        average = sum(shares) / len(shares)
        chances = np.array(
            [
                max(share, _YOUNG * average) if self._is_young(one) else share
                for one, share in zip(self.species, shares, strict=True)
            ]
        )
        return self.species[int(rng.choice(len(chances), p=chances / chances.sum()))]

    def find(self, values: Values) -> tuple[str, ...]:
        """Returns the id of the living trial with a setting, in a tuple; empty if there is none."""
        living = [member for one in self.species for member in one.members]
        return tuple(member.trial_id for member in living if member.values == values)

    def _fitness(self, member: Member) -> float:
        """Returns the share of the living that are not better, to a power that favours the best."""
        worse = len(self._losses) - bisect.bisect_right(self._losses, member.loss)
        return float(((1 + worse) / len(self._losses)) ** _PRESSURE)

    def _is_young(self, species: Species) -> bool:
        return self.clock - species.born < self.size / 2

    def _share(self, species: Species, fitness: float) -> float:
        stagnant = self.clock - species.improved > 2 * self.size
        weight = _STAGNANT if stagnant and species.best > self._losses[0] else 1.0
        return weight * fitness / len(species.members)

    def _remove_one(self) -> None:
        """Removes the member with the least fitness, shared within its species."""
        settled = [one for one in self.species if not self._is_young(one)] or self.species
        loser = min(settled, key=lambda one: self._share(one, self._fitness(one.members[-1])))
        self._losses.remove(loser.members.pop().loss)
        if not loser.members:
            self.species.remove(loser)
