import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import LocalSearchOracle, PredictorOracle
from kerasnas.oracles.predictor.model import Model
from kerasnas.testing import search


def make(folder, space=None, oracle_class=PredictorOracle, **kwargs):
    oracle = oracle_class(
        keras_tuner.Objective(*search.OBJECTIVE),
        hyperparameters=space or search.separable_space(),
        **{"seed": 0, "max_trials": 60, **kwargs},
    )
    oracle.open(folder)
    return oracle


@pytest.mark.parametrize(("trials", "initial"), [(5, 3), (20, 4), (100, 10), (None, 10)])
def test_defaults_follow_the_budget(trials, initial):
    oracle = PredictorOracle("val_loss", max_trials=trials)
    assert oracle.strategy.samples(oracle.history) == initial


@pytest.mark.parametrize("argument", [{"initial_samples": 1}, {"exploration": 1.1}])
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))}` must be"):
        PredictorOracle("val_loss", **argument)


def test_it_learns_a_separable_space_in_fewer_trials_than_local_search_needs(tmp_path):
    """A million settings; at 40 trials local search has not yet seen every neighbour once."""
    ours, local = [], []
    for seed in range(5):
        for results, oracle_class in ((ours, PredictorOracle), (local, LocalSearchOracle)):
            folder = tmp_path / f"{seed}{oracle_class.__name__}"
            oracle = make(folder, oracle_class=oracle_class, seed=seed, max_trials=40)
            results.append(max(row.score for row in search.run(oracle)))
    assert np.mean(ours) > np.mean(local)


def test_some_proposals_are_random_whatever_it_believes(tmp_path):
    oracle = make(tmp_path, exploration=0.5)
    search.run(oracle)
    operators = [oracle.lineage[name]["operator"] for name in oracle.start_order]
    assert operators[:10] == ["random"] * 10
    assert 10 <= operators[10:].count("random") <= 40
    assert "predicted" in operators


def test_a_proposal_that_is_turned_away_is_followed_by_the_next_best(tmp_path, monkeypatch):
    """One in twenty settings fits; the models are asked once a trial, not once a proposal."""
    oracle = make(tmp_path, max_trials=25)
    fits = {"edge_0": "pool", "edge_1": "identity"}
    oracle.attach(
        gate=lambda v: {n: search.Violation(2, 1) for n, op in fits.items() if v[n] != op}
    )
    ranked = []
    learn = Model.learn
    monkeypatch.setattr(Model, "learn", lambda *given: ranked.append(1) or learn(*given))
    rows = search.run(oracle)
    assert len(rows) == 25
    assert oracle.turned_away > 50
    assert len(ranked) <= 40


def test_outliers_do_not_hide_the_differences_of_the_good(tmp_path):
    """A tenth of the settings scores a million less; the search goes on among the others."""
    oracle = make(tmp_path, max_trials=60)

    def outcome(values):
        score = search.score(values)
        return score - 1e6 if values["edge_3"] == "pool" else score

    rows = search.run(oracle, outcome)
    first = [row.score for row in rows[:20] if row.score > 0]
    last = [row.score for row in rows[-20:] if row.score > 0]
    assert np.mean(last) > np.mean(first) + 1


def test_searches_longer_than_what_the_models_can_hold(tmp_path):
    """Most proposals are random, and only the best and the latest trials are learned from."""
    space = search.separable_space()
    optimum = sum(
        max(search.score({parameter.name: value}) for value in parameter.values)
        for parameter in space.space
    )
    oracle = make(tmp_path, space, max_trials=520, exploration=0.9)
    assert max(row.score for row in search.run(oracle)) == pytest.approx(optimum)


def test_a_space_that_grows(tmp_path):
    oracle = make(tmp_path, max_trials=40)
    search.run(oracle, trials=20)
    more = keras_tuner.HyperParameters()
    more.Choice("late", [1, 2, 3])
    oracle.update_space(more)
    rows = search.run(oracle)
    assert len(rows) == 40
    assert len({dict(row.values).get("late") for row in rows[20:]}) > 1


def smooth_space():
    hp = keras_tuner.HyperParameters()
    hp.Int("units", 1, 10_000, sampling="log")
    hp.Float("rate", 1e-5, 1.0, sampling="log")
    hp.Float("momentum", 0.0, 1.0)
    hp.Choice("op", ["conv", "pool", "identity"])
    return hp


def smooth(values):
    """Its optimum, 0, is in the middle of all ranges."""
    off = [
        np.log10(values["units"] / 130) / 4,
        np.log10(values["rate"] / 2e-3) / 5,
        values["momentum"] - 0.45,
    ]
    return -sum(gap**2 for gap in off) - 0.02 * (values["op"] != "pool")


def test_it_closes_in_on_an_optimum_in_the_middle(tmp_path):
    """Within one in a hundred of each range, where random search is within a tenth."""
    best = []
    for seed in range(3):
        oracle = make(tmp_path / str(seed), smooth_space(), seed=seed, max_trials=50)
        best.append(max(row.score for row in search.run(oracle, smooth)))
    assert np.mean(best) > -3 * 0.01**2


def positions(values):
    return np.array([values[name] for name in sorted(values)])


def unit_cube(sides):
    hp = keras_tuner.HyperParameters()
    for place in range(sides):
        hp.Float(f"x{place}", 0.0, 1.0)
    return hp


def narrow_peak(x):
    """A peak of height 5, half as high a twentieth of each range away."""
    return 1 / (0.2 + 100 * ((x - 0.4) ** 2).sum())


def waves(x):
    """A product of five waves, of height 1: no single decision says anything far from a peak."""
    turns, places = np.array([25, 18, 12, 8, 5]), np.array([0.3, 0.6, 0.45, 0.7, 0.2])
    return np.cos(turns * (x - places)).prod()


@pytest.mark.parametrize(("function", "sides", "reached"), [(narrow_peak, 4, 3.3), (waves, 5, 0.6)])
def test_it_descends_where_no_model_of_the_whole_space_sees_a_gradient(
    tmp_path, function, sides, reached
):
    best = []
    for seed in range(8):
        oracle = make(tmp_path / str(seed), unit_cube(sides), seed=seed)
        rows = search.run(oracle, lambda values: function(positions(values)))
        best.append(max(row.score for row in rows))
    assert np.mean(best) > reached


def two_bumps(values):
    """A wide bump of height 1, and a narrow one of 1.2 in another corner of four ranges."""
    x = positions(values)
    return np.exp(-5 * ((x - 0.2) ** 2).sum()) + 1.2 * np.exp(-14 * ((x - 0.8) ** 2).sum())


def test_it_leaves_an_optimum_that_it_has_closed_in_on(tmp_path):
    best = []
    for seed in range(4):
        oracle = make(tmp_path / str(seed), unit_cube(4), seed=seed, max_trials=90)
        best.append(max(row.score for row in search.run(oracle, two_bumps)))
    assert sum(score > 1.1 for score in best) >= 3


def test_it_learns_where_trials_fail(tmp_path):
    """The best that does not fail is beside what does: half of the space, and the better half."""
    space = smooth_space()
    failed = []
    for seed in range(3):
        oracle = make(tmp_path / str(seed), space, seed=seed, max_trials=50)
        rows = search.run(oracle, lambda v: None if v["units"] > 100 else smooth(v))
        failed.append(np.mean([row.score is None for row in rows[15:]]))
        assert max(row.score for row in rows if row.score is not None) > -0.005
    assert np.mean(failed) < 0.4


def test_it_searches_on_where_nothing_completed(tmp_path):
    """One setting in ten runs; what has failed says where that may be."""
    oracle = make(tmp_path, smooth_space(), max_trials=60, exploration=0.0)
    rows = search.run(oracle, lambda v: smooth(v) if v["rate"] > 0.3 else None)
    assert sum(row.score is not None for row in rows) > 15


def test_workers_that_ask_at_once_are_sent_to_different_places(tmp_path):
    oracle = make(tmp_path, smooth_space(), max_trials=60, exploration=0.0)
    search.run(oracle, smooth, trials=30)
    trials = [oracle.create_trial(f"tuner{place}") for place in range(4)]
    positions = [np.log10(trial.hyperparameters.values["rate"]) / 5 for trial in trials]
    assert max(positions) - min(positions) > 1e-3
    assert len({str(trial.hyperparameters.values) for trial in trials}) == 4


def test_a_state_of_an_older_version_is_taken_up(tmp_path):
    oracle = make(tmp_path, max_trials=20)
    search.run(oracle, trials=12)
    oracle.set_strategy_state({"fits": {"smooth": [12, 40, [0.0, 0.7, -2.3]]}})
    assert len(search.run(oracle)) == 20
