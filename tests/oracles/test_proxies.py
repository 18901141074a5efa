"""Zero-cost proxies on networks small enough to compute by hand."""

import json
import os
import random
import subprocess
import sys

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.oracles import proxies
from kerasnas.runtime.session import seeded

DATA_FREE = ("params", "macs", "synflow")


def mlp(*layers, inputs=3, **compile_options):
    model = keras.Sequential([keras.Input((inputs,)), *layers])
    if compile_options:
        model.compile(**compile_options)
    return model


def convolutional():
    inputs = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Add()([x, keras.layers.Conv2D(4, 1)(inputs)])
    x = keras.layers.ReLU(max_value=6.0)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def minibatch(rng, count=8):
    x = rng.normal(size=(count, 6, 6, 1)).astype("float32")
    return x, np.arange(count) % 3


# ------------------------------------------------------------------------------- synflow


def test_synflow_is_the_sum_of_weight_times_gradient():
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
def test_synflow_goes_through_what_would_cut_or_shift_the_signal(layer):
    weight = keras.initializers.Constant(-7.0)
    plain = mlp(keras.layers.Dense(4, kernel_initializer=weight), keras.layers.Dense(2))
    passed = mlp(plain.layers[0], layer, plain.layers[1])
    assert proxies.score("synflow", passed) == pytest.approx(proxies.score("synflow", plain))


def test_synflow_of_a_softmax_head_is_that_of_its_logits():
    head = keras.layers.Dense(4, activation="softmax")
    fused = mlp(keras.layers.Dense(5, activation="relu6"), head)
    linear = mlp(keras.layers.Dense(5), keras.layers.Dense(4))
    linear.set_weights(fused.get_weights())
    assert proxies.score("synflow", fused) == pytest.approx(proxies.score("synflow", linear))
    assert head.activation is keras.activations.softmax
    assert head.dtype_policy.name == "float32"


def test_synflow_of_a_deep_network_does_not_overflow():
    weight = keras.initializers.Constant(1e10)
    layers = [keras.layers.Dense(1, use_bias=False, kernel_initializer=weight) for _ in range(9)]
    expected = np.log(9) + 90 * np.log(10)
    assert proxies.score("synflow", mlp(*layers, inputs=1)) == pytest.approx(expected)


def test_synflow_of_a_network_that_nothing_passes_is_minus_infinity():
    assert proxies.score("synflow", mlp(keras.layers.Dense(1, kernel_initializer="zeros"))) == (
        -np.inf
    )


def test_synflow_reads_nested_models_and_several_inputs_and_outputs():
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


# -------------------------------------------------------------------------------- naswot


def test_naswot_is_the_log_determinant_of_the_shared_bits():
    model = mlp(keras.layers.ReLU(), inputs=4)
    x = np.array([[1, 1, 1, 1], [1, 1, 1, -1], [-1, -1, 1, 1]])
    shared = [[4, 3, 2], [3, 4, 1], [2, 1, 4]]
    assert proxies.score("naswot", model, x) == pytest.approx(np.linalg.slogdet(shared)[1])


def test_naswot_ranks_equal_codes_below_distinct_ones():
    x = np.array([[1, 1, 1], [-1, -1, -1]])
    scores = []
    for bias in (0.0, 99.0):  # The larger one opens every unit for every sample.
        start = keras.initializers.Constant(bias)
        layer = keras.layers.Dense(3, activation="relu", bias_initializer=start)
        scores.append(proxies.score("naswot", mlp(layer), x))
    assert scores[1] == -np.inf < scores[0]


def test_naswot_leaves_out_activations_that_are_positive_everywhere():
    x = np.array([[1.0, 1.0], [1.0, -1.0]])
    alone = mlp(keras.layers.ReLU(), inputs=2)
    headed = mlp(keras.layers.ReLU(), keras.layers.Softmax(), inputs=2)
    assert proxies.score("naswot", headed, x) == proxies.score("naswot", alone, x)
    with pytest.raises(ValueError, match="the model has none"):
        proxies.score("naswot", mlp(keras.layers.Softmax(), inputs=2), x)


