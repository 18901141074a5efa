"""Free-topology space: a network of nodes that grows by splitting connections."""

import dataclasses
import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from kerasnas.hypermodels import layers
from kerasnas.hypermodels.block import Block
from kerasnas.hypermodels.hypermodel import HyperModel
from kerasnas.hypermodels.hyperparameters import (
    Hyperparameters,
    decide,
    nested_scopes,
    several,
)
from kerasnas.hypermodels.layers import Tensor
from kerasnas.hypermodels.operations import parse
from kerasnas.runtime.arguments import check_integer

# What the hyperparameter of a node says when there is no such node.
ABSENT = "zero"

Connection = tuple[int, int]

_NAME = re.compile(r"(.*)/(?:node_(\d+)|edge_(\d+)_(\d+))")
# Operations of ours that work on images only, and those whose output cannot be added to the input.
_IMAGE_ONLY = frozenset({"conv", "sepconv", "dwconv", "mbconv", "maxpool", "avgpool"})
_REFUSED = {1: _IMAGE_ONLY | {ABSENT, "flatten"}, 3: frozenset({ABSENT, "flatten", "dense"})}


class GraphHyperModel(HyperModel):
    """Hidden nodes that carry operations, and connections between any two of them.

    The input stands at position 0, the output at 2^depth, and a node that splits a connection at
    the middle between its ends: so a node's name says where it came in, and is the same in every
    network. The hyperparameter `graph/node_4` is the operation of a node, "zero" where there is no
    such node; `graph/edge_0_4`, a Boolean, is there while both of its ends are. A node applies its
    operation to the sum of what arrives.

    The defaults are the smallest network, where the input is the output; a node that is put in with
    the defaults of its connections lies beside that. What has no way from the input or to the
    output is not built, and where nothing reaches the output, the input does. Two settings that
    differ only there are one network, which `kerasnas.Tuner` trains once.

    Args:
        input_shape: Shape of one sample: (height, width, channels), or (features,).
        num_classes: Number of classes.
        depth: How often a connection and its halves can be split, 1 to 4: 2^depth - 1 nodes.
        operations: Names of the operations of a node. All must keep the width. By default
            convolutions, pooling and "identity" on images, "dense" and "identity" on vectors.
        stages: Number of graphs in a row. On images, a convolution between two stages halves height
            and width and doubles the width.
        shared: Whether all stages have the same graph, each with weights of its own; if not, they
            are searched apart, as `graph_0/node_4`, `graph_1/node_4` and on.
        filters: Width of the first stage, a number or a list to search.
        **kwargs: Arguments of `kerasnas.HyperModel`.

    Raises:
        ValueError: An unknown operation, one that does not keep the width, or a number out of its
            range.

    Source:
        Stanley and Miikkulainen 2002, "Evolving Neural Networks through Augmenting Topologies",
        section 3.1; its innovation number is the hyperparameter's name here.

    Example:

    >>> import keras_tuner, kerasnas as kn
    >>> from kerasnas.hypermodels.graph import GraphHyperModel
    >>> space = GraphHyperModel((16, 16, 1), 10, depth=2)
    >>> hp = keras_tuner.HyperParameters()
    >>> space.declare(hp)
    >>> [p.name for p in hp.space][:4]
    ['graph/node_1', 'graph/node_2', 'graph/node_3', 'graph/edge_0_1']
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        num_classes: int,
        *,
        depth: int = 3,
        operations: Sequence[str] | None = None,
        stages: int = 2,
        shared: bool = True,
        filters: int | Sequence[int] = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(input_shape, num_classes, **kwargs)
        if len(self.input_shape) not in _REFUSED:
            raise ValueError(
                "Argument `input_shape` must be (height, width, channels) or (features,). "
                f"Received: input_shape={input_shape!r}"
            )
        reason = ": the connections quadruple with each step"
        check_integer("depth", depth, least=1, most=4, hint=reason)
        check_integer("stages", stages, least=1)
        self._images = len(self.input_shape) == 3
        if operations is None:
            operations = (
                ("conv3x3", "sepconv3x3", "sepconv5x5", "maxpool3x3", "identity")
                if self._images
                else ("dense", "identity")
            )
        refused = _REFUSED[len(self.input_shape)]
        if isinstance(operations, str):
            operations = (operations,)
        if not operations or any(parse(code)[0].name in refused for code in operations):
            raise ValueError(
                "Argument `operations` must name operations that keep the shape of an input of "
                f"{len(self.input_shape)} dimensions, so none of {sorted(refused)}. "
                f"Received: operations={operations!r}"
            )
        self.last, self.stages, self.shared = 2**depth, stages, shared
        self.operations = tuple(operations)
        self.filters = tuple(several(filters))
        for width in self.filters or (None,):
            check_integer("filters", width, least=1, hint=", or a list of them to search")

    def stem(self, hp: Hyperparameters, x: Tensor) -> Tensor:
        """Makes a 3×3 convolution (a dense layer on vectors) to the width of the first stage.

        Args:
            hp: Hyperparameters to decide with.
            x: The input, of shape `(batch, *input_shape)`.

        Returns:
            Tensor of shape (batch, height, width, filters) or (batch, filters).
        """
        width = decide(hp, "filters", self.filters)
        if self._images:
            return self.choose(hp, "stem", ["conv3x3"], filters=width, activation="none")(x)
        return self.choose(hp, "stem", ["dense"], filters=width)(x)

    def body(self, hp: Hyperparameters, x: Tensor) -> Tensor:
        """Stack the graphs; on images with reductions between them, then normalize and activate.

        Args:
            hp: Hyperparameters to decide with.
            x: What `stem` returned.

        Returns:
            The features; on images with 2^(stages - 1) times the channels.
        """
        graphs = [
            self.decide_graph(hp, "graph" if self.shared else f"graph_{s}")
            for s in range(1 if self.shared else self.stages)
        ]
        for s in range(self.stages):
            if s and self._images:
                x = self.reduce(hp, x, f"reduction_{s}")
            x = self.apply_graph(x, *graphs[0 if self.shared else s], f"stage_{s}")
        if not self._images:
            return x
        x = layers.normalize(x, "batch", name="body_bn")
        return layers.activate(x, "relu", name="body_relu")

    def decide_graph(
        self, hp: Hyperparameters, graph: str
    ) -> tuple[dict[int, Block], list[Connection]]:
        """Chooses the nodes of a graph and which of them are connected.

        Args:
            hp: Hyperparameters to decide with.
            graph: The names of its hyperparameters start with this.

        Returns:
            The operation of each node that is there, by position, and the connections that are on.
        """
        names = GraphNames(graph, self.last)
        nodes = {}
        for p in range(1, self.last):
            block = self.choose(hp, names.node(p), (ABSENT, *self.operations), order="pre")
            if block.operation.name != ABSENT:
                nodes[p] = block
        edges = []
        for start, end in itertools.combinations(range(self.last + 1), 2):
            hidden = [p for p in (start, end) if 0 < p < self.last]
            with nested_scopes(hp, {names.node(p): self.operations for p in hidden}):
                # A node that is put in without a word about its connections is a branch at once.
                outer = start == 0 or end == self.last
                if hp.Boolean(names.edge(start, end), default=outer):
                    edges.append((start, end))
        return nodes, edges

    def apply_graph(
        self, x: Tensor, nodes: Mapping[int, Block], edges: Iterable[Connection], name: str
    ) -> Tensor:
        """Builds one copy of a graph, of the width of its input, without what leads nowhere.

        Args:
            x: Tensor of shape (batch, height, width, channels) or (batch, features).
            nodes: The operation of each node that is there, by position.
            edges: The connections that are on.
            name: The names of its layers start with this.

        Returns:
            Tensor of the shape of `x`.
        """
        tensors = {0: x}
        sources: dict[int, list[int]] = {}
        for start, end in connections(nodes, edges, self.last):
            sources.setdefault(end, []).append(start)
        for p in sorted(sources):
            place = f"{name}_node_{p}"
            tensors[p] = layers.add([tensors[s] for s in sources[p]], name=f"{place}_sum")
            if p in nodes:
                tensors[p] = dataclasses.replace(nodes[p], name=place)(tensors[p])
        return tensors[self.last]

    def reduce(self, hp: Hyperparameters, x: Tensor, name: str) -> Tensor:
        """Halve height and width and double the channels, by a convolution with stride 2.

        Args:
            hp: Hyperparameters; a convolution of fixed settings decides nothing.
            x: Tensor of shape (batch, height, width, channels).
            name: The names of its layers start with this.

        Returns:
            Tensor of half the height and width, rounded up, and twice the channels.
        """
        width = 2 * layers.shape_of(x)[-1]
        return self.choose(hp, name, ["conv3x3"], filters=width, strides=2, order="pre")(x)


def connections(nodes: Collection[int], edges: Iterable[Connection], last: int) -> list[Connection]:
    """The connections that lie on a way from the input to the output.

    Args:
        nodes: Positions of the hidden nodes that are there.
        edges: Connections that are on.
        last: Position of the output.

    Returns:
        Those of `edges`, in order; the input to the output where there is no way.

    Example:

    >>> from kerasnas.hypermodels.graph import connections
    >>> connections({2, 3}, [(0, 2), (0, 3), (2, 4)], last=4)
    [(0, 2), (2, 4)]
    """
    there = {0, last, *nodes}
    edges = sorted((start, end) for start, end in edges if start in there and end in there)
    reached, needed = {0}, {last}
    # In this order all connections into a node come before those out of it, and then the reverse.
    for start, end in edges:
        if start in reached:
            reached.add(end)
    for start, end in sorted(edges, key=lambda edge: -edge[1]):
        if end in needed and start in reached:
            needed.add(start)
    return [(s, e) for s, e in edges if s in reached and e in needed] or [(0, last)]


@dataclasses.dataclass(frozen=True)
class GraphNames:
    """The names of one graph's hyperparameters, and what a setting says by them.

    Args:
        graph: What the names start with.
        last: Position of the output.

    Example:

    >>> from kerasnas.hypermodels.graph import GraphNames
    >>> names = GraphNames("graph", 4)
    >>> node, connections = names.split({}, 0, 4)
    >>> node, sorted(name for name, there in connections.items() if there)
    ('graph/node_2', ['graph/edge_0_2', 'graph/edge_2_4'])
    """

    graph: str
    last: int

    def node(self, position: int) -> str:
        """Name of a node's operation."""
        return f"{self.graph}/node_{position}"

    def edge(self, start: int, end: int) -> str:
        """Name of a connection."""
        return f"{self.graph}/edge_{start}_{end}"

    def every_edge(self) -> list[str]:
        """Names of all connections."""
        return [self.edge(*pair) for pair in itertools.combinations(range(self.last + 1), 2)]

    def nodes(self, values: Mapping[str, Any]) -> list[int]:
        """Positions of the hidden nodes that are there."""
        hidden = range(1, self.last)
        return [p for p in hidden if values.get(self.node(p), ABSENT) != ABSENT]

    def edges(self, values: Mapping[str, Any], on: bool = True) -> list[Connection]:
        """The connections between nodes that are there which are on, or those which are off."""
        ends = (0, *self.nodes(values), self.last)
        pairs = itertools.combinations(ends, 2)
        return [(s, e) for s, e in pairs if bool(values.get(self.edge(s, e))) == on]

    def connections(self, values: Mapping[str, Any]) -> list[Connection]:
        """The connections that are built."""
        return connections(self.nodes(values), self.edges(values), self.last)

    def split(
        self, values: Mapping[str, Any], start: int, end: int
    ) -> tuple[str, dict[str, bool]] | None:
        """Puts a node into a connection.

        Args:
            values: The setting.
            start: The connection's first end.
            end: The connection's other end.

        Returns:
            The name of the node, at the free position nearest to the middle, and its connections
            with the one that it takes the place of; None where no position is free.
        """
        nodes = self.nodes(values)
        free = [p for p in range(start + 1, end) if p not in nodes]
        if not free:
            return None
        new = min(free, key=lambda p: abs(2 * p - start - end))
        # It begins with these two: what a connection's default says is not meant here.
        changes = {self.edge(*sorted((p, new))): False for p in (0, *nodes, self.last)}
        changes |= {self.edge(start, end): False}
        changes |= {self.edge(start, new): True, self.edge(new, end): True}
        return self.node(new), changes

    def bridge(self, values: Mapping[str, Any], position: int) -> tuple[str, dict[str, bool]]:
        """Takes a node out: what came in goes on to where it went, as before a split."""
        edges = self.edges(values)
        into = [start for start, end in edges if end == position]
        out = [end for start, end in edges if start == position]
        return self.node(position), {self.edge(s, e): True for s in into for e in out}


def find_graphs(names: Iterable[str]) -> list[GraphNames]:
    """The graphs that a space holds, known by the names of its hyperparameters.

    Args:
        names: Names of all hyperparameters of a space.

    Returns:
        The graphs, in the order of their names.

    Example:

    >>> from kerasnas.hypermodels.graph import find_graphs
    >>> find_graphs(["g/node_1", "g/edge_0_1", "g/edge_0_2", "g/edge_1_2", "learning_rate"])
    [GraphNames(graph='g', last=2)]
    """
    nodes: dict[str, set[int]] = {}
    edges: dict[str, set[Connection]] = {}
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        if match[2]:
            nodes.setdefault(match[1], set()).add(int(match[2]))
        else:
            edges.setdefault(match[1], set()).add((int(match[3]), int(match[4])))
    found = []
    for graph in sorted(nodes):
        last = max((end for _, end in edges.get(graph, ())), default=0)
        # Others may name a thing `node_1` or, as a cell does, `edge_0_1`: a graph has all of them.
        every = set(itertools.combinations(range(last + 1), 2))
        if nodes[graph] == set(range(1, last)) and edges.get(graph) == every and last > 1:
            found.append(GraphNames(graph, last))
    return found
