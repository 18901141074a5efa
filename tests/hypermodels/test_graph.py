"""The free-topology space."""

import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hardware import keras_graph
from kerasnas.hypermodels import FixedHyperParameters
from kerasnas.hypermodels.graph import GraphHyperModel, GraphNames, connections, find_graphs
from kerasnas.oracles import genome

NAMES = GraphNames("graph", 8)


@pytest.fixture(scope="module")
def space():
    return GraphHyperModel((8, 8, 1), 3, stages=2, filters=4)


def graph_of(space, values):
    return space.sketch(FixedHyperParameters(values))


def layer_names(space, values):
    return {node.name for node in graph_of(space, values).nodes}


def test_the_defaults_are_the_smallest_network(declared, space):
    model = space.build(keras_tuner.HyperParameters())
    names = [layer.name for layer in model.layers]
    assert names[1:6] == [
        *("stem_conv", "stem_bn"),
        *("reduction_1_relu", "reduction_1_conv", "reduction_1_bn"),
    ]
    assert not any("node" in name for name in names)
    hp = declared(space)
    rng = np.random.default_rng(0)
    smallest = graph_of(space, genome.settle(hp, {})).nodes
    assert all(len(graph_of(space, genome.sample(hp, rng)).nodes) >= len(smallest) for _ in "123")


def test_what_is_declared(declared, space):
    hp = declared(space)
    names = {p.name for p in hp.space}
    assert {f"graph/node_{p}" for p in range(1, 8)} <= names
    assert len([name for name in names if "edge" in name]) == 36
    assert len(names) == len(hp.space) == 43
    settled = genome.settle(hp, {"graph/node_4": "conv3x3"})
    assert {name for name in settled if "edge" in name} == {
        *("graph/edge_0_4", "graph/edge_0_8", "graph/edge_4_8")
    }
    # It lies beside the direct connection unless told.
    assert NAMES.connections(settled) == [(0, 4), (0, 8), (4, 8)]
    found = keras_tuner.HyperParameters()
    space.build(found)
    assert {p.name for p in found.space} == names


@pytest.mark.parametrize(
    "make",
    [
        lambda: GraphHyperModel((8, 8, 1), 3, filters=4),
        lambda: GraphHyperModel(
            *((9, 7, 2), 3), depth=2, stages=3, shared=False, filters=(3, 4),
            operations=("conv", "dwconv5x5", "mbconv3x3_e3", "avgpool", "dropout", "identity"),
        ),
        lambda: GraphHyperModel((5,), 2, depth=4),
        lambda: GraphHyperModel((5,), 1, depth=1, stages=1, operations=("dense", "dropout_r0.3")),
    ],
)  # fmt: skip
def test_every_setting_builds_what_was_sketched(declared, make, rng):
    space = make()
    hp = declared(space)
    for _ in range(8):
        values = genome.sample(hp, rng)
        one = hp.copy()
        one.values = dict(values)
        model = space.build(one)
        sketched = graph_of(space, values)
        assert sketched.fingerprint() == keras_graph(model).fingerprint()
        assert sum(node.params for node in sketched.nodes) == model.count_params()
        # Nothing is built that the output does not depend on.
        assert len(sketched.live()) == len(sketched.nodes)


def test_what_leads_nowhere_is_not_built(declared, space):
    chain = {
        **{"graph/node_4": "conv3x3", "graph/edge_0_4": True, "graph/edge_4_8": True},
        "graph/edge_0_8": False,
    }
    # Node 2 has no way in, node 6 no way out, and node 1 leads to node 6 only.
    dangling = {
        **{"graph/node_1": "conv3x3", "graph/node_2": "conv3x3", "graph/node_6": "conv3x3"},
        **{"graph/edge_0_1": True, "graph/edge_0_2": False, "graph/edge_0_6": True},
        **{"graph/edge_1_6": True, "graph/edge_2_4": True, "graph/edge_2_8": True},
        **{"graph/edge_1_8": False, "graph/edge_6_8": False},
    }
    hp = declared(space)
    plain, more = (genome.complete(hp, values) for values in (chain, {**chain, **dangling}))
    assert graph_of(space, plain).fingerprint() == graph_of(space, more).fingerprint()
    assert {n for n in layer_names(space, more) if "node" in n} == {
        f"stage_{s}_node_4_{part}" for s in (0, 1) for part in ("relu", "conv", "bn")
    }


def test_without_a_way_the_input_is_the_output(declared, space):
    hp = declared(space)
    cut = genome.complete(
        hp, {"graph/node_4": "conv3x3", "graph/edge_0_4": False, "graph/edge_0_8": False}
    )
    smallest = graph_of(space, genome.settle(hp, {})).fingerprint()
    assert graph_of(space, cut).fingerprint() == smallest
    assert connections({1, 3}, [(0, 1), (1, 3), (2, 4)], last=4) == [(0, 4)]


