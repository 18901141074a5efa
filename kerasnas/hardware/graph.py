"""A network as layers, shapes and weights: what both a Keras model and a sketch of one become."""

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Sequence

from kerasnas.keras_models.traits import of_kind

Shape = tuple[int, ...]

_RECURRENT = {"GRU", "LSTM", "SimpleRNN"}
# The operation in a layer's scope that reads its first variable, where it has a scope of its own.
_READING = {
    "Conv1D": "_conv1d_expanddims_1",
    "Conv2D": "_conv2d",
    "Conv2DTranspose": "_conv2d_transpose",
    "Dense": "_matmul",
    "DepthwiseConv2D": "_depthwise",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """One layer of a network.

    Args:
        kind: Class name of the Keras layer; "Activation" for every activation, and "Part" for one
            of the outputs of a node of several.
        name: Name of the layer, and behind a slash that of its part, where it is several nodes.
        inputs: Positions in the graph of the nodes that it reads.
        shape: Shape of its output, without the batch.
        weights: Shapes of its weights, in Keras's order.
        config: What else tells two such layers apart: strides, padding, function.
        layer: Number of a layer that is called more than once; None for all others.
    """

    kind: str
    name: str
    inputs: tuple[int, ...]
    shape: Shape
    weights: tuple[Shape, ...] = ()
    config: tuple[object, ...] = ()
    layer: int | None = None

    @property
    def params(self) -> int:
        """Number of weights, the untrained ones included."""
        return sum(math.prod(shape) for shape in self.weights)


@dataclasses.dataclass(slots=True)
class Graph:
    """Nodes in the order of execution, and which of them leave the network.

    Args:
        name: Name of the model, which stands in the file before those of its layers.
        nodes: The layers.
        outputs: Positions of those that are outputs.

    Example:

    >>> from kerasnas.hardware import Graph
    >>> graph = Graph()
    >>> x = graph.add("InputLayer", "input", (), (28,))
    >>> graph.outputs = (graph.add("Dense", "dense", (x,), (10,), [(28, 10), (10,)]),)
    >>> graph.macs(graph.nodes[1])
    280
    """

    name: str = "network"
    nodes: list[Node] = dataclasses.field(default_factory=list)
    outputs: tuple[int, ...] = ()

    def add(
        self,
        kind: str,
        name: str,
        inputs: Sequence[int],
        shape: Iterable[int],
        weights: Iterable[Iterable[int]] = (),
        config: Sequence[object] = (),
    ) -> int:
        """Appends a node.

        Args:
            kind: Class name of the Keras layer.
            name: Name of the layer.
            inputs: Positions of the nodes that it reads.
            shape: Shape of its output, without the batch.
            weights: Shapes of its weights, in Keras's order.
            config: What else tells two such layers apart.

        Returns:
            Its position.
        """
        shapes = tuple(tuple(weight) for weight in weights)
        self.nodes.append(Node(kind, name, tuple(inputs), tuple(shape), shapes, tuple(config)))
        return len(self.nodes) - 1

    def input_shapes(self, node: Node) -> list[Shape]:
        """Returns the shapes of what a node reads.

        Args:
            node: A node of this graph.

        Returns:
            List of shapes without the batch, one for each input.
        """
        return [self.nodes[i].shape for i in node.inputs]

    def macs(self, node: Node) -> int:
        """Returns the multiply-accumulates of a node for one sample.

        Args:
            node: A node of this graph.

        Returns:
            How often a kernel's values are multiplied; 0 for a layer without a kernel.
        """
        multiplies = of_kind(node.kind).multiplies
        if multiplies is not None:
            places = node.shape if multiplies == "outputs" else self.input_shapes(node)[0]
            return math.prod(places[:-1]) * math.prod(node.weights[0])
        if node.kind in ("AttentionScores", "Matmul"):
            transposed = node.config[:1] == (True,) and node.kind == "Matmul"
            return math.prod(node.shape) * self.input_shapes(node)[0][-2 if transposed else -1]
        if node.kind in _RECURRENT:
            steps = self.input_shapes(node)[0][0]
            return steps * sum(math.prod(kernel) for kernel in node.weights[:2])
        return 0

    def live(self) -> list[int]:
        """Returns the positions of the nodes that an output depends on, in order."""
        wanted = set(self.outputs)
        for index in range(len(self.nodes) - 1, -1, -1):
            if index in wanted:
                wanted.update(self.nodes[index].inputs)
        return sorted(wanted)

    def schedule(self) -> list[int]:
        """Returns the positions of the live nodes in the order in which the file runs them.

        TensorFlow's importer runs what has become ready last first, and of several the first by
        name (`TopologicalOrdering` in tensorflow 2.21, compiler/mlir/tensorflow/translate). What it
        begins with are the network's inputs and the variables, which are named after their layers.
        """
        live = self.live()
        readers: dict[int, list[int]] = {}
        # The outputs of a node of several outputs come right after it.
        parts: dict[int, list[int]] = {}
        missing: dict[int, int] = {}
        begin: list[tuple[str, int]] = []
        for index in live:
            node = self.nodes[index]
            if node.kind == "Part":
                parts.setdefault(node.inputs[0], []).append(index)
                continue
            for i in map(self._whole, node.inputs):
                readers.setdefault(i, []).append(index)
            missing[index] = len(node.inputs)
            if not node.inputs:
                missing[index] = 1
                begin.append((f"input_{len(begin):03}", index))
        for index in live:
            if self.nodes[index].weights:
                missing[index] += 1
                begin.append((self._variable(self.nodes[index]), index))
        order: list[int] = []
        ready: list[int] = []

        def count(indices: Iterable[int]) -> None:
            for index in indices:
                missing[index] -= 1
                if not missing[index]:
                    ready.append(index)

        for _, root in sorted(begin):
            count([root])
            while ready:
                index = ready.pop()
                order += [index, *parts.get(index, ())]
                after = readers.get(index, ())
                count(sorted(after, key=lambda i: (f"{self.nodes[i].name}/", i), reverse=True))
        return order

    def _whole(self, index: int) -> int:
        """Returns the node that runs: of one of several outputs, the node that makes them all."""
        node = self.nodes[index]
        return node.inputs[0] if node.kind == "Part" else index

    def _variable(self, node: Node) -> str:
        """Returns the name that TensorFlow gives the first variable of a layer."""
        operation = _READING.get(node.kind, "")
        layer = node.name.replace("/", "_")
        return f"{self.name}_{layer}{operation}_readvariableop_resource".lower()

    def fingerprint(self) -> str:
        """Returns a name of the network that does not depend on the names of its layers.

        Returns:
            A digest that two graphs share when they are the same network under other layer names.
        """
        digests: dict[int, str] = {}
        for index in self.live():
            node = self.nodes[index]
            reads = [digests[i] for i in node.inputs]
            if of_kind(node.kind).commutes:
                reads.sort()
            text = repr((node.kind, reads, node.shape, node.weights, node.config, node.layer))
            digests[index] = hashlib.sha256(text.encode()).hexdigest()
        outputs = [digests[i] for i in self.outputs]
        # A layer read twice and two equal layers read once each differ in the number of nodes only.
        return hashlib.sha256(repr((outputs, sorted(digests.values()))).encode()).hexdigest()
