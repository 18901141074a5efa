"""The settings that a search starts with."""

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hypermodels import FixedHyperParameters
from kerasnas.tuners.gate import Gate
from kerasnas.tuners.warm_start import WarmStart, first_settings

tf = pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def net():
    return kn.LayerwiseHyperModel(
        (6, 6, 1), 3, stages=[(2, 4, 8)], blocks=(1, 2), strides=(2,), learning_rate=[1e-2, 1e-3]
    )


@pytest.fixture(scope="module")
def space(net):
    declared = keras_tuner.HyperParameters()
    net.declare(declared)
    return declared


@pytest.fixture(scope="module")
def choose(net, space):
    def choose(settings, fit, budget=None, **options):
        gate = Gate(net, lambda: space, budget)
        return first_settings(settings, net, net.build, space, gate, fit, **options)

    return choose


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    # Sorted by class, and in a rank that `fit` puts right.
    return rng.normal(size=(40, 6, 6)).astype("float32"), np.repeat([0, 1], 20)


class Batches(keras.utils.PyDataset):
    def __init__(self, arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return tuple(array[index::2] for array in self.arrays)


def forms(arrays):
    x, y = arrays
    return {
        "numpy": {"x": x, "y": y},
        "tensors": {"x": tf.constant(x), "y": tf.constant(y)},
        "tf.data": {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(16)},
        "PyDataset": {"x": Batches(arrays)},
    }


def test_the_best_of_the_candidates_keep_the_budget(choose, net):
    settings = WarmStart("macs", candidates=50, keep=5)
    free = choose(settings, {})
    macs = [kn.hardware.profile_graph(net.sketch(FixedHyperParameters(one))).macs for one in free]
    assert macs == sorted(macs, reverse=True)
    tight = choose(settings, {}, kn.Budget(macs=macs[-1] - 1))
    assert len(free) == len(tight) == 5
    for values in tight:
        assert kn.hardware.profile_graph(net.sketch(FixedHyperParameters(values))).macs < macs[-1]


def test_the_same_seed_gives_the_same_settings(choose):
    settings = WarmStart("macs", candidates=50, keep=5)
    assert choose(settings, {}) == choose(settings, {}) != choose(settings, {}, seed=1)
    assert choose(WarmStart("macs", 50, 5, seed=0), {}, seed=1) == choose(settings, {})


def test_settings_that_differ_in_the_learning_rate_alone_are_one(choose):
    chosen = choose(WarmStart("params", candidates=400, keep=400), {})
    networks = [{k: v for k, v in one.items() if k != "learning_rate"} for one in chosen]
    assert all(networks.count(network) == 1 for network in networks)


@pytest.mark.parametrize("form", ["numpy", "tensors", "tf.data", "PyDataset"])
@pytest.mark.parametrize("proxy", ["naswot", "grad_norm"])
def test_data_is_taken_as_fit_takes_it(form, proxy, choose, arrays):
    settings = WarmStart(proxy, candidates=2, keep=2, batch_size=8)
    assert len(choose(settings, forms(arrays)[form])) == 2


def test_rows_are_taken_from_all_of_the_data(choose, arrays):
    seen = []

    class Seen(np.ndarray):
        def __getitem__(self, rows):
            taken = super().__getitem__(rows)
            seen.append(np.asarray(taken))
            return taken

    x, y = arrays
    settings = WarmStart("grad_norm", candidates=1, keep=1, batch_size=8)
    choose(settings, {"x": x, "y": y.view(Seen)})
    assert set(seen[-1].tolist()) == {0, 1}
    assert len(seen[-1]) == 8


def test_a_generator_is_not_touched(choose, arrays):
    generator = iter([arrays])
    settings = WarmStart("naswot", candidates=2, keep=1)
    with pytest.raises(ValueError, match="can be read only once"):
        choose(settings, {"x": generator})
    assert len(choose(WarmStart("synflow", candidates=2, keep=1), {"x": generator})) == 1
    assert next(generator) is arrays


def test_a_proxy_that_reads_data_says_what_is_missing(choose, arrays):
    with pytest.raises(ValueError, match="no argument x"):
        choose(WarmStart("naswot", candidates=2, keep=1), {})
    with pytest.raises(ValueError, match="Received: y=None"):
        choose(WarmStart("grad_norm", candidates=2, keep=1), {"x": arrays[0]})


def test_a_build_function_is_ranked_too():
    def build(hp):
        units = hp.Int("units", 1, 6)
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])

    hypermodel, space = keras_tuner.HyperModel(), keras_tuner.HyperParameters()
    hypermodel.build = build
    build(space)
    gate = Gate(hypermodel, lambda: space, kn.Budget(params=16))
    for proxy in ("params", "synflow"):
        settings = WarmStart(proxy, candidates=6, keep=2)
        chosen = first_settings(settings, hypermodel, build, space, gate, {})
        assert max(one["units"] for one in chosen) == 4


def test_an_oracle_takes_the_settings(choose, space, tmp_path):
    chosen = choose(WarmStart("macs", candidates=10, keep=2), {})
    oracle = kn.oracles.RandomOracle("val_loss", max_trials=3, hyperparameters=space, seed=0)
    oracle.open(tmp_path)
    for values in chosen:
        oracle.enqueue(values)
    assert [oracle.create_trial(str(i)).hyperparameters.values for i in range(2)] == chosen


def test_a_proxy_of_ones_own_gets_the_data_that_there_is(choose, arrays):
    seen = []

    def own(model, x, y):
        seen.append(None if x is None else (len(x), len(y)))
        return -model.count_params()

    settings = WarmStart.of(own)
    assert settings.name == "own"
    settings = WarmStart(own, candidates=4, keep=2, batch_size=3)
    assert choose(settings, {}) == choose(settings, dict(zip("xy", arrays, strict=True)))
    assert {*seen} == {None, (3, 3)}


def test_a_name_alone_will_do():
    assert WarmStart.of("naswot") == WarmStart("naswot")
    assert WarmStart.of(WarmStart(keep=3)).keep == 3
    with pytest.raises(TypeError, match=r"kerasnas\.WarmStart, or .* Received: warm_start=3"):
        WarmStart.of(3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"proxy": "snip"}, "one of params, macs, naswot, synflow, grad_norm"),
        ({"candidates": 3}, "`keep` must be an integer from 1 to"),
        ({"keep": 0}, "`keep` must be an integer from 1 to"),
        ({"batch_size": 0}, "batch_size"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        WarmStart(**arguments)
