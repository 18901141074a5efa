"""What NEAT does to a setting: cross two, or grow, shrink and change one."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner
import numpy as np

from kerasnas.hypermodels.graph import ABSENT, find_graphs
from kerasnas.oracles import genome
from kerasnas.oracles.genome import Values

# So many decisions are tried to find one whose change brings others with it, or takes others away.
_ASKED = 12


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

    def are_of(self, space: keras_tuner.HyperParameters) -> bool:
        """Returns whether these are the moves of a space as it is now."""
        return self.space is space and self.size == len(space.space)

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
        graph = pick(self.graphs, rng)
        found = [graph.split(values, *pair) for pair in graph.connections(values)]
        splits = [split for split in found if split is not None and self._nodes[split[0]]]
        missing = graph.edges(values, on=False)
        if splits and (not missing or rng.random() < 0.5):
            name, edges = pick(splits, rng)
            operation = pick(self._nodes[name], rng)
            return genome.set_one(self.space, {**values, **edges}, name, operation, rng), "add_node"
        if missing:
            edge = graph.edge(*pick(missing, rng))
            return genome.set_one(self.space, values, edge, True, rng), "add_connection"
        return None

    def shrink(self, values: Values, rng: np.random.Generator) -> tuple[Values, str] | None:
        """Takes away a node, a connection, or decisions. None if there is nothing to take."""
        if not self.graphs:
            return self._resize(values, rng, -1, "shrinkage")
        graph = pick(self.graphs, rng)
        nodes, edges = graph.nodes(values), graph.edges(values)
        if nodes and (not edges or rng.random() < 0.5):
            name, joined = graph.bridge(values, pick(nodes, rng))
            return genome.set_one(self.space, {**values, **joined}, name, ABSENT), "remove_node"
        if nodes:
            edge = graph.edge(*pick(edges, rng))
            return genome.set_one(self.space, values, edge, False, rng), "remove_connection"
        return None

    def change(self, values: Values, rng: np.random.Generator) -> tuple[Values, str] | None:
        """Changes one decision that no graph's topology is made of. None if there is none."""
        open_ones = [one for one in genome.decisions_of(self.space, values) if one.is_open]
        choices = [one for one in open_ones if self._is_free(one.hp.name, values)]
        if not choices:
            return None
        decision = pick(choices, rng)
        name = decision.hp.name
        if name in self._nodes:
            value = pick([code for code in self._nodes[name] if code != values[name]], rng)
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


def pick(items: Sequence[Any], rng: np.random.Generator) -> Any:
    """Returns one of some things at random."""
    return items[int(rng.integers(len(items)))]
