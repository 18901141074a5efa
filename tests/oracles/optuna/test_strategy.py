"""Optuna's samplers: seeds, resuming, conditional spaces, rejections, several objectives."""

import importlib.util
from typing import ClassVar

import keras_tuner
import optuna
import pytest

from kerasnas.oracles import OptunaOracle, genome
from kerasnas.testing import OracleConformance, search

SCORE = keras_tuner.Objective(*search.OBJECTIVE)
needs_cmaes = pytest.mark.skipif(
    importlib.util.find_spec("cmaes") is None, reason="cmaes is not installed"
)
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)


def small(name, **kwargs):
    """A sampler whose population is small enough to learn within a test."""
    return lambda: getattr(optuna.samplers, name)(**kwargs)


SAMPLERS = {
    "tpe": "tpe",
    "random": "random",
    "qmc": "qmc",
    "nsgaii": small("NSGAIISampler", population_size=5),
    "nsgaiii": small("NSGAIIISampler", population_size=5),
    "tpe in groups": small("TPESampler", multivariate=True, group=True),
    "bruteforce": small("BruteForceSampler"),
    "cmaes": "cmaes",
    "cmaes with margin": small("CmaEsSampler", popsize=5, with_margin=True),
    "gp": "gp",
}
MARKS = {"cmaes": [needs_cmaes], "cmaes with margin": [needs_cmaes], "gp": [needs_torch]}


class Spy(optuna.samplers.RandomSampler):
    """Notes what a sampler gets to see of the study at each ask."""

    seen: ClassVar[list] = []
    values: ClassVar[list] = []

    def infer_relative_search_space(self, study, trial):
        trials = study.get_trials(deepcopy=False)
        Spy.seen.append([one.state.name for one in trials])
        Spy.values = trials[0].values
        return super().infer_relative_search_space(study, trial)


class TestTPE(OracleConformance):
    has_parents = False

    def make_oracle(self, **kwargs):
        return OptunaOracle(**kwargs)


@pytest.mark.slow
class TestNSGAII(OracleConformance):
    has_parents = False

    def make_oracle(self, **kwargs):
        return OptunaOracle(sampler=SAMPLERS["nsgaii"](), **kwargs)


@pytest.mark.slow
class TestQMC(OracleConformance):
    searches = False
    has_parents = False

    def make_oracle(self, **kwargs):
        return OptunaOracle(sampler="qmc", **kwargs)


@pytest.mark.slow
@needs_cmaes
class TestCMAES(OracleConformance):
    # It draws categories, which are all of that space, at random.
    searches = False
    has_parents = False

    def make_oracle(self, **kwargs):
        return OptunaOracle(sampler="cmaes", **kwargs)


@pytest.mark.slow
@needs_torch
class TestGP(OracleConformance):
    searches = False
    has_parents = False

    def make_oracle(self, **kwargs):
        return OptunaOracle(sampler="gp", **kwargs)


@pytest.fixture
def make(tmp_path):
    def make(sampler="tpe", folder="search", space=None, **kwargs):
        chosen = SAMPLERS.get(sampler, sampler) if isinstance(sampler, str) else sampler
        if space is None:
            space = stepped_space() if sampler == "bruteforce" else search.conditional_space()
        oracle = OptunaOracle(
            sampler=chosen() if callable(chosen) else chosen,
            hyperparameters=space,
            **{"objective": SCORE, "max_trials": 30, "seed": 0, **kwargs},
        )
        oracle.open(tmp_path / folder)
        return oracle

    return make


def stepped_space():
    """The conditional space without its continuous range, which not every sampler takes."""
    stepped = keras_tuner.HyperParameters()
    stepped.merge([hp for hp in search.conditional_space().space if hp.name != "learning_rate"])
    return stepped


