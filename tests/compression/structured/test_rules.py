"""How channels pass through each kind of layer."""

import keras

L = keras.layers


ops = keras.ops


def test_dead_channels_go_without_a_trace(topology, build, rng, without_dead_channels):
    inputs = [rng.normal(size=(2, 8, 8, 3)).astype("float32")]
    without_dead_channels(build(topology), inputs)


def test_sequence_with_mask(rng, without_dead_channels):
    x = keras.Input((7,), dtype="int32")
    y = L.Embedding(11, 6, mask_zero=True)(x)
    y = L.GRU(4)(L.Dense(5)(L.Dense(6, "tanh")(y)))
    model = keras.Model(x, L.Dense(2)(y))
    inputs = [rng.integers(0, 3, (4, 7))]
    pruned = without_dead_channels(model, inputs)
    assert pruned.layers[1].output.shape[-1] < 6


def test_line(rng, without_dead_channels):
    x = keras.Input((16, 3))
    y = L.ReLU()(L.BatchNormalization()(L.Conv1D(6, 3, padding="causal")(x)))
    y = L.Add()([y, L.DepthwiseConv1D(3, padding="same")(y)])
    y = L.AveragePooling1D(2)(L.SeparableConv1D(8, 3)(y))
    model = keras.Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(y)))
    without_dead_channels(model, [rng.normal(size=(2, 16, 3)).astype("float32")])
