"""The layer-level and the cell-level space."""

from collections import Counter, defaultdict

import keras_tuner
import pytest

import kerasnas as kn
from kerasnas.hypermodels import NAS_BENCH_201, FixedHyperParameters


def settings(space):
    """Every setting of a small space."""
    declared = keras_tuner.HyperParameters()
    space.declare(declared)
    found = [{}]
    for p in declared.space:
        grown = []
        for values in found:
            if all(c.is_active(values) for c in p.conditions):
                assert p.name not in values, "a name is active twice"
                grown += [{**values, p.name: v} for v in p.values]
            else:
                grown.append(values)
        found = grown
    return found


def test_layerwise_decides_every_block_on_its_own():
    space = kn.LayerwiseHyperModel((16, 16, 1), 10)
    declared = keras_tuner.HyperParameters()
    space.declare(declared)
    names = {p.name for p in declared.space}
    for decision in ("kernel", "expansion", "filters", "activation", "normalization", "skip"):
        assert {f"stage_1/block_{i}/{decision}" for i in range(3)} <= names
    assert {"stage_1/depth", "stage_1/downsample", "stage_1/block_2"} <= names


def test_two_layerwise_settings_never_build_the_same_network():
    space = kn.LayerwiseHyperModel(
        (8, 8, 1),
        3,
        stages=[(4, 6), (8,)],
        strides=(1, 2),
        blocks=(1, 2),
        operations=("conv3x3", "mbconv3x3_e3"),
        activation=("relu",),
        normalization=("batch",),
        skip=("none", "add"),
    )
    found = settings(space)
    networks = Counter(space.sketch(FixedHyperParameters(values)).fingerprint() for values in found)
    assert len(found) > 1000
    assert len(networks) == len(found)


def test_subsampling_has_a_place():
    space = kn.LayerwiseHyperModel((8, 8, 1), 3, stages=[(4,)], strides=(2,), blocks=(2, 2))
    for place, size in (("first", 4), ("last", 8)):
        hp = keras_tuner.HyperParameters()
        hp.values = {"stage_0/downsample": place}
        graph = space.sketch(FixedHyperParameters(hp.values))
        shapes = {node.name: node.shape for node in graph.nodes}
        assert shapes["stage_0_block_0_conv"][0] == size
        assert shapes["stage_0_block_1_conv"][0] == 4


def test_the_cell_of_nas_bench_201_without_its_idle_edges():
    space = kn.CellHyperModel((8, 8, 1), 3, stages=1, filters=2)
    found = settings(space)
    # 15,625 cells, less those that are cut off and those that differ in an idle edge only.
    assert len(found) == 9444
    kinds = {name for values in found for name in values}
    assert kinds == {f"cell/edge_{i}_{j}" for j in range(1, 4) for i in range(j)}
    assert {code for values in found for code in values.values()} == set(NAS_BENCH_201)


@pytest.mark.parametrize("nodes", [2, 3, 4])
def test_two_cells_without_identity_never_are_the_same(nodes):
    space = kn.CellHyperModel(
        (8, 8, 1), 3, nodes=nodes, stages=1, filters=2, operations=("zero", "conv1x1", "conv3x3")
    )
    found = settings(space)
    alike = defaultdict(list)
    for values in found:
        alike[space.sketch(FixedHyperParameters(values)).fingerprint()].append(values)
    for group in alike.values():
        # Two middle nodes that do not touch may change places: a mirror image, and nothing else.
        apart = all(values.get("cell/edge_1_2", "zero") == "zero" for values in group)
        assert len(group) == 1 or (len(group) == 2 and nodes == 4 and apart)
    assert (len(alike) == len(found)) == (nodes < 4)


def test_a_cell_of_five_nodes_is_never_cut_off():
    space = kn.CellHyperModel(
        (8, 8, 1), 3, nodes=5, stages=1, filters=2, operations=("zero", "conv1x1")
    )
    for values in settings(space):
        graph = space.sketch(FixedHyperParameters(values))
        assert len(graph.live()) == len(graph.nodes), "an operation that nothing reads"
        assert any(n.kind == "Conv2D" and "cell_0" in n.name for n in graph.nodes)


def test_cells_are_stacked_with_reductions_between():
    space = kn.CellHyperModel((16, 16, 3), 10, cells=2, stages=3, filters=4)
    model = space.build(keras_tuner.HyperParameters())
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    assert shapes["stage_0_cell_1_node_3"] == (16, 16, 4)
    assert shapes["stage_2_cell_1_node_3"] == (4, 4, 16)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: kn.CellHyperModel((8, 8, 1), 3, nodes=6), "nodes"),
        (lambda: kn.CellHyperModel((8, 8, 1), 3, operations=("zero",)), "operations"),
        (lambda: kn.CellHyperModel((8, 8, 1), 3, operations=("zap",)), "zap"),
        (lambda: kn.CellHyperModel((8,), 3), "input_shape"),
        (lambda: kn.CellHyperModel((8, 8, 1), 3, stages=0), "stages"),
        (lambda: kn.LayerwiseHyperModel((8,), 3), "input_shape"),
        (lambda: kn.LayerwiseHyperModel((8, 8, 1), 3, strides=(1,)), "strides"),
        (lambda: kn.LayerwiseHyperModel((8, 8, 1), 3, blocks=(0, 2)), "blocks"),
        (lambda: kn.LayerwiseHyperModel((8, 8, 1), 3, operations=("zero", "conv")), "zero"),
        (lambda: kn.LayerwiseHyperModel((8, 8, 1), 3, operations=("conf",)), "conf"),
        (lambda: kn.LayerwiseHyperModel((8, 8, 1), 3, operations=("conv", "dense")), "dense"),
        (lambda: kn.CellHyperModel((8, 8, 1), 3, operations=("conv3x3", "dense")), "dense"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