def outcome(values):
    """A score, or none for one setting of five."""
    score = search.score(values)
    return None if score % 1 < 0.2 else score


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    "sampler", [pytest.param(name, marks=MARKS.get(name, ())) for name in SAMPLERS]
)
class TestEverySampler:
    def test_resumes_as_if_unbroken(self, sampler, make):
        unbroken = search.run(make(sampler, "unbroken"), outcome)
        assert len({row.values for row in unbroken}) == 30
        assert {row.status for row in unbroken} == {"COMPLETED", "FAILED"}
        for trials in (7, 1, 12):
            search.run(make(sampler, "resumed"), outcome, trials=trials)
        # One that is running when the process dies.
        make(sampler, "resumed").create_trial("tuner0")
        assert search.run(make(sampler, "resumed"), outcome) == unbroken

    def test_resumes_with_several_workers(self, sampler, make):
        def run(folder, lives):
            oracle = make(sampler, folder, max_trials=20)
            for step in range(20):
                if step in lives:
                    oracle = make(sampler, folder, max_trials=20)
                open_trials = [oracle.create_trial(f"worker{number}") for number in range(3)]
                # Not by worker: it is chance which one is handed a trial again.
                running = sorted(t.trial_id for t in open_trials if t.status == "RUNNING")
                search.finish(oracle, oracle.trials[running[step % len(running)]], outcome)
            return search.rows(oracle)

        unbroken = run("unbroken", ())
        assert len(unbroken) == 20
        assert run("resumed", (3, 11, 12)) == unbroken

    def test_the_seed_decides(self, sampler, make):
        first = search.run(make(sampler, "first", max_trials=6, seed=1))
        assert search.run(make(sampler, "again", max_trials=6, seed=1)) == first
        assert search.run(make(sampler, "other", max_trials=6, seed=2)) != first

    def test_queued_settings_come_first(self, sampler, make):
        oracle = make(sampler, max_trials=12)
        queued = {"depth": 1, "block_0": "conv", "block_0/width": 64, "bias": True}
        oracle.enqueue(queued)
        rows = search.run(oracle)
        assert queued.items() <= dict(rows[0].values).items()
        assert len({row.values for row in rows}) == 12


