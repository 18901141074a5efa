import collections

import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import CrossEntropyOracle
from kerasnas.testing import search


def make(folder, space, **kwargs):
    oracle = CrossEntropyOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        hyperparameters=space,
        **{"seed": 0, "max_trials": 120, **kwargs},
    )
    oracle.open(folder)
    return oracle


@pytest.mark.parametrize("argument", [{"batch_size": 1}, {"elite": 0}, {"smoothing": 1.5}])
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))}` must be"):
        CrossEntropyOracle("val_loss", **argument)


def test_samples_move_to_what_the_elite_has(tmp_path):
    oracle = make(tmp_path, search.separable_space(), batch_size=20)
    rows = search.run(oracle, lambda v: float(sum(op == "pool" for op in v.values())))
    counts = [sum(op == "pool" for _, op in row.values) for row in rows]
    assert np.mean(counts[:20]) < 4
    assert np.mean(counts[-20:]) > 7


def test_no_value_is_out_of_reach(tmp_path):
    """Though every elite had `pool` everywhere, other operations are still drawn."""
    oracle = make(tmp_path, search.separable_space(), batch_size=10, smoothing=1.0, elite=0.2)
    rows = search.run(oracle, lambda v: float(sum(op == "pool" for op in v.values())))
    late = collections.Counter(op for row in rows[-40:] for _, op in row.values)
    assert set(late) == {"conv3x3", "conv5x5", "pool", "identity"}
    assert late["pool"] > 200


def test_a_conditional_decision_is_learned_where_it_matters(tmp_path):
    """Kernels are only scored for a depth that few of the first trials have."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("op", ["conv", "pool", "identity", "zero"])
    with hp.conditional_scope("op", ["conv"]):
        hp.Choice("kernel", [3, 5, 7, 9])
    for place in range(6):
        hp.Boolean(f"other_{place}")
    oracle = make(tmp_path, hp, batch_size=20)
    rows = search.run(oracle, lambda v: 10 * (v["op"] == "conv") + (v.get("kernel") == 7))
    kernels = [dict(row.values).get("kernel") for row in rows[-40:]]
    assert kernels.count(7) > 25


@pytest.mark.parametrize("sampling", ["linear", "log"])
def test_long_and_continuous_ranges_narrow_down(tmp_path, sampling):
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 1e-4, 1.0, sampling=sampling)
    hp.Int("units", 1, 1000)
    oracle = make(tmp_path, hp, batch_size=15, max_trials=150)
    rows = search.run(oracle, lambda v: -abs(v["units"] - 300) / 1000 - abs(v["rate"] - 0.3))
    late = [dict(row.values) for row in rows[-30:]]
    assert np.median([abs(v["units"] - 300) for v in late]) < 100
    assert np.median([abs(v["rate"] - 0.3) for v in late]) < 0.1
    assert all(isinstance(v["units"], int) for v in late)
