"""The best of many random settings, without training."""

import json
import random

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.oracles import proxies
from kerasnas.runtime.session import seeded


@pytest.fixture(scope="module")
def net():
    return kn.LayerwiseHyperModel((6, 6, 1), 3, stages=[(2, 4, 8)], blocks=(1, 2), strides=(2,))


@pytest.fixture(scope="module")
def space(net):
    declared = keras_tuner.HyperParameters()
    net.declare(declared)
    return declared


@pytest.fixture(scope="module")
def wide(mlp):
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


def test_rank_keeps_the_budget_and_builds_no_architecture_twice(mlp):
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


def test_what_does_not_build_is_left_out(mlp):
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