class TestSpaces:
    def test_every_kind_of_hyperparameter(self, make):
        hp = keras_tuner.HyperParameters()
        hp.Int("int", 3, 12, step=4)
        hp.Int("int_log", 1, 1000, sampling="log")
        hp.Int("int_powers", 8, 64, step=2, sampling="log")
        hp.Int("int_reverse", 1, 1000, sampling="reverse_log")
        hp.Float("float", -1.0, 1.0)
        hp.Float("float_step", 0.0, 0.5, step=0.1, default=0.25)
        hp.Float("float_log", 1e-4, 1e-1, sampling="log")
        hp.Float("float_reverse", 1e-4, 1e-1, sampling="reverse_log")
        hp.Boolean("boolean")
        hp.Choice("words", ["a", "b"])
        hp.Choice("numbers", [0.1, 0.5, 7.0])
        hp.Choice("unordered", [3, 5, 7], ordered=False)
        hp.Fixed("fixed", 7)
        hp.Int("alone", 4, 4)
        hp.Float("point", 0.5, 0.5)
        oracle = make(space=hp, max_trials=40)
        # Its default is none of its steps.
        oracle.enqueue({})
        seen = {}
        while (trial := oracle.create_trial("me")).status == "RUNNING":
            values = trial.hyperparameters.values
            assert genome.complete(hp, values) == values
            assert {type(value) for value in values.values()} <= {int, float, str, bool}
            for name, value in values.items():
                seen.setdefault(name, set()).add(value)
            search.finish(oracle, trial, lambda values: values["float"])
        assert seen["int"] == {3, 7, 11}
        assert seen["int_powers"] == {8, 16, 32, 64}
        assert seen["float_step"] >= {0.0, 0.1, 0.2, 0.25, 0.4}
        assert seen["boolean"] == {True, False}
        assert seen["numbers"] == {0.1, 0.5, 7.0}
        assert seen["unordered"] == {3, 5, 7}
        assert seen["fixed"] == {7}
        assert seen["alone"] == {4}
        assert max(seen["float"]) > 0.8

    def test_priors_are_kept(self, make):
        hp = keras_tuner.HyperParameters()
        hp.Float("log", 1e-4, 1.0, sampling="log")
        hp.Float("reverse", 1e-4, 1.0, sampling="reverse_log")
        rows = search.run(make("random", space=hp, max_trials=100))
        values = [dict(row.values) for row in rows]
        assert 30 < sum(one["log"] < 0.01 for one in values) < 70
        assert 30 < sum(one["reverse"] > 0.99 for one in values) < 70

    def test_a_name_with_different_values_under_different_conditions(self, make):
        hp = keras_tuner.HyperParameters()
        hp.Choice("op", ["conv", "pool", "dense"])
        with hp.conditional_scope("op", ["conv"]):
            hp.Choice("size", [3, 5])
        with hp.conditional_scope("op", ["pool"]):
            hp.Choice("size", [2, 4])
        with hp.conditional_scope("op", ["dense"]):
            hp.Choice("size", ["wide", "narrow"])
        rows = search.run(make(space=hp, max_trials=None))
        assert {tuple(dict(row.values).values()) for row in rows} == {
            (op, size)
            for op, sizes in {"conv": [3, 5], "pool": [2, 4], "dense": ["wide", "narrow"]}.items()
            for size in sizes
        }

    @pytest.mark.parametrize("sampler", ["tpe", "nsgaii", pytest.param("cmaes", marks=needs_cmaes)])
    def test_a_space_that_grows(self, sampler, make):
        """As in a script with a loop: the units of a layer are known once it was built."""

        def run(folder, lives):
            def fresh():
                hp = keras_tuner.HyperParameters()
                hp.Int("layers", 1, 4)
                hp.Float("rate", 0.0, 1.0)
                return make(sampler, folder, hp)

            oracle = fresh()
            for step in range(30):
                if step in lives:
                    oracle = fresh()
                trial = oracle.create_trial("me")
                hp = trial.hyperparameters
                for layer in range(hp.get("layers")):
                    hp.Int(f"units_{layer}", 8, 64, step=8)
                search.finish(oracle, trial)
            return oracle

        unbroken = run("unbroken", ())
        rows = search.rows(unbroken)
        assert search.rows(run("resumed", (3, 4, 17))) == rows
        if sampler == "cmaes":
            # It searches the numbers that there are by now, and does not give up.
            noted = unbroken.lineage[rows[-1].trial_id]["optuna"]
            assert "cma:generation" in noted["trial"]
            assert noted["common"] == ["layers", "rate", "units_0", "units_1", "units_2", "units_3"]


