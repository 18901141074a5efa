"""From layers to the operators and tensors of the `.tflite` file that the exporter writes.

The converter folds batch normalization into the convolution before it, fuses activations, and
drops what inference does not need; costs of flash and RAM are those of what is left.
"""

from collections.abc import Callable

from kerasnas.hardware.graph import Graph, Node
from kerasnas.hardware.lowering.lending import lend, lend_matrix
from kerasnas.hardware.lowering.merging import fuse_hard_silu, split_merges, twins
from kerasnas.hardware.lowering.program import Program
from kerasnas.hardware.lowering.tape import Tape
from kerasnas.hardware.lowering.written import append_written
from kerasnas.keras_models.traits import of_kind

# Bytes of a value of each dtype that is not float.
_WIDTHS = {"bool": 1, "int16": 2, "int32": 4, "int64": 8, "int8": 1, "uint16": 2, "uint32": 4}
_WIDTHS |= {"uint64": 8, "uint8": 1}

# What to write for one layer: (tape, node, tensors read) -> tensor written.
Rule = Callable[[Tape, Node, list[int]], int]
RULES: dict[str, Rule] = {}


def lowers(*kinds: str) -> Callable[[Rule], Rule]:
    """Registers the rule for nodes of the given kinds."""

    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return register


def lower(graph: Graph, dtype: str = "int8") -> Program:
    """Translates a graph to the operators that its `.tflite` file will hold.

    Args:
        graph: A network.
        dtype: What the file is quantized to; "int8" leaves some kernels in floating point.

    Returns:
        Its program.

    Raises:
        ValueError: A layer or an activation that has no operator here.
    """
    split, origin = split_merges(graph)
    split = fuse_hard_silu(split)
    to = Tape(split, origin, dtype)
    nodes, schedule = split.nodes, split.schedule()
    same = twins(split, schedule)
    readers, dense, borrowers, takers = _count_readers(split, schedule, same)
    value: dict[int, int] = {}
    inputs = []
    for index in schedule:
        node = nodes[index]
        if same[index] != index:
            continue
        to.index = index
        to.takes = index in takers
        if node.kind == "InputLayer":
            value[index] = _input(to, index)
            inputs.append(value[index])
        else:
            reads = [value[same[i]] for i in node.inputs]
            if node.kind in RULES:
                value[index] = RULES[node.kind](to, node, reads)
            elif (written := of_kind(node.kind).elementwise) is not None:
                value[index] = append_written(to, reads[0], written)
            else:
                raise ValueError(
                    f"Node {node.name!r} is of kind {node.kind!r}, of which no operators are "
                    f"known. A cost rule can add nodes of {', '.join(sorted(RULES))}"
                )
        # A layer that hands its input on unchanged also has the other readers of that input.
        through = value[index] in [value[same[i]] for i in node.inputs]
        others = to.readers[value[index]] - 1 if through else 0
        to.readers[value[index]] = readers[index] + others
        if dense[index] and node.kind == "Dense" and len(node.weights) == 1:
            lend_matrix(to, value[index], dense[index])
        elif borrowers[index] and node.kind not in ("Flatten", "Reshape"):
            lend(to, value[index], borrowers[index])
    outputs = [value[same[i]] for i in to.graph.outputs]
    if to.dtype == "int8":
        outputs = [to.in_integers(x) for x in outputs]
    return to.program(inputs, outputs)


def _input(to: Tape, index: int) -> int:
    """Adds an input of the network; its config names its dtype unless that is a float."""
    node = to.graph.nodes[index]
    tensor = to.tensor(node.shape, to.width)
    if to.dtype == "int8":
        # The exporter reads pixels as floats, and indices in floats as integers.
        if node.config == ("uint8",) and _all_cast(to.graph, index, ()):
            return tensor
        if not node.config and _all_cast(to.graph, index, ("int32",)):
            return to.indices(tensor)
    if node.config:
        to.widths[tensor] = _WIDTHS[str(node.config[0])]
        to.unscaled.add(tensor)
    return tensor


def _all_cast(graph: Graph, index: int, target: tuple[object, ...]) -> bool:
    """Returns whether an input is cast by all that read it, and not for a Dense."""

    def readers(of: int) -> list[int]:
        return [i for i, node in enumerate(graph.nodes) if of in node.inputs]

    def casts(i: int) -> bool:
        node = graph.nodes[i]
        if node.kind in ("Flatten", "Reshape"):
            return all(casts(reader) for reader in readers(i))
        kinds = [graph.nodes[reader].kind for reader in readers(i)]
        return node.kind == "Cast" and node.config == target and "Dense" not in kinds

    found = readers(index)
    return bool(found) and all(casts(i) for i in found)


def _count_readers(
    graph: Graph, schedule: list[int], same: dict[int, int]
) -> tuple[dict[int, int], dict[int, int], dict[int, int], set[int]]:
    """Counts for each node its readers: all, Dense layers, and those that take over its offset."""
    readers, dense, borrowers = ({i: 0 for i in schedule} for _ in range(3))
    normalized, takers = dict.fromkeys(schedule, 0), set()
    for index in graph.outputs:
        readers[same[index]] += 1
    for index in reversed(schedule):
        if same[index] != index:
            continue
        node = graph.nodes[index]
        # A Dense has an offset if it has a bias, or if only a normalization reads it.
        offset = len(node.weights) > 1 or (readers[index], normalized[index]) == (1, 1)
        if node.kind == "Dense" and offset and not borrowers[index]:
            takers.add(index)
        for i in node.inputs:
            readers[same[i]] += 1
            dense[same[i]] += node.kind == "Dense"
            normalized[same[i]] += node.kind == "BatchNormalization"
            borrowers[same[i]] += index in takers
    return readers, dense, borrowers, takers
