import pytest

import kerasnas as kn
from kerasnas.hardware import Sketch
from kerasnas.hardware.lowering import lower
from kerasnas.hypermodels import FixedHyperParameters


def kinds(end: Sketch) -> list[str]:
    end.graph.outputs = (end.index,)
    return [operator.kind for operator in lower(end.graph).operators]


def test_normalization_and_activation_go_into_the_convolution():
    x = Sketch.input((8, 8, 3)).conv2d(4, 3, use_bias=False, name="c")
    x = x.batch_normalization(name="bn").activation("relu6", name="a")
    assert kinds(x.global_average_pooling2d(name="p").dense(10, name="d")) == [
        "CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
    ]


def test_what_two_layers_read_is_not_fused():
    x = Sketch.input((8, 8, 3)).conv2d(3, 3, name="c")
    end = x.activation("relu", name="a").add([x], name="add")
    assert kinds(end) == ["CONV_2D", "RELU", "ADD"]


def test_a_lone_normalization_is_a_product_and_a_sum():
    x = Sketch.input((8, 8, 3))
    x = x.add([x.conv2d(3, 3, name="c")], name="add").batch_normalization(name="bn")
    assert kinds(x.activation("relu", name="a")) == ["CONV_2D", "ADD", "MUL", "ADD"]


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


def test_every_random_network_is_lowered(rng, random_values):
    for space in (
        kn.CellHyperModel((8, 8, 1), 3, nodes=5),
        kn.LayerwiseHyperModel((8, 8, 1), 3),
    ):
        for hp in random_values(space, 60, rng):
            program = lower(space.sketch(FixedHyperParameters(hp.values)))
            written = set(program.inputs)
            for operator in program.operators:
                assert set(operator.reads) <= written, "read before it was written"
                written.add(operator.writes)
            assert set(program.outputs) <= written


def test_an_unknown_activation_is_named():
    x = Sketch.input((8,)).activation("swirl", name="odd")
    with pytest.raises(ValueError, match=r"swirl.*odd"):
        kinds(x)
