"""Cell-level space: a small graph of operations, searched once and stacked."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from kerasnas.hypermodels import layers
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

NAS_BENCH_201 = ("zero", "identity", "conv1x1", "conv3x3", "avgpool3x3")

# From one node to a later one.
Edge: TypeAlias = tuple[int, int]
# Which operations each edge may have for a case to apply.
Case: TypeAlias = dict[Edge, tuple[str, ...]]


class CellHyperModel(HyperModel):
    """A cell, searched once, stacked in stages with a reduction between two stages.

    Node 0 is the cell's input, the last node its output; each edge from a node to a later one
    carries an operation, and a node is the sum of its edges. The hyperparameter of an edge is
    `cell/edge_0_1`. "zero" drops an edge. An edge is a hyperparameter only while the output depends
    on it, and a node that the output depends on always keeps one edge: so that no cell is cut off
    and two settings never are the same cell. The defaults are the cell of NAS-Bench-201.

    Args:
        input_shape: Shape of one sample: (height, width, channels), or (length, channels), which
            is searched with one-dimensional operations.
        num_classes: Number of classes.
        nodes: Number of nodes, 2 to 5.
        operations: Names of the operations of an edge. All must keep the width.
        cells: Cells a stage, a number or a list to search.
        stages: Number of stages; each but the first halves height and width and doubles the width.
        filters: Width of the first stage, a number or a list to search.
        **kwargs: Arguments of `kerasnas.HyperModel`.

    Raises:
        ValueError: An unknown operation, only "zero", or a number out of range.

    Source: Dong and Yang 2020, "NAS-Bench-201", arXiv:2001.00326, section 2.1 and figure 1.

    Example:

    >>> import keras_tuner, kerasnas as kn
    >>> space = kn.CellHyperModel((32, 32, 3), 10, cells=5)
    >>> hp = keras_tuner.HyperParameters()
    >>> space.declare(hp)
    >>> sorted({p.name for p in hp.space})[:2]
    ['cell/edge_0_1', 'cell/edge_0_2']
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        num_classes: int,
        *,
        nodes: int = 4,
        operations: Sequence[str] = NAS_BENCH_201,
        cells: int | Sequence[int] = 1,
        stages: int = 3,
        filters: int | Sequence[int] = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(input_shape, num_classes, **kwargs)
        if len(self.input_shape) not in (2, 3):
            raise ValueError(
                "Argument `input_shape` must be (height, width, channels) or (length, channels). "
                f"Received: input_shape={input_shape!r}"
            )
        reason = ": the conditions of a larger cell double with each node"
        check_integer("nodes", nodes, least=2, most=5, hint=reason)
        check_integer("stages", stages, least=1)
        self.kept = tuple(code for code in operations if parse(code)[0].name != "zero")
        if not self.kept or len(set(operations)) != len(operations):
            raise ValueError(
                'Argument `operations` must name different operations, one of them not "zero". '
                f"Received: operations={operations!r}"
            )
        if any(parse(code)[0].name in ("flatten", "dense") for code in self.kept):
            raise ValueError(
                'Argument `operations` must not hold "flatten" or "dense": the edges of a node are '
                f"added up, and their shapes would differ. Received: operations={operations!r}"
            )
        self.nodes, self.operations, self.stages = nodes, tuple(operations), stages
        self.cells, self.filters = tuple(several(cells)), tuple(several(filters))
        self._cases = _cases(nodes, self.kept, len(self.kept) < len(self.operations))

    def stem(self, hp: Hyperparameters, x: Tensor) -> Tensor:
        """Makes a 3×3 convolution to the width of the first stage, normalized.

        Args:
            hp: Hyperparameters to decide with.
            x: The input, of shape `(batch, *input_shape)`.

        Returns:
            Tensor of shape `(batch, *sizes, filters)`.
        """
        width = decide(hp, "filters", self.filters)
        return self.choose(hp, "stem", ["conv3x3"], filters=width, activation="none")(x)

    def body(self, hp: Hyperparameters, x: Tensor) -> Tensor:
        """Stack stages of cells with reductions between them, then normalize and activate.

        Args:
            hp: Hyperparameters to decide with.
            x: What `stem` returned.

        Returns:
            The features, with 2^(stages - 1) times the channels.
        """
        edges = self.decide_cell(hp)
        repeats = decide(hp, "cells", self.cells)
        for s in range(self.stages):
            if s:
                x = self.reduce(x, f"reduction_{s}")
            for c in range(repeats):
                x = self.apply_cell(hp, x, edges, f"stage_{s}_cell_{c}")
        x = layers.normalize(x, "batch", name="body_bn")
        return layers.activate(x, "relu", name="body_relu")

    def decide_cell(self, hp: Hyperparameters) -> dict[Edge, str]:
        """Chooses the operation of every edge that matters.

        Args:
            hp: Hyperparameters to decide with.

        Returns:
            Operation by (from node, to node), dropped edges left out.
        """
        edges: dict[Edge, str] = {}
        for edge, case, allowed in self._cases:
            with nested_scopes(hp, {_name(*other): values for other, values in case.items()}):
                code = decide(hp, _name(*edge), allowed, default=allowed[-1])
            applies = all(edges.get(other, "zero") in values for other, values in case.items())
            if code is not None and applies:
                edges[edge] = code
        return {edge: code for edge, code in edges.items() if code in self.kept}

    def apply_cell(
        self, hp: Hyperparameters, x: Tensor, edges: dict[Edge, str], name: str
    ) -> Tensor:
        """Builds one copy of the cell, of the width of its input.

        Args:
            hp: Hyperparameters; nothing more is decided here.
            x: Tensor of shape (batch, height, width, channels) or (batch, length, channels).
            edges: What `decide_cell` returned.
            name: The names of its layers start with this.

        Returns:
            Tensor of the shape of `x`.
        """
        nodes: list[Tensor] = [x]
        for end in range(1, self.nodes):
            arriving = [
                self.choose(hp, f"{name}_edge_{start}_{end}", [edges[start, end]], order="pre")(
                    nodes[start]
                )
                for start in range(end)
                if (start, end) in edges
            ]
            nodes.append(layers.add(arriving, name=f"{name}_node_{end}") if arriving else None)
        return nodes[-1]

    def reduce(self, x: Tensor, name: str) -> Tensor:
        """Halve the sizes and double the channels, by a residual block with stride 2.

        Args:
            x: Tensor of shape (batch, height, width, channels) or (batch, length, channels).
            name: The names of its layers start with this.

        Returns:
            Tensor of half the height and width, rounded up, and twice the channels.
        """
        width = 2 * layers.shape_of(x)[-1]
        y = _relu_conv_bn(x, width, 2, f"{name}_a")
        y = _relu_conv_bn(y, width, 1, f"{name}_b")
        x = layers.average_pooling(x, 2, strides=2, name=f"{name}_pool")
        x = layers.conv(x, width, 1, use_bias=False, name=f"{name}_project")
        return layers.add([x, y], name=f"{name}_add")


