"""How a Keras model becomes a graph of costs."""

import sys

import keras
import pytest
from keras import layers, ops

import kerasnas as kn
from kerasnas.bridge.layers import LAYERS
from kerasnas.bridge.operations import OPERATIONS
from kerasnas.hardware import Graph, cost_rule
from kerasnas.hardware.keras_graph import RULES, keras_graph
from kerasnas.hardware.without_costs import REASONS

SEQUENCE = (6, 8)


def test_what_the_bridge_takes_has_a_cost_or_a_reason():
    assert {*LAYERS, *OPERATIONS} - set(RULES) <= set(REASONS)


READING_MASKS = [
    layers.LSTM(3, name="it"),
    layers.GlobalAveragePooling1D(name="it"),
    lambda x: layers.Attention(name="it")([x, x]),
    lambda x: layers.MultiHeadAttention(2, 4, name="it")(x, x),
]


@pytest.mark.parametrize("read", READING_MASKS)
def test_who_reads_a_mask_is_named(read):
    x = keras.Input(SEQUENCE)
    with pytest.raises(ValueError, match=r"'it' of class .* reads a mask.*leave the Masking"):
        kn.profile(keras.Model(x, read(layers.Masking()(x))))


def test_a_shared_layer_is_counted_once():
    shared = layers.Dense(8)
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], layers.Subtract()([shared(a), shared(b)]))
    profile = kn.profile(model)
    assert profile.params == model.count_params() == 40
    assert profile.macs == 2 * 32  # It runs twice.
    assert [layer.params for layer in profile.layers if layer.kind == "Dense"] == [40, 0]
    # On one tensor it runs once, and two layers that are alike do not.
    once = keras.Model(a, layers.Add()([shared(a), shared(a)]))
    assert kn.profile(once).macs == 32
    twice = keras.Model(a, layers.Add()([shared(a), layers.Dense(8)(a)]))
    assert kn.profile(twice).macs == 64
    assert keras_graph(once).fingerprint() != keras_graph(twice).fingerprint()


class Dense(layers.Layer):
    """Not Keras's."""

    def call(self, x):
        return x * 2.0


def sine(x):
    return ops.sin(x)


UNKNOWN = [
    (layers.ReLU(2.0, threshold=0.5), "largest value"),
    (layers.ReLU(negative_slope=0.1, threshold=0.5), "threshold"),
    (layers.UpSampling2D(2, interpolation="bicubic"), "bicubic"),
    (layers.Conv2D(2, 1, data_format="channels_first"), "channels_last"),
    (Dense(), "class Dense"),
    (layers.Activation(sine), "sine"),
    (layers.Activation(layers.ReLU(4.0)), "layer of its own"),
]


@pytest.mark.parametrize(("layer", "message"), UNKNOWN)
def test_settings_without_a_rule_are_no_silent_guess(layer, message):
    model = keras.Sequential([keras.Input((6, 6, 2)), layer])
    with pytest.raises(ValueError, match=message):
        kn.profile(model)


def test_a_mask_and_a_bent_lstm_say_what_to_do():
    model = keras.Sequential(
        [keras.Input((5,)), layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3)]
    )
    with pytest.raises(ValueError, match="mask_zero=False"):
        kn.profile(model)
    model = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3, activation="relu")])
    with pytest.raises(ValueError, match="tanh"):
        kn.profile(model)


def test_what_a_cost_rule_must_return(monkeypatch):
    # The package has a function of the module's name.
    monkeypatch.setattr(sys.modules["kerasnas.hardware.keras_graph"], "RULES", {})

    class Odd(layers.Layer):
        def call(self, x):
            return x

    model = keras.Sequential([keras.Input((5,)), Odd()])
    cost_rule("InputLayer")(
        lambda graph, call, inputs, shape: graph.add("InputLayer", "i", (), shape)
    )
    cost_rule("Odd")(lambda graph, call, inputs, shape: None)
    with pytest.raises(ValueError, match=r"Odd.*None"):
        kn.profile(model)
    cost_rule("Odd")(lambda graph, call, inputs, shape: graph.add("Nope", "n", inputs, shape))
    with pytest.raises(ValueError, match=r"Nope.*Dense"):
        kn.profile(model)


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
