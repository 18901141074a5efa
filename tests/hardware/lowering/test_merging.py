"""Layers that the converter joins or keeps once, against the file."""

import pytest
from keras import layers, ops

from kerasnas.hardware import Sketch
from kerasnas.hardware.lowering import lower

IMAGE = (8, 8, 4)


def act(name):
    return layers.Activation(name)


def several(x, *readers):
    """One output of several layers that read the same."""
    return layers.Concatenate()([read(x) for read in readers])


def hard_silu(x):
    return x * (ops.relu6(x + 3.0) / 6.0)


# x * relu6(x + 3) / 6 is one operator however it is written; what is only like it is not.
HARD_SILU = [
    (IMAGE, act("hard_silu")),
    (IMAGE, lambda x: x * (layers.ReLU(6.0)(x + 3.0) * (1 / 6))),
    (IMAGE, lambda x: layers.Multiply()([ops.relu6(layers.Conv2D(4, 1)(x) + 3.0) / 6.0, x])),
    (IMAGE, lambda x: hard_silu(layers.Conv2D(4, 3)(x))),
    (IMAGE, lambda x: (x * ops.relu6(x + 3.0)) / 6.0),
    (IMAGE, lambda x: x * ops.clip(x + 3.0, 0.0, 6.0) * (1 / 6)),
    (IMAGE, lambda x: layers.Multiply()([ops.hard_sigmoid(x), x])),
    (IMAGE, lambda x: several(ops.hard_sigmoid(x), lambda gate: x * gate, layers.ReLU())),
    (IMAGE, lambda x: several(x * ops.relu6(x + 3.0), lambda y: y / 6.0, layers.ReLU())),
    (IMAGE, lambda x: x * ops.relu6(x + 3.0)),
    (IMAGE, lambda x: x * (ops.relu6(x + 2.0) / 6.0)),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_hard_silu_cost_what_their_file_costs(dtype, compare_all):
    compare_all(HARD_SILU, dtype)


def kinds(end: Sketch) -> list[str]:
    end.graph.outputs = (end.index,)
    return [operator.kind for operator in lower(end.graph).operators]


def test_the_same_activation_of_one_tensor_runs_once():
    x = Sketch.input((8, 8, 3))
    b = x.activation("relu", name="b_relu").conv2d(4, 3, name="b_conv")
    a = x.activation("relu", name="a_relu").conv2d(4, 1, name="a_conv")
    assert kinds(b.add([a], name="add")) == ["RELU", "CONV_2D", "CONV_2D", "ADD"]


def test_dropout_is_dropped_and_sums_are_taken_two_at_a_time():
    x = Sketch.input((8, 8, 3)).dropout(0.5, name="drop")
    parts = [x.conv2d(3, 3, name=f"c{i}") for i in range(3)]
    assert kinds(parts[0].add(parts[1:], name="add")) == [
        "CONV_2D",
        "CONV_2D",
        "ADD",
        "CONV_2D",
        "ADD",
    ]
