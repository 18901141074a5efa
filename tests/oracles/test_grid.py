"""Grid search: its order, its end, continuous ranges, and a space that grows."""

import itertools

import keras_tuner
import pytest

from kerasnas.oracles import GridOracle, genome
from kerasnas.oracles.grid import successor
from kerasnas.testing import OracleConformance, search

SCORE = keras_tuner.Objective(*search.OBJECTIVE)


class TestGrid(OracleConformance):
    searches = False
    has_parents = False

    def make_oracle(self, **kwargs):
        return GridOracle(**kwargs)

    def test_another_seed_gives_other_trials(self, make):
        """The one strategy that draws nothing: every seed walks the same way."""
        first, second = (search.run(make(str(seed), seed=seed)) for seed in (1, 2))
        assert first == second


@pytest.fixture
def make(tmp_path):
    def make(space, folder="search", **kwargs):
        oracle = GridOracle(SCORE, hyperparameters=space, **kwargs)
        oracle.open(tmp_path / folder)
        return oracle

    return make


def settings_of(rows):
    return [dict(row.values) for row in rows]


def walk(space):
    values = successor(space, None)
    while values is not None:
        yield values
        values = successor(space, values)


def choices():
    hp = keras_tuner.HyperParameters()
    hp.Choice("optimizer", ["sgd", "adam"])
    hp.Int("layers", 1, 3, default=2)
    hp.Boolean("bias")
    with hp.conditional_scope("layers", [2, 3]):
        hp.Choice("units", [8, 16], default=16)
    return hp


class TestOrder:
    def test_defaults_first_and_the_last_runs_fastest(self):
        first = list(itertools.islice(walk(choices()), 5))
        assert first == [
            {"optimizer": "sgd", "layers": 2, "bias": False, "units": 16},
            {"optimizer": "sgd", "layers": 2, "bias": False, "units": 8},
            {"optimizer": "sgd", "layers": 2, "bias": True, "units": 16},
            {"optimizer": "sgd", "layers": 2, "bias": True, "units": 8},
            {"optimizer": "sgd", "layers": 1, "bias": False},
        ]

    def test_is_that_of_keras_tuner(self, make, tmp_path):
        theirs = keras_tuner.oracles.GridSearchOracle(SCORE, hyperparameters=choices())
        theirs._set_project_dir(tmp_path, "theirs")
        ours = settings_of(search.run(make(choices())))
        assert ours == settings_of(search.run(theirs))
        assert len(ours) == 20

    @pytest.mark.parametrize("space", [choices, search.small_space])
    def test_is_every_setting_once(self, space):
        walked = sorted(tuple(sorted(values.items())) for values in walk(space()))
        listed = genome.enumerate_settings(space())
        assert walked == sorted(tuple(sorted(values.items())) for values in listed)

    def test_what_does_not_fit_is_passed_over_in_order(self, make):
        oracle = make(choices())
        oracle.attach(gate=lambda values: {} if values["bias"] else {"ram": search.Violation(2, 1)})
        rows = settings_of(search.run(oracle))
        assert rows == [values for values in walk(choices()) if values["bias"]]
        assert oracle.turned_away == 10
        assert "exhausted" in oracle.stop_reason
        assert "ram=2 > limit 1" in oracle.stop_reason

    def test_a_long_stretch_that_does_not_fit_ends_the_search(self, make):
        oracle = make(choices(), max_proposals=5)
        oracle.attach(
            gate=lambda v: {} if v["optimizer"] == "adam" else {"ram": search.Violation(2, 1)}
        )
        assert search.run(oracle) == []
        assert "the next 5 settings" in oracle.stop_reason

    def test_queued_settings_are_not_tried_again(self, make):
        oracle = make(choices())
        oracle.enqueue({"layers": 1, "bias": True})
        rows = settings_of(search.run(oracle))
        assert rows[0] == {"optimizer": "sgd", "layers": 1, "bias": True}
        assert len(rows) == 20


class TestRanges:
    def test_a_range_without_a_step_has_its_default_and_ten_places(self):
        hp = keras_tuner.HyperParameters()
        hp.Float("rate", 1e-4, 1.0, sampling="log")
        values = [one["rate"] for one in walk(hp)]
        assert values[0] == 1e-4
        assert len(values) == 11
        assert values[1:] == sorted(values[1:])
        assert values[1] == pytest.approx(10**-3.8)
        hp = keras_tuner.HyperParameters()
        hp.Int("units", 1, 1000, sampling="log")
        assert len(list(walk(hp))) <= 11

    def test_steps_are_exact(self):
        hp = keras_tuner.HyperParameters()
        hp.Float("drop", 0.0, 0.4, step=0.1, default=0.3)
        hp.Int("units", 8, 64, step=2, sampling="log")
        values = list(walk(hp))
        assert len(values) == 5 * 4
        assert [one["units"] for one in values[:4]] == [8, 16, 32, 64]

    def test_a_default_between_the_steps_is_tried_too(self):
        hp = keras_tuner.HyperParameters()
        hp.Int("units", 2, 8, step=3, default=4)
        assert [one["units"] for one in walk(hp)] == [4, 2, 5, 8]


