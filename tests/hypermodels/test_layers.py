import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.hardware import Sketch, keras_graph
from kerasnas.hypermodels import layers

# By name: the function, and what its settings may be.
WINDOWED = {
    "conv": {
        "filters": (1, 5),
        "kernel_size": (1, 3),
        "strides": (1, 2),
        "use_bias": (True, False),
    },
    "depthwise_conv": {"kernel_size": (1, 3), "strides": (1, 2), "use_bias": (True, False)},
    "max_pooling": {"pool_size": (1, 3), "strides": (1, 2)},
    "average_pooling": {"pool_size": (2, 3), "strides": (1, 2)},
    "global_average_pooling": {"keepdims": (True, False)},
}
ANY_SHAPE = {
    "dense": {"units": (1, 5), "use_bias": (True, False)},
    "normalize": {"normalization": ("batch",)},
    "activate": {"function": ("relu", "relu6", "hard_silu", "softmax")},
    "flatten": {},
    "dropout": {"rate": (0.1, 0.5)},
}


@st.composite
def calls(draw):
    """A function of the module, the shape that it is called with, and its settings."""
    rank = draw(st.integers(1, 3))
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=rank, max_size=rank)))
    choices = ANY_SHAPE if rank == 1 else {**WINDOWED, **ANY_SHAPE}
    function = draw(st.sampled_from(sorted(choices)))
    given = {key: draw(st.sampled_from(values)) for key, values in choices[function].items()}
    return getattr(layers, function), shape, given


def sketch_and_build(shape, function):
    """The graphs of what a function makes of a sketch and of a Keras tensor."""
    drawn = function(Sketch.input(shape))
    drawn.graph.outputs = (drawn.index,)
    inputs = keras.Input(shape, name="input")
    built = function(inputs)
    assert layers.shape_of(drawn) == layers.shape_of(built)
    return drawn.graph, keras_graph(keras.Model(inputs, built))


@settings(max_examples=60, deadline=None)
@given(calls())
def test_a_sketch_records_what_a_build_makes(call):
    function, shape, given = call
    drawn, built = sketch_and_build(shape, lambda x: function(x, name="layer", **given))
    assert drawn.fingerprint() == built.fingerprint()
    assert [node.name for node in drawn.nodes] == [node.name for node in built.nodes]
    assert [node.params for node in drawn.nodes] == [node.params for node in built.nodes]


@pytest.mark.parametrize("join", ["add", "multiply", "concatenate"])
@pytest.mark.parametrize("shape", [(5, 3), (4, 4, 3), (3,)])
def test_a_join_of_two_branches(join, shape):
    def joined(x):
        other = layers.activate(x, "relu", name="relu")
        if join == "multiply":
            return layers.multiply(x, other, name="joined")
        return getattr(layers, join)([x, other], name="joined")

    drawn, built = sketch_and_build(shape, joined)
    assert drawn.fingerprint() == built.fingerprint()


@pytest.mark.parametrize("x", [keras.Input((4, 4, 3)), Sketch.input((4, 4, 3))])
def test_what_has_nothing_to_do_makes_no_layer(x):
    assert layers.add([x], name="sum") is x
    assert layers.concatenate([x], name="joined") is x
    assert layers.normalize(x, "none", name="bn") is x
    assert layers.activate(x, "none", name="act") is x
    assert layers.activate(x, "linear", name="act") is x


def test_the_statistics_of_a_normalization_settle_within_an_epoch():
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, layers.normalize(inputs, "batch", name="bn"))
    assert model.get_layer("bn").momentum == layers.MOMENTUM == 0.9
