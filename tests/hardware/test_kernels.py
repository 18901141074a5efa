"""What kernels take from the arena beside activations."""

import importlib.util

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kerasnas.hardware import measure_arena, profile_tflite
from kerasnas.hardware.arena import persistent_bytes
from kerasnas.hardware.kernels import KernelCall, Operand, scratch


def test_the_tail_of_a_dense_layer_is_what_the_interpreter_reports():
    def tail(dtype: str, scales: int) -> int:
        x, weights = Operand((1, 8), dtype, scales), Operand((4, 8), dtype, 4 * scales)
        call = KernelCall("FULLY_CONNECTED", [x, weights, None], [Operand((1, 4), dtype, scales)])
        return persistent_bytes([(3, [call])], inputs=[scales], outputs=[scales])

    assert (tail("float32", 0), tail("int8", 1)) == (896, 992)


def test_kernels_ask_for_scratch():
    x, axes = Operand((1, 8, 8, 16), "int8", 1), Operand((2,), "int32")
    mean = KernelCall("MEAN", [x, axes], [Operand((1, 16), "int8", 1)])
    # Sums in int32, the loop's indices, the axes.
    assert scratch(mean) == [64, 16, 8]
    floats = KernelCall("MEAN", [x._replace(dtype="float32"), axes], [Operand((1, 16), "float32")])
    assert scratch(floats) == [16, 8]
    weights = Operand((4, 3, 3, 16), "int4", 4)
    conv = KernelCall("CONV_2D", [x, weights, None], [Operand((1, 6, 6, 4), "int8", 1)])
    assert scratch(conv) == [4 * 9 * 16]
    assert scratch(conv._replace(inputs=[x, weights._replace(dtype="int8"), None])) == []


L = keras.layers


needs_micro = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is not installed"
)


def activations() -> keras.Model:
    x = keras.Input((8, 4))
    y = L.Activation("sigmoid")(L.Conv1D(6, 3)(x))
    y = L.LeakyReLU()(L.Activation("tanh")(y))
    return keras.Model(x, L.Permute((2, 1))(L.Subtract()([y, L.PReLU(shared_axes=[1])(y)])))


def options(name: str, **fields):
    made = getattr(schema, f"{name}OptionsT")()
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def tensor(shape, dtype="FLOAT32", data=None, **fields) -> dict:
    if dtype in ("INT8", "INT16"):
        fields.setdefault("scales", 1)
    return {"name": "", "shape": shape, "dtype": dtype, "data": data, **fields}


def product(dtype: str, left: bool, right: bool) -> tuple:
    shapes = [(2, 6, 3) if left else (2, 3, 6), (2, 5, 6) if right else (2, 6, 5), (2, 3, 5)]
    given = options("BatchMatMul", adjX=left, adjY=right)
    tensors = [tensor(shape, dtype) for shape in shapes]
    return tensors, [("BATCH_MATMUL", [0, 1], [2], given)], [0, 1], [2]


def convolution(weights: str, activations: str, bias: str) -> tuple:
    # Values of 4 bits lie in the file by twos.
    data = np.zeros(24 if weights == "INT4" else 48, np.int8)
    tensors = [
        tensor((1, 4, 4, 8), activations),
        tensor((6, 1, 1, 8), weights, data, scales=6),
        tensor((6,), bias, np.zeros(6, bias.lower()), scales=6),
        tensor((1, 4, 4, 6), activations),
    ]
    given = options("Conv2D", strideW=1, strideH=1)
    return tensors, [("CONV_2D", [0, 1, 2], [3], given)], [0], [3]


def filters() -> tuple:
    shapes = [(1, 8), (4, 8), (4, 10), (4,), (1, 40), (1, 4)]
    tensors = [
        tensor(shape, data=np.zeros(shape, np.float32) if 1 <= i <= 3 else None, isVariable=i == 4)
        for i, shape in enumerate(shapes)
    ]
    return tensors, [("SVDF", range(5), [5], options("SVDF", rank=1))], [0], [5]


def padding() -> tuple:
    amounts = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    tensors = [tensor((1, 4, 4, 8)), tensor((4, 2), "INT32", amounts), tensor((1, 6, 6, 8))]
    return tensors, [("MIRROR_PAD", [0, 1], [2], options("MirrorPad"))], [0], [2]


def total(dtype: str) -> tuple:
    tensors = [tensor((1, 9), dtype) for _ in range(4)]
    return tensors, [("ADD_N", [0, 1, 2], [3])], [0, 1, 2], [3]


@needs_micro
@pytest.mark.parametrize(
    "graph",
    [
        product("INT8", left=False, right=False),
        product("FLOAT32", left=True, right=True),
        convolution("INT4", "INT8", "INT32"),
        convolution("INT8", "INT16", "INT64"),
        filters(),
        padding(),
        total("INT8"),
        total("FLOAT32"),
    ],
    ids=lambda graph: graph[1][0][0],
)
def test_what_kernels_ask_for(make_tflite, graph):
    data = make_tflite(graph)
    p, real = profile_tflite(data), measure_arena(data)
    assert (p.arena_head, p.arena_tail) == (real.head, real.tail)
