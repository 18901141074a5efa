"""What the converter folds into an operator or fuses with it."""

from kerasnas.hardware import Sketch
from kerasnas.hardware.lowering import lower


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
