"""Activations: what is predicted of them, against the file."""

import pytest
from keras import layers, ops

from kerasnas.hardware import Sketch
from kerasnas.hardware.lowering import lower

IMAGE = (8, 8, 4)
VECTOR = (12,)


def act(name):
    return layers.Activation(name)


ACTIVATIONS = [
    *((IMAGE, act(f)) for f in ("celu", "glu", "hard_shrink", "hard_tanh", "log_sigmoid")),
    *((IMAGE, act(f)) for f in ("soft_shrink", "sparse_plus", "sparse_sigmoid", "squareplus")),
    *((IMAGE, act(f)) for f in ("tanh_shrink", "gelu", "mish", "selu")),
    (IMAGE, lambda x: ops.gelu(x, approximate=True)),
    (IMAGE, lambda x: layers.ReLU(2.0, negative_slope=0.1)(x)),
    (IMAGE, lambda x: layers.ReLU(threshold=0.5)(x)),
    (IMAGE, lambda x: layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(4, 3)(x))),
    (VECTOR, lambda x: layers.PReLU()(layers.Dense(8)(x))),
    ((10, 4), lambda x: layers.PReLU(shared_axes=[1])(layers.Conv1D(4, 3)(x))),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_activations_cost_what_their_file_costs(dtype, compare_all):
    compare_all(ACTIVATIONS, dtype)


def kinds(end: Sketch) -> list[str]:
    end.graph.outputs = (end.index,)
    return [operator.kind for operator in lower(end.graph).operators]


def test_an_unknown_activation_is_named():
    x = Sketch.input((8,)).activation("swirl", name="odd")
    with pytest.raises(ValueError, match=r"swirl.*odd"):
        kinds(x)