# ----------------------------------------------------------------------------- grad_norm


def test_grad_norm_is_that_of_numpy(rng):
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


# ----------------------------------------------------------------------------- all of them


def test_params_and_macs_are_those_of_the_profile():
    model, profile = convolutional(), kn.profile(convolutional())
    assert proxies.score("params", model) == profile.params
    assert proxies.score("macs", model) == profile.macs


@pytest.mark.parametrize("proxy", proxies.PROXIES)
def test_a_score_repeats_and_leaves_everything_as_it_was(proxy, rng):
    model, (x, y) = convolutional(), minibatch(rng)
    weights = [w.copy() for w in model.get_weights()]
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    first = proxies.score(proxy, model, x, y)
    assert np.isfinite(first)
    assert proxies.score(proxy, model, x, y) == first
    assert random.getstate() == python
    np.testing.assert_equal(np.random.get_state(), numpy)  # noqa: NPY002
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}


def test_bad_input():
    model = mlp(keras.layers.Dense(1))
    with pytest.raises(ValueError, match="one of params, macs, naswot, synflow, grad_norm"):
        proxies.score("snip", model)
    with pytest.raises(ValueError, match=r"'naswot' reads a minibatch of x.*Received: x=None"):
        proxies.score("naswot", model)
    with pytest.raises(ValueError, match="Received: y=None"):
        proxies.score("grad_norm", model, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"model\.compile"):
        proxies.score("grad_norm", model, np.ones((2, 3)), np.ones((2, 1)))
    with pytest.raises(TypeError, match="must be a Keras 3 model"):
        proxies.score("synflow", "model")
    sizeless = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="without None"):
        proxies.score("synflow", sizeless)


# ---------------------------------------------------------------------------------- rank


@pytest.fixture(scope="module")
def net():
    return kn.LayerwiseHyperModel((6, 6, 1), 3, stages=[(2, 4, 8)], blocks=(1, 2), strides=(2,))


@pytest.fixture(scope="module")
def space(net):
    declared = keras_tuner.HyperParameters()
    net.declare(declared)
    return declared


@pytest.fixture(scope="module")
def wide():
    """A build function and its space of 99 networks."""

    def build(hp):
        hidden = keras.layers.Dense(hp.Int("units", 2, 100), activation="relu")
        return mlp(hidden, keras.layers.Dense(1), loss="mse", optimizer="sgd")

    declared = keras_tuner.HyperParameters()
    build(declared)
    return build, declared


