"""NEAT: networks that grow from the smallest one, in species. Stanley and Miikkulainen 2002."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.hypermodels.graph import ABSENT, find_graphs
from kerasnas.oracles import genome
from kerasnas.oracles.base import Oracle, check_count, check_share
from kerasnas.oracles.genome import Values
from kerasnas.oracles.proposal import Proposal
from kerasnas.oracles.species import Member, Population, genes_of

# A change that was tried before is changed further, at most so often.
_FURTHER = 10
# So many decisions are asked whether a change of them brings others.
_ASKED = 12
# How many of a species may be parents, as a share: of ten or fewer, the best alone.
_SURVIVAL = 0.1


class NEATOracle(Oracle):
    """Starts with the smallest network and lets it grow, in species, by the names of its parts.

    The first population is the setting of all defaults and what is one change away from it, where
    there are no graphs with all decisions drawn that bring no others. From then on each trial is
    the child of a species, drawn by the mean rank of its members (explicit fitness sharing): one of
    its best is changed, or two of it are crossed. What is new founds a species when it differs from
    the best of every other one by more than a threshold, and is not judged by the others before it
    has had time to improve.

    On a graph of `kerasnas.hypermodels.graph.GraphHyperModel`, growth splits a connection by a node
    or puts in a connection; on any other space, it is a change of one decision that brings others.

    Args:
        objective: As in `kerasnas.oracles.Oracle`.
        max_trials: As there; the default of the next follows from it.
        population_size: How many trials are alive. Defaults to a tenth of `max_trials`, at least
            10 (a third of `max_trials` when that is less) and at most 20.
        num_species: How many species the compatibility threshold aims at. Defaults to the square
            root of `population_size`.
        crossover: Share of the children with two parents, between 0 and 1.
        growth: Share of the mutations that add a node, a connection or decisions.
        shrinkage: Share of the mutations that take such away. The rest change one decision.
        **kwargs: As in `kerasnas.oracles.Oracle`.

    Raises:
        ValueError: A number out of its range, or `growth` and `shrinkage` above 1 together.

    Source:
        Stanley and Miikkulainen 2002, "Evolving Neural Networks through Augmenting Topologies";
        one child at a time as in rtNEAT (Stanley, Bryant and Miikkulainen 2005). An innovation's
        number is a hyperparameter's name here. Ranks stand for fitness, which has to be positive.

    Example:

    ```python
    oracle = NEATOracle("val_accuracy", max_trials=100, seed=0)
    tuner = kerasnas.Tuner(GraphHyperModel((28, 28, 1), 10), oracle, directory="runs")
    ```
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        population_size: int | None = None,
        num_species: int | None = None,
        crossover: float = 0.25,
        growth: float = 0.4,
        shrinkage: float = 0.1,
        **kwargs: Any,
    ):
        super().__init__(objective, max_trials, **kwargs)
        check_count("population_size", population_size, at_least=2, optional=True)
        check_count("num_species", num_species, at_least=1, optional=True)
        shares = {"crossover": crossover, "growth": growth, "shrinkage": shrinkage}
        for name, share in shares.items():
            check_share(name, share)
        if growth + shrinkage > 1:
            raise ValueError(
                "growth and shrinkage must not be above 1 together: they are shares of the "
                f"mutations. Received: growth={growth!r}, shrinkage={shrinkage!r}"
            )
        self._wanted_population = population_size
        least = self.share_of_trials(3, 3, 10)
        self.population_size = population_size or self.share_of_trials(10, least, 20)
        self.num_species = num_species or max(2, round(math.sqrt(self.population_size)))
        self.crossover, self.growth, self.shrinkage = crossover, growth, shrinkage
        # They follow from the space and the completed trials: a resume finds them again.
        self._moves = Moves(self.hyperparameters, growth, shrinkage)
        self._population = Population(self.population_size, self.num_species)
        self._last: Trial | None = None

    def propose(self, rng: np.random.Generator) -> Proposal:
        """Extends the smallest network until the population is full, then breeds in a species."""
        self.check_population(self._wanted_population)
        population = self._read_trials()
        if len(self.trials) < self.population_size or not population.species:
            smallest = genome.settle(self.hyperparameters, {})
            if not self.ruled_out(smallest):
                return Proposal(smallest, operator="minimal")
            child, _ = self._child(self._moves.scatter(smallest, rng), rng)
            return Proposal(child, population.find(smallest), "extension")
        species = population.draw(rng)
        parent = species.members[int(rng.integers(math.ceil(_SURVIVAL * len(species.members))))]
        others = [member for member in species.members if member is not parent]
        if not others or rng.random() >= self.crossover:
            child, operator = self._child(parent.values, rng)
            return Proposal(child, (parent.trial_id,), operator)
        # Of two that are as fit, the smaller one is the fitter.
        mates = sorted((parent, _pick(others, rng)), key=lambda one: (one.loss, len(one.genes)))
        child = cross(self.hyperparameters, mates[0].values, mates[1].values, rng)
        if self.ruled_out(child) or rng.random() < 0.5:
            child, _ = self._child(child, rng)
        return Proposal(child, (mates[0].trial_id, mates[1].trial_id), "crossover")

    def forget(self) -> None:
        """Puts all trials into species anew."""
        self._population = Population(self.population_size, self.num_species)

    def species(self) -> dict[int, list[str]]:
        """The completed trials by species, extinct ones included.

        Returns:
            Ids in the order in which the trials ended, by the number of their species.

        Example:

        ```python
        oracle.species()   # {0: ["00", "01", "03"], 1: ["02", "04"]}
        ```
        """
        with self._lock:
            history = self._read_trials().history
            return {number: list(trials) for number, trials in history.items()}

    def _read_trials(self) -> Population:
        """The population after all trials that have ended."""
        space, moves = self.hyperparameters, self._moves
        if moves.space is not space or moves.size != len(space.space):
            # In a larger space, the distances between the trials are others.
            self._moves = Moves(space, self.growth, self.shrinkage)
            self._population = Population(self.population_size, self.num_species)
        seen = self._population.clock
        # A resume has made the trials anew.
        if seen and self.completed[seen - 1 : seen] != [self._last]:
            self._population, seen = Population(self.population_size, self.num_species), 0
        for trial in self.completed[seen:]:
            values = genome.settle(space, trial.hyperparameters.values)
            member = Member(trial.trial_id, values, genes_of(values), self.loss(trial))
            self._population.add(space, member)
            self._last = trial
        return self._population

    def _child(self, values: Values, rng: np.random.Generator) -> tuple[Values, str]:
        """A mutation, and further ones while it is one that was tried."""
        child, operator = self._moves.mutate(values, rng)
        for _ in range(_FURTHER):
            if not self.ruled_out(child):
                break
            child, operator = self._moves.mutate(child, rng)[0], "jump"
        return child, operator