class TestGrowth:
    def run(self, make, folder, lives):
        """A script with a loop: the units of a layer are known once it was built."""

        def fresh():
            hp = keras_tuner.HyperParameters()
            hp.Int("layers", 1, 2)
            return make(hp, folder)

        oracle = fresh()
        step = 0
        while (trial := oracle.create_trial("me")).status == "RUNNING":
            for layer in range(trial.hyperparameters.get("layers")):
                trial.hyperparameters.Choice(f"units_{layer}", [8, 16, 32])
            search.finish(oracle, trial)
            step += 1
            if step in lives:
                oracle = fresh()
        return search.rows(oracle)

    def test_new_hyperparameters_are_walked_too(self, make):
        rows = self.run(make, "unbroken", ())
        seen = {
            (values["layers"], values["units_0"], values["units_1"] if values["layers"] == 2 else 0)
            for values in settings_of(rows)
        }
        assert len(seen) == 3 + 9
        assert self.run(make, "resumed", (1, 2, 5)) == rows

    def test_waits_for_running_trials_that_may_show_new_ones(self, make):
        hp = keras_tuner.HyperParameters()
        hp.Boolean("bias")
        oracle = make(hp)
        trials = [oracle.create_trial(name) for name in ("one", "two")]
        assert oracle.create_trial("three").status == "IDLE"
        trials[0].hyperparameters.Choice("units", [8, 16])
        search.finish(oracle, trials[0])
        assert oracle.create_trial("three").hyperparameters.values["units"] == 16


def branching(hp):
    """Hyperparameters in plain `if`s, which no oracle knows the conditions of."""
    asked = {"kind": hp.Choice("kind", ["a", "b", "c"])}
    if asked["kind"] == "a":
        asked["width"] = hp.Int("width", 1, 3)
    elif asked["kind"] == "b":
        asked["deep"] = hp.Boolean("deep")
        if asked["deep"]:
            asked["depth"] = hp.Int("depth", 2, 4)
    asked["bias"] = hp.Boolean("bias")
    return asked


def run_with(oracle, ask):
    """Runs a search whose trials ask for hyperparameters as they go, and gives what each asked."""
    asked = []
    while (trial := oracle.create_trial("a")).status == "RUNNING":
        asked.append(tuple(sorted(ask(trial.hyperparameters).items())))
        oracle.update_trial(trial.trial_id, {SCORE.name: 0.0})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return asked


def theirs(folder):
    oracle = keras_tuner.oracles.GridSearchOracle(SCORE)
    oracle._set_project_dir(folder, "theirs")
    oracle.verbose = 0
    return oracle


class TestPlainConditions:
    def test_every_network_is_tried_with_as_many_trials_as_by_keras_tuner(self, tmp_path):
        oracle = GridOracle(SCORE)
        oracle.open(tmp_path)
        ours, reference = run_with(oracle, branching), run_with(theirs(tmp_path), branching)
        assert len({*ours}) == len({*reference}) == 2 * (3 + 1 + 3 + 1)
        # Of the 3 * 2 * 3 * 2 * 3 = 108 settings of all that is known in the end.
        assert len(ours) == len(reference) == 76

    def test_as_many_trials_as_keras_tuner(self, tmp_path):
        def ask(hp):
            if hp.Boolean("second"):
                return {"second": True, "choice1": hp.Choice("choice1", [0, 1, 2])}
            return {"second": False, "choice2": hp.Choice("choice2", [3, 4, 5])}

        oracle = GridOracle(SCORE)
        oracle.open(tmp_path)
        ours = run_with(oracle, ask)
        assert len(ours) == len(run_with(theirs(tmp_path), ask)) == 3 + 3 * 3
        assert len({*ours}) == 6

    def test_a_search_that_is_resumed_goes_on_so(self, tmp_path):
        unbroken = GridOracle(SCORE)
        unbroken.open(tmp_path / "unbroken")
        expected = run_with(unbroken, branching)
        found = []
        for number in range(20):
            oracle = GridOracle(SCORE, max_trials=number + 1)
            oracle.open(tmp_path)
            if number:
                oracle.reload()
            found += run_with(oracle, branching)
        assert found == expected[:20]

    def test_it_waits_for_a_trial_that_may_turn_out_to_be_the_same(self, tmp_path):
        oracle = GridOracle(SCORE)
        oracle.open(tmp_path)

        def finish(trial, *names):
            for name in ("first", *names):
                trial.hyperparameters.Boolean(name)
            oracle.update_trial(trial.trial_id, {SCORE.name: 0.0})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)

        finish(oracle.create_trial("0"))
        second = oracle.create_trial("1")
        assert second.hyperparameters.values == {"first": True}
        assert oracle.create_trial("2").status == "IDLE"
        # The one with another name is told apart from the first, and not yet from the second.
        hp = oracle.get_space()
        hp.Boolean("more")
        oracle.update_space(hp)
        assert oracle.create_trial("2").status == "IDLE"
        finish(second, "more")
        third = oracle.create_trial("2")
        assert third.hyperparameters.values == {"first": True, "more": True}
        finish(third, "more")
        assert oracle.create_trial("2").status == "STOPPED"

    def test_one_that_failed_before_it_asked_tells_nothing(self, tmp_path):
        oracle = GridOracle(SCORE)
        oracle.open(tmp_path)

        def end(trial, status):
            oracle.update_trial(trial.trial_id, {SCORE.name: 0.0})
            trial.status = status
            oracle.end_trial(trial)

        first = oracle.create_trial("a")
        first.hyperparameters.Boolean("first")
        end(first, "FAILED")
        second = oracle.create_trial("a")
        second.hyperparameters.Boolean("more")
        end(second, "COMPLETED")
        rest = [oracle.create_trial("a")]
        end(rest[0], "COMPLETED")
        rest.append(oracle.create_trial("a"))
        found = [trial.hyperparameters.values for trial in rest]
        assert {"first": False, "more": True} in found
