from collections import defaultdict

import keras_tuner
import pytest

import kerasnas as kn
from kerasnas.hypermodels import NAS_BENCH_201, FixedHyperParameters


def test_the_cell_of_nas_bench_201_without_its_idle_edges(every_setting):
    space = kn.CellHyperModel((8, 8, 1), 3, stages=1, filters=2)
    found = every_setting(space)
    # 15,625 cells, less those that are cut off and those that differ in an idle edge only.
    assert len(found) == 9444
    kinds = {name for values in found for name in values}
    assert kinds == {f"cell/edge_{i}_{j}" for j in range(1, 4) for i in range(j)}
    assert {code for values in found for code in values.values()} == set(NAS_BENCH_201)


@pytest.mark.parametrize("nodes", [2, 3, 4])
def test_two_cells_without_identity_never_are_the_same(every_setting, nodes):
    space = kn.CellHyperModel(
        (8, 8, 1), 3, nodes=nodes, stages=1, filters=2, operations=("zero", "conv1x1", "conv3x3")
    )
    found = every_setting(space)
    alike = defaultdict(list)
    for values in found:
        alike[space.sketch(FixedHyperParameters(values)).fingerprint()].append(values)
    for group in alike.values():
        # Two middle nodes that do not touch may change places: a mirror image, and nothing else.
        apart = all(values.get("cell/edge_1_2", "zero") == "zero" for values in group)
        assert len(group) == 1 or (len(group) == 2 and nodes == 4 and apart)
    assert (len(alike) == len(found)) == (nodes < 4)


def test_a_cell_of_five_nodes_is_never_cut_off(every_setting):
    space = kn.CellHyperModel(
        (8, 8, 1), 3, nodes=5, stages=1, filters=2, operations=("zero", "conv1x1")
    )
    for values in every_setting(space):
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
    ("arguments", "complaint"),
    [
        ({"nodes": 6}, "nodes"),
        ({"operations": ("zero",)}, "operations"),
        ({"operations": ("zap",)}, "zap"),
        ({"operations": ("conv3x3", "conv3x3")}, "different operations"),
        ({"operations": ("conv3x3", "dense")}, "dense"),
        ({"input_shape": (8,)}, "input_shape"),
        ({"stages": 0}, "stages"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        kn.CellHyperModel(**{"input_shape": (8, 8, 1), "num_classes": 3, **arguments})
