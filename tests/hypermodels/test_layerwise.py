from collections import Counter

import keras_tuner
import pytest

import kerasnas as kn
from kerasnas.hypermodels import FixedHyperParameters


def test_layerwise_decides_every_block_on_its_own():
    space = kn.LayerwiseHyperModel((16, 16, 1), 10)
    declared = keras_tuner.HyperParameters()
    space.declare(declared)
    names = {p.name for p in declared.space}
    for decision in ("kernel", "expansion", "filters", "activation", "normalization", "skip"):
        assert {f"stage_1/block_{i}/{decision}" for i in range(3)} <= names
    assert {"stage_1/depth", "stage_1/downsample", "stage_1/block_2"} <= names


def test_two_layerwise_settings_never_build_the_same_network(every_setting):
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
    found = every_setting(space)
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


def test_layers_are_named_by_their_place(rng, random_values):
    space = kn.LayerwiseHyperModel((8, 8, 1), 3)
    for hp in random_values(space, 3, rng):
        first, second = space.build(hp), space.build(hp)
        assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
        assert any(layer.name.startswith("stage_0_block_0_") for layer in first.layers)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"input_shape": (8,)}, "input_shape"),
        ({"strides": (1,)}, "strides"),
        ({"stages": ()}, "stages"),
        ({"blocks": (0, 2)}, "blocks"),
        ({"blocks": (3, 2)}, "blocks"),
        ({"blocks": (1,)}, "blocks"),
        ({"blocks": 2}, "blocks"),
        ({"operations": ("zero", "conv")}, "zero"),
        ({"operations": ("conf",)}, "conf"),
        ({"operations": ("conv", "dense")}, "dense"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        kn.LayerwiseHyperModel(**{"input_shape": (8, 8, 1), "num_classes": 3, **arguments})