class TestSearch:
    @needs_cmaes
    def test_cmaes_finds_a_minimum_of_numbers(self, make):
        hp = keras_tuner.HyperParameters()
        for name in "abcd":
            hp.Float(name, -5.0, 5.0)

        def outcome(values):
            return -sum((values[name] - 1) ** 2 for name in "abcd")

        best = {}
        for sampler in ("cmaes", "random"):
            rows = search.run(make(sampler, sampler, space=hp, max_trials=150), outcome)
            best[sampler] = max(row.score for row in rows)
        assert best["cmaes"] > best["random"] / 4

    def test_nsga2_learns_from_its_population(self, make):
        oracle = make("nsgaii", space=search.separable_space(), max_trials=100)
        scores = [row.score for row in search.run(oracle)]
        assert sum(scores[-30:]) > 1.1 * sum(scores[:30])

    def test_running_trials_are_seen(self, make):
        """A liar that is told nothing of eight running trials proposes about the same for all."""
        hp = keras_tuner.HyperParameters()
        hp.Float("x", 0.0, 1.0)
        oracle = make(space=hp, max_trials=40)
        search.run(oracle, lambda values: -((values["x"] - 0.5) ** 2), trials=32)
        for worker in range(8):
            oracle.create_trial(str(worker))
        assert len({round(row.values[0][1], 3) for row in search.rows(oracle)[32:]}) == 8

    def test_what_was_turned_away_leaves_nothing(self, make):
        Spy.seen.clear()
        oracle = make(Spy(), max_trials=15)
        oracle.attach(
            gate=lambda values: (
                {} if values["depth"] == 3 and values["bias"] else {"ram": search.Violation(2, 1)}
            )
        )
        rows = search.run(oracle)
        assert len(rows) == 15
        assert oracle.turned_away > 30
        # Of each trial's first ask: one trial that runs, the asked one, and all the others told.
        firsts = [states for states in Spy.seen if states.count("RUNNING") == 1]
        assert [len(states) for states in firsts] == list(range(1, 16))
        assert max(len(states) for states in Spy.seen) <= 15 + 50

    def test_a_sampler_that_repeats_itself_is_not_asked_for_ever(self, make):
        class Stubborn(optuna.samplers.RandomSampler):
            asked = 0

            def sample_independent(self, study, trial, name, distribution):
                type(self).asked += 1
                return distribution.low

        hp = keras_tuner.HyperParameters()
        hp.Int("x", 1, 1000)
        rows = search.run(make(Stubborn(), space=hp, max_trials=5))
        assert len({row.values for row in rows}) == 5
        assert Stubborn.asked <= 1 + 4 * 51

    @pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
    def test_samplers_within_samplers_are_seeded(self, make):
        inner = optuna.samplers.RandomSampler()
        sampler = optuna.samplers.PartialFixedSampler({"depth": 2}, inner)
        rows = [search.run(make(sampler, folder, max_trials=5)) for folder in ("first", "second")]
        assert rows[0] == rows[1]
        assert {dict(row.values)["depth"] for row in rows[0]} == {2}

    @pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "random"])
    def test_several_objectives(self, sampler, make):
        objectives = [
            keras_tuner.Objective("accuracy", "max"),
            keras_tuner.Objective("cost", "min"),
        ]

        def run(folder, lives):
            oracle = make(sampler, folder, objective=objectives)
            for step in range(30):
                if step in lives:
                    oracle = make(sampler, folder, objective=objectives)
                trial = oracle.create_trial("me")
                values = trial.hyperparameters.values
                metrics = {"accuracy": search.score(values), "cost": values["depth"]}
                oracle.update_trial(trial.trial_id, metrics)
                trial.status = "COMPLETED"
                oracle.end_trial(trial)
            return oracle

        oracle = run("unbroken", ())
        assert search.rows(run("resumed", (5, 20))) == search.rows(oracle)

    def test_objectives_are_told_in_order_and_turned(self, make):
        objectives = [keras_tuner.Objective("a", "max"), keras_tuner.Objective("b", "min")]
        oracle = make(Spy(), objective=objectives, max_trials=2)
        trial = oracle.create_trial("me")
        oracle.update_trial(trial.trial_id, {"a": 3.0, "b": 5.0})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        oracle.create_trial("me")
        assert Spy.values == [-3.0, 5.0]

    def test_optuna_is_as_loud_as_before(self, make, recwarn, caplog):
        before = optuna.logging.get_verbosity()
        optuna.logging.enable_propagation()
        search.run(make("qmc", max_trials=5))
        optuna.logging.disable_propagation()
        assert optuna.logging.get_verbosity() == before
        assert not caplog.records
        assert not [w for w in recwarn if "optuna" in str(w.category)]


class TestErrors:
    def test_another_sampler_is_another_search(self, make):
        search.run(make("tpe", max_trials=2))
        with pytest.raises(ValueError, match="another search"):
            make("random", max_trials=2)

    @needs_cmaes
    def test_a_sampler_of_one_objective_refuses_several(self):
        with pytest.raises(ValueError, match="CmaEsSampler searches for one objective"):
            OptunaOracle([SCORE, keras_tuner.Objective("cost", "min")], sampler="cmaes")
