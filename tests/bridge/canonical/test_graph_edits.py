"""The edits that the rewrites share."""

import keras
import pytest
from keras import layers

from kerasnas.bridge import build, read
from kerasnas.bridge.canonical.graph_edits import (
    alone_between,
    append,
    integers,
    new_layer,
    remove,
    scalars,
)


def network(*inside, shape=(8, 8, 3), dtype="float32"):
    return read(keras.Sequential([keras.Input(shape, dtype=dtype), *inside]))


def kinds(graph):
    return [node.layer.kind for node in graph.nodes]


def test_what_is_only_moved_stays_integers():
    graph = network(layers.MaxPooling2D(), layers.Flatten(), layers.Rescaling(0.5), dtype="int32")
    *moved, scaled = (id(node.output) for node in graph.nodes)
    assert integers(graph) == {*moved}
    assert scaled not in integers(graph)


def test_floats_are_no_integers():
    assert integers(network(layers.Flatten())) == set()


def test_a_layer_that_is_appended_and_removed_leaves_the_network_as_it_was():
    graph = network(layers.Conv2D(4, 3, name="conv"), layers.Flatten())
    conv = graph.nodes[1]
    added = append(graph, conv, new_layer(graph, "after", "ReLU"), conv.output.shape)
    assert kinds(graph) == ["InputLayer", "Conv2D", "ReLU", "Flatten"]
    assert [layer.name for layer in build(graph).layers[1:3]] == ["conv", "after"]
    remove(graph, added)
    assert kinds(graph) == ["InputLayer", "Conv2D", "Flatten"]
    assert build(graph).output_shape == (None, 144)


def test_a_new_layer_has_a_name_that_is_free():
    graph = network(layers.Conv2D(4, 3, name="conv"))
    assert new_layer(graph, "conv", "ReLU").name == "conv_"
    assert new_layer(graph, "relu", "ReLU", max_value=6.0).config == {"max_value": 6.0}


@pytest.mark.parametrize(("activation", "alone"), [("linear", True), ("relu", False)])
def test_a_linear_output_that_one_layer_reads_may_be_folded(activation, alone):
    graph = network(layers.Conv2D(4, 3, activation=activation), layers.BatchNormalization())
    assert alone_between(graph, graph.nodes[1], graph.nodes[2]) == alone


def test_an_output_that_others_read_may_not_be_folded():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3)(x)
    graph = read(keras.Model(x, [layers.BatchNormalization()(y), layers.ReLU()(y)]))
    assert not alone_between(graph, graph.nodes[1], graph.nodes[2])


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (layers.Rescaling(0.5, 2.0), (0.5, 2.0)),
        (layers.Rescaling([0.5, 1.0, 2.0]), (1.0, 0.0)),
        (layers.ReLU(), (1.0, 0.0)),
    ],
)
def test_scale_and_offset_of_one_number_each(layer, found):
    assert scalars(network(layer).nodes[1]) == found
