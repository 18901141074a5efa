"""How much signal a network passes on."""

import keras
import numpy as np
import pytest

from kerasnas.oracles import proxies


def test_synflow_is_the_sum_of_weight_times_gradient(mlp):
    model = mlp(keras.layers.Dense(4, use_bias=False), keras.layers.Dense(2, use_bias=False))
    first, second = (np.abs(w) for w in model.get_weights())
    # Each path holds two weights, and each of them counts it once.
    paths = (np.ones(3) @ first @ second).sum()
    assert proxies.score("synflow", model) == pytest.approx(np.log(2 * paths), rel=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.BatchNormalization(),
        keras.layers.LayerNormalization(),
        keras.layers.Rescaling(1 / 127.5, offset=-1),
        keras.layers.ReLU(max_value=6.0),
        keras.layers.Activation("tanh"),
        keras.layers.Softmax(),
        keras.layers.Dropout(0.9),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_synflow_goes_through_what_would_cut_or_shift_the_signal(mlp, layer):
    weight = keras.initializers.Constant(-7.0)
    plain = mlp(keras.layers.Dense(4, kernel_initializer=weight), keras.layers.Dense(2))
    passed = mlp(plain.layers[0], layer, plain.layers[1])
    assert proxies.score("synflow", passed) == pytest.approx(proxies.score("synflow", plain))


def test_synflow_of_a_softmax_head_is_that_of_its_logits(mlp):
    head = keras.layers.Dense(4, activation="softmax")
    fused = mlp(keras.layers.Dense(5, activation="relu6"), head)
    linear = mlp(keras.layers.Dense(5), keras.layers.Dense(4))
    linear.set_weights(fused.get_weights())
    assert proxies.score("synflow", fused) == pytest.approx(proxies.score("synflow", linear))
    assert head.activation is keras.activations.softmax
    assert head.dtype_policy.name == "float32"


def test_synflow_of_a_deep_network_does_not_overflow(mlp):
    weight = keras.initializers.Constant(1e10)
    layers = [keras.layers.Dense(1, use_bias=False, kernel_initializer=weight) for _ in range(9)]
    expected = np.log(9) + 90 * np.log(10)
    assert proxies.score("synflow", mlp(*layers, inputs=1)) == pytest.approx(expected)


def test_synflow_of_a_network_that_nothing_passes_is_minus_infinity(mlp):
    assert proxies.score("synflow", mlp(keras.layers.Dense(1, kernel_initializer="zeros"))) == (
        -np.inf
    )


def test_synflow_reads_nested_models_and_several_inputs_and_outputs(mlp):
    inner = mlp(keras.layers.Dense(4, use_bias=False), keras.layers.ReLU())
    left, right = keras.Input((3,)), keras.Input((3,))
    both = keras.layers.Concatenate()([inner(left), inner(right)])
    ends = [keras.layers.Dense(2, use_bias=False)(both) for _ in range(2)]
    model = keras.Model([left, right], ends)
    shared, *heads = (np.abs(w) for w in model.get_weights())
    paths = sum((np.tile(np.ones(3) @ shared, 2) @ head).sum() for head in heads)
    assert proxies.score("synflow", model) == pytest.approx(np.log(2 * paths), rel=1e-6)


def test_synflow_takes_words():
    layers = [keras.layers.Embedding(5, 4), keras.layers.Flatten(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,), dtype="int32"), *layers])
    assert np.isfinite(proxies.score("synflow", model))
