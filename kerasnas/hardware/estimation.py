"""Estimates what a model costs on a device, without converting it."""

import math
from collections import defaultdict
from collections.abc import Sequence

import keras

from kerasnas.hardware.arena import MemoryPlan, memory_plan, tail_bytes
from kerasnas.hardware.flash import OVERHEADS, flash_bytes, operator_bytes
from kerasnas.hardware.graph import Graph
from kerasnas.hardware.keras_graph import keras_graph
from kerasnas.hardware.lowering import KERNEL_OPERATORS, Operator, Program, lower
from kerasnas.hardware.profile import LayerProfile, Profile, Work, total_work
from kerasnas.hardware.reorder import reordered_head
from kerasnas.keras_models.keras_2 import in_keras_3
from kerasnas.runtime.arguments import check_choice

# Of the operators that a layer becomes, the one that has the multiply-accumulates is of these.
_MULTIPLYING = {*KERNEL_OPERATORS, "BATCH_MATMUL", "CONV_3D", "CONV_3D_TRANSPOSE"}
_MULTIPLYING |= {"UNIDIRECTIONAL_SEQUENCE_LSTM"}


def profile(model: keras.Model, dtype: str = "int8") -> Profile:
    """Estimates what a Keras model costs on a device, without converting it.

    Args:
        model: A built Sequential or Functional Keras 3 model, or one of tf_keras, which is built
            again in Keras 3.
        dtype: "int8" for the file after full integer quantization, "float32", "float16" for weights
            in 16 bits, or "dynamic" for weights in 8 bits. Microcontrollers run the first two; of
            the others, `ram_bytes` is that of float activations.

    Returns:
        Parameters, multiply-accumulates, bytes of flash and of RAM, for a batch of one.

    Raises:
        TypeError: `model` is not a Keras 3 model.
        ValueError: An unknown dtype, an unknown dimension, or a layer without a cost rule.

    Example:

    >>> import keras, kerasnas as kn
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, name="conv")])
    >>> kn.profile(model).macs
    1296
    """
    model = in_keras_3(model)
    if not isinstance(model, keras.Model):
        raise TypeError(
            "Argument `model` must be a Keras 3 model. "
            f"Received: {type(model).__module__}.{type(model).__name__}"
        )
    return profile_graph(keras_graph(model), dtype)


def profile_graph(graph: Graph, dtype: str = "int8", by_layer: bool = True) -> Profile:
    """Estimates the same for a graph, such as a hypermodel's sketch.

    Args:
        graph: A network.
        dtype: As in `profile`.
        by_layer: Whether layers are listed and the best order of execution is looked for, which
            takes most of the time.

    Returns:
        Its profile.

    Raises:
        ValueError: An unknown dtype, or a kind of layer without operators.

    Example:

    >>> from kerasnas.hardware import Sketch, profile_graph
    >>> x = Sketch.input((8, 8, 1)).conv2d(4, 3, padding="valid", name="conv")
    >>> x.graph.outputs = (x.index,)
    >>> profile_graph(x.graph, by_layer=False).macs
    1296
    """
    check_choice("dtype", dtype, tuple(OVERHEADS))
    program = lower(graph, dtype)
    plan = memory_plan(program)
    head, tail = plan.head, tail_bytes(program)
    macs = [_macs(graph, operator) for operator in program.operators]
    work = total_work(
        (op.kind, Work(1, done, sum(math.prod(program.activations[i]) for i in op.outputs)))
        for op, done in zip(program.operators, macs, strict=True)
    )
    return Profile(
        dtype=dtype,
        params=sum(_params(graph, graph.live()).values()),
        macs=sum(macs),
        flash_bytes=flash_bytes(program),
        ram_bytes=head + tail,
        arena_head=head,
        arena_tail=tail,
        layers=_layers(graph, program, plan, macs) if by_layer else (),
        work=work,
        arena_head_reordered=reordered_head(program, head) if by_layer else None,
    )


def _macs(graph: Graph, operator: Operator) -> int:
    if operator.kind not in _MULTIPLYING:
        return 0
    return graph.macs(graph.nodes[operator.node]) if operator.macs is None else operator.macs


def _params(graph: Graph, order: Sequence[int]) -> dict[int, int]:
    """Returns the number of weights of each node; a shared layer has them at its first call."""
    first: dict[object, int] = {}
    for index in order:
        node = graph.nodes[index]
        first.setdefault(index if node.layer is None else (node.layer, node.kind), index)
    return {index: graph.nodes[index].params for index in first.values()}


def _layers(
    graph: Graph, program: Program, plan: MemoryPlan, done: Sequence[int]
) -> tuple[LayerProfile, ...]:
    flash: defaultdict[int, float] = defaultdict(float)
    macs, ram, arena = (defaultdict[int, int](int) for _ in range(3))
    buffers, offsets = plan
    shares = operator_bytes(program)
    for step, operator in enumerate(program.operators):
        place = operator.node
        alive = [i for i, b in enumerate(buffers) if b.first <= step <= b.last]
        flash[place] += shares[step]
        macs[place] += done[step]
        ram[place] = max(ram[place], sum(buffers[i].size for i in alive))
        arena[place] = max(arena[place], *(offsets[i] + buffers[i].size for i in alive))
    order = graph.schedule()
    params = _params(graph, order)
    layers = []
    for i in order:
        node, costs = graph.nodes[i], (params.get(i, 0), macs[i], round(flash[i]), ram[i], arena[i])
        layers.append(LayerProfile(node.name, node.kind, node.shape, *costs))
    return tuple(layers)