def test_a_node_adds_up_what_arrives(declared, space):
    values = genome.complete(
        declared(space), {"graph/node_2": "identity", "graph/node_6": "conv3x3"}
    )
    values |= {"graph/edge_2_6": True}
    sums = [n for n in graph_of(space, values).nodes if n.kind == "Add"]
    assert [n.name for n in sums[:2]] == ["stage_0_node_6_sum", "stage_0_node_8_sum"]
    assert [len(n.inputs) for n in sums[:2]] == [2, 3]


def test_stages_share_a_graph_or_have_their_own(declared):
    apart = GraphHyperModel((8, 8, 1), 3, depth=1, stages=2, shared=False, filters=4)
    assert find_graphs(p.name for p in declared(apart).space) == [
        *(GraphNames("graph_0", 2), GraphNames("graph_1", 2))
    ]
    names = layer_names(apart, {"graph_1/node_1": "conv3x3"})
    assert "stage_1_node_1_conv" in names
    assert not any(name.startswith("stage_0") for name in names)
    together = GraphHyperModel((8, 8, 1), 3, depth=1, stages=2, filters=4)
    names = layer_names(together, {"graph/node_1": "conv3x3"})
    assert {"stage_0_node_1_conv", "stage_1_node_1_conv"} <= names


def test_a_split_puts_a_node_in_the_middle_and_keeps_all_names(declared, space):
    hp = declared(space)
    values = genome.settle(hp, {})
    for expected in (4, 6, 7):
        start, end = NAMES.connections(values)[-1]
        node, edges = NAMES.split(values, start, end)
        assert node == f"graph/node_{expected}"
        grown = genome.complete(hp, {**values, **edges, node: "conv3x3"})
        assert (start, end) not in NAMES.connections(grown)
        assert {(start, expected), (expected, end)} <= set(NAMES.connections(grown))
        kept = {name for name, value in values.items() if grown[name] != value}
        assert kept == {node, NAMES.edge(start, end)}
        values = grown
    assert NAMES.connections(values) == [(0, 4), (4, 6), (6, 7), (7, 8)]
    assert NAMES.split(values, 6, 7) is None
    # Position 4 is taken, so a second branch stands beside it.
    assert NAMES.split(values, 0, 8)[0] == "graph/node_3"


def test_taking_a_node_out_undoes_its_split(declared, space):
    hp = declared(space)
    smallest = genome.settle(hp, {})
    node, edges = NAMES.split(smallest, 0, 8)
    grown = genome.complete(hp, {**smallest, **edges, node: "conv3x3"})
    node, joined = NAMES.bridge(grown, 4)
    assert genome.settle(hp, {**grown, **joined, node: "zero"}) == smallest


def test_only_graphs_are_taken_for_graphs(declared):
    cell = kn.CellHyperModel((8, 8, 1), 3)
    layerwise = kn.LayerwiseHyperModel((8, 8, 1), 3)
    for space in (cell, layerwise):
        assert find_graphs(p.name for p in declared(space).space) == []
    assert find_graphs(["a/node_1", "a/node_2", "a/edge_0_1", "a/edge_1_2"]) == []
    assert find_graphs(["node_1", "edge_0_1", "edge_0_2", "edge_1_2"]) == []


def test_a_network_can_be_exported(declared, space):
    values = {
        **{"graph/node_2": "sepconv3x3", "graph/node_4": "maxpool3x3", "graph/node_6": "identity"},
        **{"graph/edge_2_4": True, "graph/edge_2_6": True, "graph/edge_4_6": True},
    }
    hp = declared(space)
    hp.values = genome.complete(hp, values)
    model = space.build(hp)
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    out = kn.export.Interpreter(kn.export.to_tflite(model)).predict(x)
    np.testing.assert_allclose(out, model.predict(x, verbose=0), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"input_shape": (8, 8)}, "input_shape"),
        ({"depth": 0}, "depth"),
        ({"depth": 5}, "depth"),
        ({"stages": 0}, "stages"),
        ({"operations": ()}, "operations"),
        ({"operations": ("conv3x3", "zero")}, "zero"),
        ({"operations": ("dense",)}, "dense"),
        ({"operations": ("zap",)}, "zap"),
        ({"input_shape": (8,), "operations": ("conv3x3",)}, "conv"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        GraphHyperModel(**{"input_shape": (8, 8, 1), "num_classes": 3, **arguments})


@pytest.mark.parametrize(
    "argument",
    [{"depth": 2.5}, {"depth": "2"}, {"stages": 1.5}, {"filters": 0}, {"filters": []}],
)
def test_numbers_that_are_not_whole_or_not_positive(argument):
    with pytest.raises(ValueError, match=f"`{next(iter(argument))}` must be"):
        GraphHyperModel((8, 8, 1), 3, **argument)
