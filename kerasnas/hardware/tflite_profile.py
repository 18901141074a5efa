"""What a `.tflite` file costs on a device, read from its bytes without running it."""

import math
import os
from collections.abc import Iterator, Sequence

from kerasnas.hardware.arena import Lifetime, peak, persistent_bytes, plan
from kerasnas.hardware.kernels import KernelCall, Operand, scratch
from kerasnas.hardware.profile import LayerProfile, Profile, Work, total_work
from kerasnas.tflite.loops import trips
from kerasnas.tflite.reader import OperatorRecord, Subgraph, TensorRecord, TFLiteFile, opened

# Placing buffers takes time that grows with the square of their number.
_MOST_BUFFERS = 2**12
# Nested loops multiply, so the profile gives up after so many runs of a graph.
_MOST_STEPS = 2**15
# Positions of the kernels of a UNIDIRECTIONAL_SEQUENCE_LSTM: for each gate one that reads the input
# and one that reads the state, and that of the projection.
_LSTM_WEIGHTS = (1, 2, 3, 4, 5, 6, 7, 8, 16)


def profile_tflite(data: str | os.PathLike[str] | bytes | TFLiteFile) -> Profile:
    """Reads off a `.tflite` file, of any exporter, what it costs on a device.

    Args:
        data: Path of the file, its bytes, or the file parsed. Its shapes are taken as they are: a
            batch of one.

    Returns:
        A `Profile`, whose rows are the operators in order of execution:

        dtype: What most multiply-accumulates are done in: "int8", "int16x8", "float32", "float16"
            (computed in float32, stored in float16), "dynamic" (float activations, integer
            weights), or another pair of dtypes.
        params: Values of the constants that are weights: floats, and integers with a quantization
            scale. Shapes, axes, paddings and other integer operands are not counted; a bias that
            the converter added is.
        macs: Multiply-accumulates of convolutions, dense layers, matrix products, LSTMs and SVDFs.
            A loop counts what it repeats, and a branch the larger of its ways; other operators
            count 0.
        flash_bytes: Bytes of the file; of a row, those of its constants and their quantization
            records, at the first operator that reads them.
        ram_bytes: Bytes of TensorFlow Lite Micro's tensor arena. Its head (activations, kernels'
            scratch buffers) is what the interpreter reports, to the byte; its tail is that of the
            interpreter on a 64-bit host. Of a row, what is alive while it runs.

    Raises:
        FileNotFoundError: There is no file at the path.
        ValueError: The bytes are no complete TensorFlow Lite model, or an input has an unknown
            dimension beside the batch, or a loop multiplies as often as its inputs say.

    Source: tflite-micro, `micro_allocation_info.cc`, for the lifetimes.

    Example:

    >>> import keras, kerasnas as kn
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3)])
    >>> kn.hardware.profile_tflite(kn.export.to_tflite(model)).macs
    1296
    """
    file = opened(data)
    graphs = file.graphs
    main = graphs[0]
    for index in main.inputs:
        unknown = [axis for axis in main.tensors[index].unknown if axis > 0]
        if unknown:
            raise ValueError(
                f"Argument `data` has an input {main.tensors[index].name!r} of unknown size along "
                f"dimension {unknown[0]}; convert the model with a fixed shape of its inputs. "
                f"Received: shape {main.tensors[index].shape} for all unknown sizes of 1"
            )
    buffers, steps = _lifetimes(graphs)
    offsets = plan(buffers)
    ends = [offset + buffer.size for offset, buffer in zip(offsets, buffers, strict=True)]
    head = peak(buffers, offsets)
    tail = persistent_bytes(
        [(len(graph.tensors), [_call(graph, op) for op in graph.operators]) for graph in graphs],
        inputs=[main.tensors[index].scales for index in main.inputs],
        outputs=[main.tensors[index].scales for index in main.outputs],
        variables=[t.nbytes for graph in graphs for t in graph.tensors if t.variable],
        resources=list(_resources(graphs).values()),
    )
    layers = tuple(_layers(graphs, buffers, ends, steps))
    written = [sum(main.tensors[i].values for i in op.outputs if i >= 0) for op in main.operators]
    return Profile(
        dtype=_dtype(graphs),
        params=sum(
            tensor.values
            for graph in graphs
            for tensor in graph.tensors
            if tensor.data is not None and _is_weight(tensor)
        ),
        macs=sum(layer.macs for layer in layers),
        flash_bytes=len(file.data),
        ram_bytes=head + tail,
        arena_head=head,
        arena_tail=tail,
        layers=layers,
        work=total_work(
            (layer.kind, Work(1, layer.macs, values))
            for layer, values in zip(layers, written, strict=True)
        ),
    )


