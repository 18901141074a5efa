"""How differently an untrained network treats samples."""

import keras
import numpy as np
import pytest

from kerasnas.oracles import proxies


def test_naswot_is_the_log_determinant_of_the_shared_bits(mlp):
    model = mlp(keras.layers.ReLU(), inputs=4)
    x = np.array([[1, 1, 1, 1], [1, 1, 1, -1], [-1, -1, 1, 1]])
    shared = [[4, 3, 2], [3, 4, 1], [2, 1, 4]]
    assert proxies.score("naswot", model, x) == pytest.approx(np.linalg.slogdet(shared)[1])


def test_naswot_ranks_equal_codes_below_distinct_ones(mlp):
    x = np.array([[1, 1, 1], [-1, -1, -1]])
    scores = []
    for bias in (0.0, 99.0):  # The larger one opens every unit for every sample.
        start = keras.initializers.Constant(bias)
        layer = keras.layers.Dense(3, activation="relu", bias_initializer=start)
        scores.append(proxies.score("naswot", mlp(layer), x))
    assert scores[1] == -np.inf < scores[0]


def test_naswot_leaves_out_activations_that_are_positive_everywhere(mlp):
    x = np.array([[1.0, 1.0], [1.0, -1.0]])
    alone = mlp(keras.layers.ReLU(), inputs=2)
    headed = mlp(keras.layers.ReLU(), keras.layers.Softmax(), inputs=2)
    assert proxies.score("naswot", headed, x) == proxies.score("naswot", alone, x)
    with pytest.raises(ValueError, match="the model has none"):
        proxies.score("naswot", mlp(keras.layers.Softmax(), inputs=2), x)