def _relu_conv_bn(x: Tensor, width: int, strides: int, name: str) -> Tensor:
    x = layers.activate(x, "relu", name=f"{name}_relu")
    x = layers.conv(x, width, 3, strides=strides, use_bias=False, name=f"{name}_conv")
    return layers.normalize(x, "batch", name=f"{name}_bn")


def _name(start: int, end: int) -> str:
    return f"cell/edge_{start}_{end}"


def _merge(a: Case, b: Case) -> Case | None:
    """Both cases at once; None when they exclude each other."""
    merged = dict(a)
    for edge, values in b.items():
        merged[edge] = tuple(v for v in merged.get(edge, values) if v in values)
        if not merged[edge]:
            return None
    return merged


def _both(left: list[Case], right: list[Case]) -> list[Case]:
    return [m for a in left for b in right if (m := _merge(a, b)) is not None]


def _cases(
    nodes: int, kept: tuple[str, ...], droppable: bool
) -> list[tuple[Edge, Case, tuple[str, ...]]]:
    """For each edge, the cases in which it matters, and the operations it may then have.

    Cases of one edge exclude each other, and name only edges that come before it: from the output
    backwards, and within a node from the last predecessor to the first.
    """
    zero = ("zero",)
    live: dict[int, list[Case]] = {nodes - 1: [{}]}
    dead: dict[int, list[Case]] = {nodes - 1: []}
    found = []
    for end in range(nodes - 1, 0, -1):
        if end not in live:
            live[end], dead[end] = [], [{}]
            for later in range(nodes - 1, end, -1):
                used = _both(live[later], [{(end, later): kept}])
                unused = _both(live[later], [{(end, later): zero}])
                live[end] += _both(dead[end], used)
                dead[end] = _both(dead[end], dead[later] + unused)
        # The edge from the cell's input comes last: when no other arrives, it must be there.
        arriving: list[Case] = []
        none_yet: list[Case] = live[end]
        for start in range(end - 1, -1, -1):
            edge = (start, end)
            free = (*(zero if droppable else ()), *kept)
            found += [(edge, case, free) for case in (live[end] if start else arriving)]
            if start == 0:
                found += [(edge, case, kept) for case in none_yet]
            arriving = arriving + _both(none_yet, [{edge: kept}])
            none_yet = _both(none_yet, [{edge: zero}]) if droppable else []
    return found