def cross(
    space: keras_tuner.HyperParameters,
    fitter: Mapping[str, Any],
    weaker: Mapping[str, Any],
    rng: np.random.Generator,
) -> Values:
    """Crosses two settings, aligned by the names of their hyperparameters.

    Args:
        space: The search space.
        fitter: The better parent.
        weaker: The other one.
        rng: Generator of every draw.

    Returns:
        The child: what both have comes from either, what only the fitter one has (disjoint and
        excess genes) from that one, and what only the weaker one has from nobody.

    Example:

    ```python
    cross(hp, {"op": "conv", "kernel": 3}, {"op": "pool"}, rng)
    ```
    """
    # What the weaker one alone has counts only where a value that came from it calls for it.
    mixed = {**weaker, **fitter}
    for name, value in fitter.items():
        # A connection that is off is a gene that both have; a node that is not there is none.
        both = value != ABSENT and weaker.get(name, ABSENT) != ABSENT
        if both and value != weaker[name] and rng.random() < 0.5:
            mixed[name] = weaker[name]
    return genome.crossover(space, mixed, {}, rng)


class Moves:
    """What can be done to a setting: on the graphs of its space, and where there is none."""

    def __init__(self, space: keras_tuner.HyperParameters, growth: float, shrinkage: float) -> None:
        self.space, self.size = space, len(space.space)
        self.growth, self.shrinkage = growth, shrinkage
        self.graphs = find_graphs(hp.name for hp in space.space)
        self._parents = {condition.name for hp in space.space for condition in hp.conditions}
        self._edges = {name for graph in self.graphs for name in graph.every_edge()}
        nodes = {graph.node(p) for graph in self.graphs for p in range(1, graph.last)}
        # The operations of each node.
        self._nodes = {
            hp.name: [value for value in hp.values if value != ABSENT]
            for hp in space.space
            if hp.name in nodes
        }

    def mutate(self, values: Values, rng: np.random.Generator) -> tuple[Values, str]:
        """Grows, shrinks, or changes one decision; whatever of it the setting allows."""
        draw = rng.random()
        wanted = self.grow if draw < self.growth else self.change
        if self.growth <= draw < self.growth + self.shrinkage:
            wanted = self.shrink
        found = wanted(values, rng) or self.change(values, rng) or self.grow(values, rng)
        return found or (values, "mutation")

    def scatter(self, values: Values, rng: np.random.Generator) -> Values:
        """Draws the decisions that bring no others; as NEAT begins with weights at random."""
        if self.graphs:
            return values
        for decision in genome.decisions_of(self.space, values):
            if decision.hp.name not in self._parents:
                name = decision.hp.name
                values = genome.set_one(self.space, values, name, decision.draw(rng), rng)
        return values

    def grow(self, values: Values, rng: np.random.Generator) -> tuple[Values, str] | None:
        """Adds a node or a connection; without graphs, brings decisions. None if that is all."""
        if not self.graphs:
            return self._resize(values, rng, 1, "growth")
        graph = _pick(self.graphs, rng)
        found = [graph.split(values, *pair) for pair in graph.connections(values)]
        splits = [split for split in found if split is not None and self._nodes[split[0]]]
        missing = graph.edges(values, on=False)
        if splits and (not missing or rng.random() < 0.5):
            name, edges = _pick(splits, rng)
            operation = _pick(self._nodes[name], rng)
            return genome.set_one(self.space, {**values, **edges}, name, operation, rng), "add_node"
        if missing:
            edge = graph.edge(*_pick(missing, rng))
            return genome.set_one(self.space, values, edge, True, rng), "add_connection"
        return None

    def shrink(self, values: Values, rng: np.random.Generator) -> tuple[Values, str] | None:
        """Takes away a node, a connection, or decisions. None if there is nothing to take."""
        if not self.graphs:
            return self._resize(values, rng, -1, "shrinkage")
        graph = _pick(self.graphs, rng)
        nodes, edges = graph.nodes(values), graph.edges(values)
        if nodes and (not edges or rng.random() < 0.5):
            name, joined = graph.bridge(values, _pick(nodes, rng))
            return genome.set_one(self.space, {**values, **joined}, name, ABSENT), "remove_node"
        if nodes:
            edge = graph.edge(*_pick(edges, rng))
            return genome.set_one(self.space, values, edge, False, rng), "remove_connection"
        return None

    def change(self, values: Values, rng: np.random.Generator) -> tuple[Values, str] | None:
        """Changes one decision that no graph's topology is made of. None if there is none."""
        open_ones = [one for one in genome.decisions_of(self.space, values) if one.is_open]
        choices = [one for one in open_ones if self._is_free(one.hp.name, values)]
        if not choices:
            return None
        decision = _pick(choices, rng)
        name = decision.hp.name
        if name in self._nodes:
            value = _pick([code for code in self._nodes[name] if code != values[name]], rng)
        else:
            value = decision.change(values[name], rng)
        return genome.set_one(self.space, values, name, value, rng), "mutation"

    def _is_free(self, name: str, values: Values) -> bool:
        if name in self._nodes:
            return values[name] != ABSENT and len(self._nodes[name]) > 1
        return name not in self._edges

    def _resize(
        self, values: Values, rng: np.random.Generator, sign: int, operator: str
    ) -> tuple[Values, str] | None:
        """A change of one decision after which more of them matter, or fewer."""
        open_ones = [one for one in genome.decisions_of(self.space, values) if one.is_open]
        choices = [one for one in open_ones if one.hp.name in self._parents]
        for place in rng.permutation(len(choices))[:_ASKED]:
            name = choices[place].hp.name
            value = choices[place].change(values[name], rng)
            changed = genome.set_one(self.space, values, name, value, rng)
            if sign * (len(changed) - len(values)) > 0:
                return changed, operator
        return None


def _pick(items: Sequence[Any], rng: np.random.Generator) -> Any:
    return items[int(rng.integers(len(items)))]
