import keras
import pytest
from keras import layers

import kerasnas as kn
from kerasnas.hardware import arena


def test_a_convolutional_network_by_hand():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", name="conv"),
            layers.BatchNormalization(name="bn"),
            layers.ReLU(name="relu"),
            layers.DepthwiseConv2D(3, strides=2, padding="same", name="depthwise"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(10, name="dense"),
        ]
    )
    p = kn.profile(model)
    by_name = {layer.name: layer for layer in p.layers}
    assert by_name["conv"].macs == 8 * 8 * 3 * 3 * 3 * 4
    assert by_name["depthwise"].macs == 4 * 4 * 3 * 3 * 4
    assert by_name["dense"].macs == 4 * 10
    assert p.macs == sum(layer.macs for layer in p.layers) == 6912 + 576 + 40
    assert p.params == model.count_params() == (108 + 4) + 16 + (36 + 4) + 50
    # Alive at once: the input (192 bytes) and the first convolution (256); then 256 and 64.
    assert p.arena_head == 192 + 256
    assert p.ram_bytes == p.arena_head + p.arena_tail
    # Folded layers add nothing to the file, and float weights are four times as large.
    assert by_name["bn"].flash_bytes == by_name["relu"].flash_bytes == 0
    assert by_name["conv"].flash_bytes > 108 + 4 * 4
    assert kn.profile(model, "float32").arena_head == 4 * (192 + 256)
    assert kn.profile(model, "float32").flash_bytes > 4 * model.count_params()


def test_work_is_told_apart_by_the_kind_of_operator():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.Conv2D(4, 1),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    assert kn.profile(model).work == {
        "CONV_2D": (2, 64 * (27 * 4 + 4 * 4), 2 * 64 * 4),
        "DEPTHWISE_CONV_2D": (1, 64 * 9 * 4, 64 * 4),
        "MAX_POOL_2D": (1, 0, 64),
        "RESHAPE": (1, 0, 64),
        "FULLY_CONNECTED": (1, 640, 10),
    }


def test_a_skip_is_kept_until_it_is_added():
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    y = layers.Conv2D(8, 1)(x)
    y = layers.Conv2D(4, 1)(y)
    model = keras.Model(inputs, layers.Add()([x, y]))
    # x (256 bytes) waits while y is widened to 512 and narrowed to 256.
    assert kn.profile(model).arena_head == 256 + 512 + 256


def test_separable_convolution_counts_both_halves():
    model = keras.Sequential(
        [keras.Input((6, 6, 4)), layers.SeparableConv2D(8, 3, padding="same", name="s")]
    )
    p = kn.profile(model)
    assert p.macs == 6 * 6 * (3 * 3 * 4 + 4 * 8)
    assert p.params == model.count_params()


def test_what_is_not_a_keras_model_is_refused():
    with pytest.raises(TypeError, match="Keras 3 model"):
        kn.profile("model")


def test_an_unknown_dtype_is_refused():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="int3"):
        kn.profile(model, "int3")


def test_the_memory_of_a_chain_is_planned_once(monkeypatch):
    planned = []

    def plan(buffers, plan=arena.plan):
        planned.append(len(buffers))
        return plan(buffers)

    monkeypatch.setattr(arena, "plan", plan)
    chain = [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)]
    found = kn.profile(keras.Sequential([keras.Input((8, 8, 1)), *chain]))
    assert len(planned) == 1
    assert found.arena_head == found.arena_head_reordered


@pytest.mark.parametrize("dtype", ["int3", ["int8"], None])
def test_a_dtype_that_is_none(dtype):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="dtype"):
        kn.profile(model, dtype)
