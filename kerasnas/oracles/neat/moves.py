"""The moves of NEAT: crossing two settings, and growing, shrinking or changing one."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner
import numpy as np

from kerasnas.hypermodels.graph import ABSENT, find_graphs
from kerasnas.oracles import genome
from kerasnas.oracles.genome import Values
from kerasnas.oracles.genome.decision import parents_of

# At most so many decisions are changed in search of a change that activates or deactivates others.
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
        The child. What both parents have comes from either of them. What only the fitter one has
        (disjoint and excess genes) is kept, and what only the weaker one has is left out.
    """
    # Values that only the weaker one has are used where a value that came from it activates them.
    mixed = {**weaker, **fitter}
    for name, value in fitter.items():
        # A connection that is off is a gene that both parents have; an absent node is not a gene.
        both = value != ABSENT and weaker.get(name, ABSENT) != ABSENT
        if both and value != weaker[name] and rng.random() < 0.5:
            mixed[name] = weaker[name]
    return genome.crossover(space, mixed, {}, rng)


class Moves:
    """The moves in a space: on the nodes and connections of its graphs, or on any decision.

    Args:
        space: The search space.
        growth: Share of the mutations that grow a setting, from 0 to 1.
        shrinkage: Share of the mutations that shrink it, from 0 to 1.
    """

    def __init__(self, space: keras_tuner.HyperParameters, growth: float, shrinkage: float) -> None:
        self.space, self.size = space, len(space.space)
        self.growth, self.shrinkage = growth, shrinkage
        self.graphs = find_graphs(hp.name for hp in space.space)
        self._parents = parents_of(space)
        self._edges = {name for graph in self.graphs for name in graph.every_edge()}
        nodes = {graph.node(p) for graph in self.graphs for p in range(1, graph.last)}
        # The operations of each node.
        self._nodes = {
            hp.name: [value for value in hp.values if value != ABSENT]
            for hp in space.space
            if hp.name in nodes
        }

    def are_of(self, space: keras_tuner.HyperParameters) -> bool:
        """Returns whether these moves were made for a space, and it has not grown since."""
        return self.space is space and self.size == len(space.space)

    def mutate(self, values: Values, rng: np.random.Generator) -> tuple[Values, str]:
        """Grows, shrinks or changes a setting, in a way that the setting allows.

        Returns:
            The new setting and the name of the move.
        """
        draw = rng.random()
        wanted = self.grow if draw < self.growth else self.change
        if self.growth <= draw < self.growth + self.shrinkage:
            wanted = self.shrink
        found = wanted(values, rng) or self.change(values, rng) or self.grow(values, rng)
        return found or (values, "mutation")

    def scatter(self, values: Values, rng: np.random.Generator) -> Values:
        """Draws all decisions that activate no others, as NEAT begins with random weights.

        A space with graphs is left as it is, since its settings differ by topology.
        """
        if self.graphs:
            return values
        for decision in genome.decisions_of(self.space, values):
            if decision.hp.name not in self._parents:
                name = decision.hp.name
                values = genome.set_one(self.space, values, name, decision.draw(rng), rng)
        return values

    def grow(self, values: Values, rng: np.random.Generator) -> tuple[Values, str] | None:
        """Adds a node or a connection, or, without graphs, decisions; None if nothing can grow."""
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
        """Removes a node, a connection or decisions; None if there is nothing to remove."""
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
        """Changes one decision and keeps the topology of the graphs; None if there is none."""
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
        """Changes one decision so that more of them are active, or fewer; None if not found."""
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
    """Returns a random item."""
    return items[int(rng.integers(len(items)))]