def _resources(graphs: Sequence[Subgraph]) -> dict[str, int]:
    """Returns the bytes of each resource variable, those of its first value, by its name."""
    found: dict[str, int] = {}
    for graph in graphs:
        handles: dict[int, str] = {}
        for operator in graph.operators:
            if operator.kind == "VAR_HANDLE":
                handles.update(dict.fromkeys(operator.outputs, operator.resource))
                found.setdefault(operator.resource, 0)
            elif operator.kind == "ASSIGN_VARIABLE" and len(operator.inputs) == 2:
                name, value = handles.get(operator.inputs[0]), operator.inputs[1]
                if name is not None and value >= 0:
                    found[name] = found[name] or graph.tensors[value].nbytes
    return found


def _lifetimes(graphs: Sequence[Subgraph]) -> tuple[list[Lifetime], list[tuple[int, int]]]:
    """Buffers in the planner's order, and the first and last step of each of the main operators.

    Steps are counted from 1; 0 is before the first operator, when the inputs are filled. What no
    operator touches lives at step -1: the planner places it all the same.
    """
    first: dict[tuple[int, int], int] = {}
    last: dict[tuple[int, int], int] = {}
    spans: dict[tuple[int, int], tuple[int, int]] = {}
    now = total = 0

    def run(index: int, running: tuple[int, ...]) -> None:
        nonlocal now, total
        if index in running:
            raise ValueError(f"Argument `data` has a subgraph that runs itself: {index}")
        graph = graphs[index]
        total += len(graph.operators) + 1
        if total > _MOST_STEPS:
            raise ValueError("Argument `data` has too many operators in graphs that run graphs")
        for tensor in graph.inputs:
            first.setdefault((index, tensor), now)
            last[index, tensor] = now
        for number, operator in enumerate(graph.operators):
            now += 1
            start = now
            for tensor in operator.outputs:
                first.setdefault((index, tensor), now)
            for called in operator.graphs:
                now += 1
                run(called, (*running, index))
            for tensor in (*operator.inputs, *operator.outputs):
                last[index, tensor] = now
            spans[index, number] = (spans.get((index, number), (start,))[0], now)
        for tensor in graph.outputs:
            first.setdefault((index, tensor), now)
            last[index, tensor] = now

    run(0, ())
    buffers = [
        Lifetime(tensor.nbytes, first.get((g, t), -1), last.get((g, t), -1))
        for g, graph in enumerate(graphs)
        for t, tensor in enumerate(graph.tensors)
        if tensor.data is None and not tensor.variable and tensor.dtype != "resource"
        if tensor.nbytes
    ]
    buffers += [
        Lifetime(size, *spans.get((g, o), (-1, -1)))
        for g, graph in enumerate(graphs)
        for o, operator in enumerate(graph.operators)
        for size in scratch(_call(graph, operator))
    ]
    if len(buffers) > _MOST_BUFFERS:
        raise ValueError(
            f"Argument `data` has more activations than can be planned, {_MOST_BUFFERS}. "
            f"Received: {len(buffers)}"
        )
    return buffers, [spans[0, number] for number in range(len(graphs[0].operators))]


def _call(graph: Subgraph, operator: OperatorRecord) -> KernelCall:
    def operand(index: int) -> Operand | None:
        if index < 0:
            return None
        tensor = graph.tensors[index]
        return Operand(tensor.shape, tensor.dtype, tensor.scales)

    return KernelCall(
        operator.kind,
        [operand(index) for index in operator.inputs],
        [found for found in map(operand, operator.outputs) if found],
        operator.transposed,
    )


def _layers(
    graphs: Sequence[Subgraph],
    buffers: Sequence[Lifetime],
    ends: Sequence[int],
    steps: Sequence[tuple[int, int]],
) -> Iterator[LayerProfile]:
    graph, seen = graphs[0], set[int]()
    for operator, (start, end) in zip(graph.operators, steps, strict=True):
        outputs = [graph.tensors[index] for index in operator.outputs if index >= 0]
        fresh = {i for i in operator.inputs if i >= 0 and i not in seen}
        seen |= fresh
        constants = [graph.tensors[i] for i in sorted(fresh) if graph.tensors[i].data is not None]
        alive = [i for i, b in enumerate(buffers) if b.first <= end and start <= b.last]
        yield LayerProfile(
            # The converter joins the names of all that it fused, the last of them first.
            name=outputs[0].name.split(";")[0] if outputs else operator.kind,
            kind=operator.kind,
            shape=outputs[0].shape[1:] if outputs else (),
            params=sum(t.values for t in constants if _is_weight(t)),
            macs=_macs(graphs, graph, operator),
            flash_bytes=sum(len(t.data) + t.record_bytes for t in constants),
            ram_bytes=sum(buffers[i].size for i in alive),
            arena_bytes=max((ends[i] for i in alive), default=0),
        )


