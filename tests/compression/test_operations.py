"""Every operation of the registry can be pruned, trained quantization-aware and exported."""

import keras
import numpy as np

import kerasnas as kn
from kerasnas.hypermodels import NAS_BENCH_201
from kerasnas.hypermodels.operations import parse
from kerasnas.tflite.inspection import float_operators, operators

# Those of every other operation that is registered are added to these.
CODES = [
    *("conv3x3", "sepconv5x5", "dwconv3x3", "mbconv3x3_e3", "dense", "maxpool3x3"),
    *("avgpool3x3", "dropout_r0.3", "flatten", "identity", "mbconvse3x3_e3_r4"),
]


class OneBlock(kn.HyperModel):
    """A stem, a convolution to prune, the block under test with a skip, and a head."""

    code, skip, activation = "conv3x3", "none", "relu"

    def body(self, hp, x):
        x = self.choose(hp, "before", ["conv3x3"], filters=4)(x)
        return self.choose(
            hp, "block", [self.code], filters=6, skip=self.skip, activation=self.activation
        )(x)


def compressed(
    space: kn.HyperModel, values: dict, rng: np.random.Generator
) -> kn.compression.Compressed:
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    keras.utils.set_random_seed(0)
    model = space.build(hp)
    x, y = rng.random((32, *space.input_shape), dtype="float32"), np.arange(32) % 3
    small = kn.compress(
        model,
        [kn.Prune(0.5, epochs=1), kn.Quantize("int8", epochs=1)],
        train_data=(x, y),
        validation_data=(x, y),
    )
    assert small.predict(x).shape == (32, 3)
    return small


def test_every_operation(code, rng):
    space = OneBlock((8, 8, 1), 3, stem_filters=4)
    space.code = code
    # A skip and relu6 go along where the operation heeds them.
    if "skip" in parse(code)[0].decisions:
        space.skip, space.activation = "add", "relu6"
    small = compressed(space, {}, rng)
    assert float_operators(small.tflite) == []
    assert small.report[-1]["method"] == "quantization-aware"
    assert small.report[-1]["sparsity"] > 0.4


def test_operations_on_a_sequence(rng):
    space = OneBlock((16, 2), 3, stem_filters=4)
    space.code, space.skip, space.activation = "mbconvse5x5_e3_r4", "add", "hard_silu"
    small = compressed(space, {}, rng)
    assert float_operators(small.tflite) == []
    assert small.report[-1]["sparsity"] > 0.4
    kinds = [op.name for op in operators(small.tflite)]
    assert "HARD_SWISH" in kinds
    assert "CONV_2D" in kinds


def test_concatenation(rng):
    space = OneBlock((8, 8, 1), 3, stem_filters=4)
    space.skip = "concatenate"
    assert float_operators(compressed(space, {}, rng).tflite) == []


def test_a_cell_of_nas_bench_201_with_all_its_operations(rng):
    space = kn.CellHyperModel((8, 8, 1), 3, stages=2, filters=4, operations=NAS_BENCH_201)
    cell = {
        "cell/edge_2_3": "conv3x3",
        "cell/edge_1_3": "avgpool3x3",
        "cell/edge_0_3": "identity",
        "cell/edge_1_2": "conv1x1",
        "cell/edge_0_2": "zero",
        "cell/edge_0_1": "conv3x3",
    }
    small = compressed(space, cell, rng)
    assert float_operators(small.tflite) == []