@pytest.mark.parametrize("proxy", ["synflow", "naswot", "grad_norm"])
def test_rank_gives_the_best_first_and_repeats_itself(proxy, wide, rng):
    build, space = wide
    data = rng.normal(size=(6, 3)), np.ones((6, 1))
    runs = [
        proxies.rank(build, space, proxy, candidates=6, keep=4, data=data, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]
    scores = [one.score for one in runs[0]]
    assert scores == sorted(scores, reverse=True)
    assert len({json.dumps(one.values) for one in runs[0]}) == 4


def test_rank_takes_a_proxy_of_ones_own(wide):
    def widest(model, x, y):
        assert x.shape == (6, 3)
        assert y is None
        return model.count_params()

    build, space = wide
    data = np.ones((6, 3)), None
    own = proxies.rank(build, space, widest, candidates=6, keep=3, data=data)
    named = proxies.rank(build, space, "params", candidates=6, keep=3)
    assert own == named
    with pytest.raises(ValueError, match=r"one of params.*function \(model, x, y\)"):
        proxies.rank(build, space, dict)


def test_the_weights_of_a_candidate_follow_from_the_seed_and_its_values(wide):
    few, many = (proxies.rank(*wide, candidates=n, keep=n, seed=5) for n in (5, 9))
    scores = {json.dumps(one.values): one.score for one in many}
    assert [scores[json.dumps(one.values)] for one in few] == [one.score for one in few]


def test_rank_keeps_the_budget_and_builds_no_architecture_twice():
    built = []

    def build(hp):
        built.append(hp.get("units"))
        return mlp(keras.layers.Dense(hp.get("units")))

    space = keras_tuner.HyperParameters()
    space.Int("units", 1, 9)
    space.Choice("rate", [0.1, 0.01])
    ranked = proxies.rank(
        build,
        space,
        "synflow",
        candidates=100,
        keep=3,
        gate=lambda values: {} if values["units"] < 7 else {"params": 1},
        key=lambda values: str(values["units"]),
    )
    assert sorted(built) == [1, 2, 3, 4, 5, 6]
    assert len(ranked) == 3
    assert all(one.values["units"] < 7 for one in ranked)


def test_costs_are_ranked_without_building(net, space):
    def profile(values):
        hp = space.copy()
        hp.values = values
        return kn.hardware.profile_graph(net.sketch(hp))

    def build(hp):
        raise AssertionError("not to be built")

    ranked = proxies.rank(build, space, "macs", candidates=5, keep=2, profile=profile)
    assert ranked[0].score == profile(ranked[0].values).macs >= ranked[1].score


def test_what_does_not_build_is_left_out():
    space = keras_tuner.HyperParameters()
    space.Int("units", 1, 4)

    def build(hp):
        if hp.get("units") > 2:
            raise RuntimeError("too wide")
        return mlp(keras.layers.Dense(hp.get("units")))

    ranked = proxies.rank(build, space, "params", candidates=4, keep=4)
    assert [one.values["units"] for one in ranked] == [2, 1]
    with pytest.raises(ValueError, match=r"None of 4 settings could be built.*ZeroDivisionError"):
        proxies.rank(lambda hp: 1 / 0, space, "params", candidates=4, keep=4)


def test_rank_ends_in_time_and_empty_handed_where_nothing_fits(wide):
    assert proxies.rank(*wide, candidates=9, keep=1, max_time=0) == []
    assert proxies.rank(*wide, candidates=1, keep=1, gate=lambda v: {"ram": 1}) == []


def test_rank_says_when_a_proxy_tells_nothing(wide):
    same = np.ones((4, 3)), None
    with pytest.raises(ValueError, match="'naswot' tells none of 2 settings from another"):
        proxies.rank(*wide, "naswot", candidates=2, keep=1, data=same)


@pytest.mark.parametrize(("candidates", "keep"), [(1, 2), (0, 0), (5, 0)])
def test_rank_wants_more_candidates_than_it_keeps(candidates, keep, wide):
    with pytest.raises(ValueError, match=r"`(keep|candidates)` must be an integer"):
        proxies.rank(*wide, candidates=candidates, keep=keep)


def test_rank_leaves_the_random_state(wide):
    with seeded(0):
        expected = random.random(), np.random.random()  # noqa: NPY002
    with seeded(0):
        proxies.rank(*wide, candidates=2, keep=1)
        assert (random.random(), np.random.random()) == expected  # noqa: NPY002


# ------------------------------------------------------------------------------- backends

SCORES = """
import json, sys
import keras, numpy as np
from kerasnas.oracles import proxies

rng = np.random.default_rng(0)
x, y = rng.normal(size=(8, 6, 6, 2)).astype("float32"), np.arange(8) % 3
inputs = keras.Input((6, 6, 2))
h = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
h = keras.layers.BatchNormalization()(h)
h = keras.layers.Add()([keras.layers.DepthwiseConv2D(3, padding="same")(h), h])
h = keras.layers.AveragePooling2D(2)(keras.layers.ReLU(max_value=6.0)(h))
h = keras.layers.GlobalAveragePooling2D()(h)
model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(h))
model.compile("sgd", "sparse_categorical_crossentropy")
model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
scores = {name: proxies.score(name, model, x, y) for name in proxies.PROXIES}
print(json.dumps({"scores": scores, "tensorflow": "tensorflow" in sys.modules}))
"""


@pytest.fixture(scope="module")
def here():
    """The scores on the backend that the tests run on."""
    program: dict = {}
    exec(SCORES, program)
    return program["scores"]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_backends_agree(backend, here):
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-c", SCORES],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert not found["tensorflow"]
    assert found["scores"] == pytest.approx(here, rel=1e-4)