def _is_weight(tensor: TensorRecord) -> bool:
    return "float" in tensor.dtype or tensor.scales > 0


def _macs(graphs: Sequence[Subgraph], graph: Subgraph, operator: OperatorRecord) -> int:
    """Returns the multiply-accumulates of an operator and of the graphs that it runs."""
    called = [
        sum(_macs(graphs, graphs[index], inner) for inner in graphs[index].operators)
        for index in operator.graphs
    ]
    if operator.kind == "WHILE" and any(called):
        times = trips(graphs, graph, operator)
        if times is None:
            name = graph.tensors[operator.outputs[0]].name if operator.outputs else ""
            raise ValueError(
                f"Argument `data` has a loop, {name!r}, that runs as often as its inputs say: its "
                "multiply-accumulates are unknown. Give its layer unroll=True, or read the arena "
                "with kerasnas.hardware.measure_arena"
            )
        condition, body = called
        return (times + 1) * condition + times * body
    if operator.kind == "IF":
        return max(called)
    return _kernel_macs(graph, operator)


def _kernel_macs(graph: Subgraph, operator: OperatorRecord) -> int:
    def tensor(positions: Sequence[int], number: int) -> Sequence[int] | None:
        """Returns the shape of an operand; None if it is left out or has no dimension."""
        index = positions[number] if number < len(positions) else -1
        return (graph.tensors[index].shape or None) if index >= 0 else None

    output, kernel = tensor(operator.outputs, 0), tensor(operator.inputs, 1)
    source, kind = tensor(operator.inputs, 0), operator.kind
    if kind == "UNIDIRECTIONAL_SEQUENCE_LSTM" and source is not None:
        weights = (tensor(operator.inputs, number) for number in _LSTM_WEIGHTS)
        return math.prod(source[:-1]) * sum(math.prod(shape) for shape in weights if shape)
    if output is None or kernel is None or source is None:
        return 0
    if kind == "CONV_2D":
        # Of a grouped convolution, the kernel is as deep as a group.
        return math.prod(output) * math.prod(kernel[1:])
    if kind in ("DEPTHWISE_CONV_2D", "CONV_3D"):
        return math.prod(output) * math.prod(kernel[:-1])
    if kind == "FULLY_CONNECTED":
        return math.prod(output) * kernel[-1]
    if kind == "TRANSPOSE_CONV":
        # Its first input is the shape of its output.
        return math.prod(tensor(operator.inputs, 2) or (0,)) * math.prod(kernel[:-1])
    if kind == "BATCH_MATMUL":
        return math.prod(output) * source[-2 if operator.transposed[0] else -1 :][0]
    if kind == "SVDF":
        time = tensor(operator.inputs, 2) or (0,)
        return source[0] * (math.prod(kernel) + math.prod(time))
    return 0


def _dtype(graphs: Sequence[Subgraph]) -> str:
    """Returns the dtype that computes most MACs, or writes most values where there are no MACs."""
    done: dict[str, tuple[int, int]] = {}

    def count(graph: Subgraph) -> None:
        maker = {index: op for op in graph.operators for index in op.outputs}
        for operator in graph.operators:
            if operator.kind in ("IF", "WHILE"):
                for index in operator.graphs:
                    count(graphs[index])
                continue
            multiplied = _kernel_macs(graph, operator)
            name = _arithmetic(graph, operator, multiplied > 0, maker)
            written = graph.tensors[operator.outputs[0]].shape[1:] if operator.outputs else ()
            macs, values = done.get(name, (0, 0))
            done[name] = (macs + multiplied, values + math.prod(written))

    count(graphs[0])
    return max(done, key=lambda name: done[name], default="float32")


def _arithmetic(
    graph: Subgraph, operator: OperatorRecord, multiplies: bool, maker: dict[int, OperatorRecord]
) -> str:
    written = [graph.tensors[index].dtype for index in operator.outputs if index >= 0]
    activation = written[0] if written else "float32"
    if not multiplies:
        return activation
    index = next(index for index in operator.inputs[1:] if index >= 0)
    # Weights of half precision are stored so, and a DEQUANTIZE turns them into float32 at the
    # start.
    source = maker.get(index)
    if source is not None and source.kind == "DEQUANTIZE" and min(source.inputs, default=-1) >= 0:
        index = source.inputs[0]
    weights = graph.tensors[index].dtype
    if weights == activation:
        return activation
    if activation == "float32":
        return "float16" if weights == "float16" else "dynamic"
    return f"{activation}x{weights.removeprefix('int')}"
