import keras
import pytest
from keras import layers

import kerasnas as kn
from kerasnas.hardware import Graph, arena, cost_rule


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


def test_a_nested_model_costs_what_its_layers_cost():
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(16), layers.Dense(4)])
    inputs = keras.Input((8,))
    nested = keras.Model(inputs, inner(inputs))
    flat = keras.Sequential([keras.Input((8,)), layers.Dense(16), layers.Dense(4)])
    assert kn.profile(nested).macs == kn.profile(flat).macs == 8 * 16 + 16 * 4
    assert kn.profile(nested).params == flat.count_params()


def test_an_unknown_layer_is_named_with_the_way_out():
    class Strange(layers.Layer):
        def call(self, x):
            return x

    model = keras.Sequential([keras.Input((8,)), Strange(name="odd")])
    with pytest.raises(ValueError, match=r"odd.*Strange.*cost_rule"):
        kn.profile(model)


def test_a_registered_rule_makes_a_layer_known():
    class Doubled(layers.Layer):
        def call(self, x):
            return x + x

    @cost_rule("Doubled")
    def doubled(graph: Graph, call, inputs, shape):
        return graph.add("Add", call.operation.name, [*inputs, *inputs], shape)

    model = keras.Sequential([keras.Input((8,)), Doubled(name="twice")])
    assert [layer.kind for layer in kn.profile(model).layers] == ["InputLayer", "Add"]


@pytest.mark.parametrize(
    ("shape", "unknown", "fix"),
    [
        ((None, None, 3), "(None, None, None, 3): dimensions 1 and 2 are", "(height, width, 3)"),
        ((32, None, 3), "(None, 32, None, 3): dimension 2 is", "(32, width, 3)"),
        ((None, 8), "(None, None, 8): dimension 1 is", "(steps, 8)"),
        ((None,), "(None, None): dimension 1 is", "(size_1,)"),
    ],
)
def test_an_unknown_dimension_is_named_with_the_way_out(shape, unknown, fix):
    inputs = keras.Input(shape, name="image")
    model = keras.Model(inputs, layers.Rescaling(0.5)(inputs))
    with pytest.raises(ValueError, match="unknown") as error:
        kn.profile(model)
    assert f"Layer 'image' has the shape {unknown} unknown" in str(error.value)
    assert f"x = keras.Input({fix})" in str(error.value)


def test_the_way_out_of_an_unknown_dimension_works():
    open_size = keras.Sequential(
        [keras.Input((None, None, 3)), layers.Conv2D(4, 3), layers.GlobalMaxPooling2D()]
    )
    x = keras.Input((8, 8, 3))
    assert kn.profile(keras.Model(x, open_size(x))).macs == 6 * 6 * 27 * 4


def test_a_layer_that_leaves_a_dimension_open_itself_is_named():
    class Ragged(layers.Layer):
        def call(self, x):
            return x

        def compute_output_shape(self, shape):
            return (shape[0], None)

    cost_rule("Ragged")(lambda graph, call, inputs, shape: 0)
    inputs = keras.Input((8,))
    with pytest.raises(ValueError, match=r"'ragged'.*dimension 1 is unknown.*Ragged itself"):
        kn.profile(keras.Model(inputs, Ragged(name="ragged")(inputs)))


def test_a_layer_of_two_outputs_is_named():
    class Twice(layers.Layer):
        def call(self, x):
            return x, x

    cost_rule("Twice")(lambda graph, call, inputs, shape: 0)
    inputs = keras.Input((8,))
    with pytest.raises(ValueError, match="'twice' of class Twice has 2 outputs"):
        kn.profile(keras.Model(inputs, Twice(name="twice")(inputs)))


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
