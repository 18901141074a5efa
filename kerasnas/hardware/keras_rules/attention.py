"""How attention, and products of tensors along named axes, enter the graph of costs."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.hardware.keras_graph import cost_rule
from kerasnas.hardware.keras_rules.reading import activated, refusal, refused, weights_of
from kerasnas.keras_models.walk import Call


@cost_rule("EinsumDense")
def _einsum_dense(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    left, rest = layer.equation.replace(" ", "").split(",")
    kernel, right = rest.split("->")
    source = tuple(call.inputs[0].shape[1:])
    if "..." in layer.equation:
        dots = "ZYXWVU"[: len(source) + 1 - len(left.replace("...", ""))]
        left, right = left.replace("...", dots), right.replace("...", dots)
    summed = [axis for axis in left if axis not in right]
    free = [axis for axis in kernel if axis not in summed]
    plain = (
        left.endswith("".join(summed))
        and right == left.removesuffix("".join(summed)) + "".join(free)
        and kernel == "".join(summed + free)
    )
    bias = layer.bias_axes or ""
    sizes = tuple(layer.kernel.shape)
    read, made = math.prod(sizes[: len(summed)]), math.prod(sizes[len(summed) :])
    rows = source[: len(source) - len(summed)]
    plain = plain and math.prod(rows) * made == math.prod(shape)
    if not plain or bias not in ("", "".join(free)):
        what = f"the equation {layer.equation!r} with bias_axes={layer.bias_axes!r}"
        way_out = "sum over the last axes, and let those of the kernel follow the others"
        raise refusal(layer, what, way_out)
    name = layer.name
    index = graph.add("Reshape", f"{name}/rows", inputs, (*rows, read))
    weights = [(read, made), *([(made,)] if bias else [])]
    index = graph.add("Dense", name, [index], (*rows, made), weights)
    index = graph.add("Reshape", f"{name}/columns", [index], shape)
    return activated(graph, layer, index)


@cost_rule("Einsum")
def _einsum(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    equation, name = call.operation.subscripts, call.operation.name
    terms, operands = _terms(equation, [np.shape(operand) for operand in call.args]), call.args
    *reads, made = terms
    known = [isinstance(operand, keras.KerasTensor) for operand in operands]
    if known not in ([True], [True, True], [True, False]):
        raise refused(call, f"{len(operands)} operands", "use one or two, a constant second")
    batch, others = made[:1], "".join(reads)
    sums = [axis for axis in {*others} if others.count(axis) == 1 and axis not in made]
    samples = [term for term, tensor in zip(reads, known, strict=True) if tensor]
    kept = all(term[:1] == batch for term in samples) and (all(known) or batch not in reads[1])
    if sums or not kept or any(len({*term}) < len(term) for term in terms):
        what = f"the equation {equation!r}"
        raise refused(call, what, "sum over axes of both operands, the samples first in each")
    if len(reads) == 1:
        axes = tuple(reads[0].index(axis) for axis in made[1:])
        return graph.add("Permute", name, inputs, shape, config=(axes,))
    if all(known):
        return graph.add("Einsum", name, inputs, shape, config=tuple(terms))
    return _by_matrix(graph, call, inputs[0], terms)


def _terms(equation: str, shapes: Sequence[Shape]) -> list[str]:
    """Returns the axes of the operands and of the result as letters, with dots written out."""
    reads, arrow, made = equation.replace(" ", "").partition("->")
    terms = reads.split(",")
    if not arrow:
        letters = "".join(terms).replace(".", "")
        made = "".join(sorted(axis for axis in {*letters} if letters.count(axis) == 1))
        made = ("..." if "." in equation else "") + made
    dots = ""
    for term, shape in zip(terms, shapes, strict=True):
        if "..." in term:
            dots = max(dots, "ZYXWVU"[: len(shape) + 3 - len(term)], key=len)
    return [term.replace("...", dots) for term in (*terms, made)]


def _by_matrix(graph: Graph, call: Call, index: int, terms: Sequence[str]) -> int:
    """Adds a product with a constant, of which the converter makes a matrix."""
    (left, right, made), name = terms, call.operation.name
    sizes = dict(zip(left[1:], graph.nodes[index].shape, strict=True))
    sizes |= dict(zip(right, np.shape(call.args[1]), strict=True))
    free = [axis for axis in left if axis not in right]
    summed = [axis for axis in left if axis in right]
    further = [axis for axis in right if axis not in left]
    if any(axis in made for axis in summed):
        what = f"the equation {call.operation.subscripts!r} of a constant"
        raise refused(call, what, "let axes of the constant be summed over or be new")

    def arranged(index: int, have: Sequence[str], want: Sequence[str], part: str) -> int:
        if list(have) == list(want):
            return index
        shape = [sizes[axis] for axis in want[1:]]
        axes = tuple(have.index(axis) for axis in want[1:])
        return graph.add("Permute", f"{name}/{part}", [index], shape, config=(axes,))

    index = arranged(index, left, [*free, *summed], "turned")
    rows = [sizes[axis] for axis in free[1:]]
    read, wide = (math.prod(sizes[axis] for axis in axes) for axes in (summed, further))
    index = graph.add("Reshape", f"{name}/rows", [index], (*rows, read))
    config = ("constant", (read, wide))
    index = graph.add("Matmul", name, [index], (*rows, wide), config=config)
    shape = (*rows, *(sizes[axis] for axis in further))
    index = graph.add("Reshape", f"{name}/columns", [index], shape)
    return arranged(index, [*free, *further], made, "arranged")


@cost_rule("MultiHeadAttention")
def _multi_head(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    given = {**dict(zip(("query", "value", "key"), call.args, strict=False)), **call.kwargs}
    rank = len(call.inputs[0].shape)
    if rank != 3 or layer._attention_axes != (1,):
        way_out = "attend along the steps of (steps, features)"
        raise refusal(layer, f"a query of {rank} axes", way_out)
    if given.get("attention_mask") is not None or given.get("return_attention_scores"):
        raise refusal(layer, "a mask, or its scores as an output", "leave it out")
    key = given.get("key")
    tensors = [given["query"], given["value"], given["value"] if key is None else key]
    place = {id(tensor): index for tensor, index in zip(call.inputs, inputs, strict=True)}
    causal = bool(given.get("use_causal_mask"))
    config = (layer.num_heads, layer.key_dim, layer.value_dim, layer.use_bias, causal)
    reads = [place[id(tensor)] for tensor in tensors]
    weights = weights_of(layer)
    return graph.add("MultiHeadAttention", layer.name, reads, shape, weights, config)


@cost_rule("AdditiveAttention", "Attention")
def _attention(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    if call.kwargs.get("return_attention_scores") or call.kwargs.get("use_causal_mask"):
        raise refusal(layer, "scores as an output, or a causal mask", "use MultiHeadAttention")
    if len(shape) != 2:
        what = f"an output of {len(shape) + 1} axes"
        raise refusal(layer, what, "use three: (batch, steps, units)")
    query, value = inputs[:2]
    key = inputs[2] if len(inputs) > 2 else value
    kind, name = type(layer).__name__, layer.name
    if kind == "Attention" and layer.score_mode == "concat":
        raise refusal(layer, "score_mode='concat'", "use AdditiveAttention, or 'dot'")
    scores = (shape[0], graph.nodes[key].shape[0])
    weights, config = weights_of(layer), (bool(layer.use_scale),)
    if kind == "AdditiveAttention":
        rows, units = graph.nodes[query].shape
        query = graph.add("Reshape", f"{name}/query", [query], (rows, 1, units))
    index = graph.add(f"{kind}Scores", name, [query, key], scores, weights, config)
    index = graph.add("Activation", name, [index], scores, config=("softmax",))
    return graph.add("Matmul", name, [index, value], shape, config=(False, False))


@cost_rule("Dot")
def _dot(graph: Graph, call: Call, inputs: list[int], shape: Shape) -> int:
    layer: Any = call.operation
    axes = (layer.axes,) * 2 if isinstance(layer.axes, int) else tuple(layer.axes)
    ranks = [len(tensor.shape) for tensor in call.inputs]
    axes = tuple(axis % rank for axis, rank in zip(axes, ranks, strict=True))
    if ranks != [3, 3] or layer.normalize:
        what = f"normalize={layer.normalize} and inputs of {ranks} axes"
        raise refusal(layer, what, "use 3 axes")
    config = (axes[0] == 1, axes[1] == 2)
    return graph.add("Matmul", layer.name, inputs, shape, config=config)
