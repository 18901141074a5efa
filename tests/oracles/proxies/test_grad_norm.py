"""The size of a network's first step."""

import keras
import numpy as np
import pytest

from kerasnas.oracles import proxies


def test_grad_norm_is_that_of_numpy(mlp, rng):
    model = mlp(keras.layers.Dense(2), loss="mse", optimizer="sgd")
    x, y = rng.normal(size=(5, 3)).astype("float32"), rng.normal(size=(5, 2)).astype("float32")
    weight, bias = model.get_weights()
    error = 2 * (x @ weight + bias - y) / y.size
    expected = np.linalg.norm(x.T @ error) + np.linalg.norm(error.sum(axis=0))
    assert proxies.score("grad_norm", model, x, y) == pytest.approx(expected, rel=1e-5)


def test_grad_norm_with_several_inputs_and_outputs(rng):
    left, right = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    both = keras.layers.Concatenate()([left, right])
    ends = {name: keras.layers.Dense(1, name=name)(both) for name in ("first", "second")}
    model = keras.Model({"left": left, "right": right}, ends)
    model.compile("sgd", {"first": "mse", "second": "mae"})
    x = {"left": rng.normal(size=(4, 3)), "right": rng.normal(size=(4, 3))}
    y = {"first": np.ones((4, 1)), "second": np.ones((4, 1))}
    assert proxies.score("grad_norm", model, x, y) > 0
    with pytest.raises(ValueError, match=r"one array for each input.*\['left', 'right'\]"):
        proxies.score("grad_norm", model, {"left": x["left"]}, y)
