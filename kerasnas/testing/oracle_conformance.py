"""What every search strategy must do, as tests that anybody's oracle can inherit."""

import inspect
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import Oracle, genome
from kerasnas.testing import search
from kerasnas.testing.search import Row, Violation

Make = Callable[..., Oracle]


class OracleConformance:
    """Tests of an oracle; inherit them in a test file of your own.

    The file is imported by path in another process, so it must not use relative imports.

    Attributes:
        searches: Whether the strategy must beat random search.
        has_parents: Whether trials are made from earlier ones.
        needs_kerasnas: What the error says under another tuner, for a strategy that needs
            `kerasnas.Tuner`.

    Example:

    ```python
    class TestMyOracle(kerasnas.testing.OracleConformance):
        def make_oracle(self, **kwargs):
            return MyOracle(**kwargs)
    ```
    """

    searches = True
    has_parents = True
    needs_kerasnas: str | None = None
    _elsewhere: dict[str, Any]

    def make_oracle(self, **kwargs: Any) -> Oracle:
        """Makes the oracle under test from the arguments of `kerasnas.oracles.Oracle`."""
        raise NotImplementedError(f"{type(self).__name__} must define make_oracle(self, **kwargs).")

    def check_child(self, operator: str, parents: list[dict], child: dict) -> None:
        """Asserts that a child differs from its parents as the operator says.

        Args:
            operator: What the trial's lineage names.
            parents: The parents' settings.
            child: The child's setting.
        """
        first = parents[0]
        both = [name for name in child if name in first]
        changed = [name for name in both if child[name] != first[name]]
        if operator in ("mutation", "step"):
            assert len(changed) == 1
        elif operator == "promotion":
            assert child == first
        else:
            assert child not in parents

    @pytest.fixture
    def make(self, tmp_path: pathlib.Path) -> Make:
        """Makes oracles with a folder; the same folder for the same name."""

        def make(folder: str = "search", **kwargs: Any) -> Oracle:
            defaults: dict[str, Any] = {
                "objective": keras_tuner.Objective(*search.OBJECTIVE),
                "max_trials": 30,
                "seed": 0,
            }
            if "hyperparameters" not in kwargs:
                defaults["hyperparameters"] = search.conditional_space()
            oracle = self.make_oracle(**{**defaults, **kwargs})
            oracle.open(tmp_path / folder)
            return oracle

        return make

    @pytest.fixture
    def elsewhere(self, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
        """The same search in another process with other hashes: unbroken, and killed."""
        cls = type(self)
        if "_elsewhere" not in cls.__dict__:
            cls._elsewhere = _run_elsewhere(cls, tmp_path_factory.mktemp("elsewhere"))
        return cls._elsewhere

    # ------------------------------------------------------------------ the same seed

    def test_same_seed_gives_the_same_trials_in_another_process(
        self, make: Make, elsewhere: dict[str, Any]
    ) -> None:
        """No proposal depends on hashes, on global generators or on the process."""
        from kerasnas.testing.child import outcome

        here = search.run(make(max_retries_per_trial=1), outcome)
        assert elsewhere["unbroken"] == _as_json(here)
        assert any(row.status == "FAILED" for row in here)

    def test_another_seed_gives_other_trials(self, make: Make) -> None:
        """The seed is used."""
        assert _settings(search.run(make("a", seed=1))) != _settings(search.run(make("b", seed=2)))

    def test_global_generators_are_left_alone(self, make: Make) -> None:
        """What the user seeded is neither used nor moved."""
        random.seed(1)
        before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
        first = search.run(make("a"))
        assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002
        random.seed(2)
        assert search.run(make("b")) == first

    # ------------------------------------------------------------------ nothing finished is lost

    def test_resumes_in_the_middle_as_if_unbroken(self, make: Make) -> None:
        """A new oracle on the same folder goes on where the old one was."""
        unbroken = search.run(make("unbroken"))
        for trials in (7, 12):
            search.run(make("resumed"), trials=trials)
        interrupted = make("resumed").create_trial("tuner0")
        resumed = make("resumed")
        assert resumed.create_trial("tuner0").trial_id == interrupted.trial_id
        assert search.run(resumed) == unbroken

    def test_kills_lose_repeat_and_corrupt_nothing(self, elsewhere: dict[str, Any]) -> None:
        """Killed at random lines of its code, twice each, every search ends as the unbroken one."""
        assert len(elsewhere["killed"]) == 20
        for killed in elsewhere["killed"]:
            # SIGKILL, or done before it, and at last a life that ends well.
            assert set(killed["ends"][:-1]) <= {-9, 0}
            assert killed["ends"][-1] == 0
            assert killed["rows"] == elsewhere["unbroken"], f"killed at lines {killed['at']}"
        assert any(killed["ends"][:2] == [-9, -9] for killed in elsewhere["killed"])

    # ------------------------------------------------------------------ what is proposed

    def test_no_architecture_is_tried_twice(self, make: Make) -> None:
        """Neither the same values nor what the tuner's key calls the same."""
        space = search.conditional_space()
        settings = _settings(search.run(make("values", hyperparameters=space, max_trials=60)))
        assert len(set(settings)) == len(settings)
        oracle = make("keys", max_trials=20)
        oracle.attach(key=_without_rate)
        keys = [_without_rate(dict(setting)) for setting in _settings(search.run(oracle))]
        assert len(keys) > 10
        assert len(set(keys)) == len(keys)

    def test_ends_when_the_space_is_exhausted(self, make: Make) -> None:
        """Every setting of a small space is tried, once, and then the search ends."""
        oracle = make(hyperparameters=search.small_space(), max_trials=200)
        settings = _settings(search.run(oracle))
        everything = genome.enumerate_settings(search.small_space())
        assert sorted(settings) == sorted(tuple(sorted(values.items())) for values in everything)
        assert oracle.create_trial("another").status == "STOPPED"
        assert "exhausted" in str(oracle.stop_reason)

    def test_a_space_of_one_point(self, make: Make) -> None:
        """The one setting is tried, and then the search ends."""
        hp = keras_tuner.HyperParameters()
        hp.Choice("op", ["conv"])
        hp.Fixed("units", 8)
        oracle = make(hyperparameters=hp, max_trials=20)
        assert len(_settings(search.run(oracle))) == 1
        assert oracle.create_trial("another").status == "STOPPED"

    def test_a_space_of_free_topology(self, make: Make) -> None:
        """Connections between nodes that may not be there: settings are whole, new, and resumed."""
        space = search.graph_space()
        unbroken = search.run(make("unbroken", hyperparameters=space))
        settings = _settings(unbroken)
        assert len(settings) >= 15
        assert len(set(settings)) == len(settings)
        assert all(genome.complete(space, dict(values)) == dict(values) for values in settings)
        search.run(make("resumed", hyperparameters=space), trials=11)
        assert search.run(make("resumed", hyperparameters=space)) == unbroken

    def test_conditional_values_are_complete_and_matter(self, make: Make) -> None:
        """Each trial has a value for each active hyperparameter, of a type that can be sent."""
        space = search.conditional_space()
        oracle = make(hyperparameters=space, max_trials=40)
        while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
            # As they are handed out: what is missing is filled at the trial's end.
            values = dict(trial.hyperparameters.values)
            assert {type(value) for value in values.values()} <= {int, float, str, bool}
            values = search.setting(values)
            assert genome.complete(space, values) == values
            search.finish(oracle, trial)

    def test_children_record_their_parents(self, make: Make) -> None:
        """A trial's lineage names earlier trials, and how it differs from them."""
        oracle = make(max_trials=40)
        search.run(oracle)
        children = 0
        for name, trial in oracle.trials.items():
            lineage = oracle.lineage[name]
            child = search.setting(trial.hyperparameters.values)
            parents = [oracle.trials[parent] for parent in lineage["parents"]]
            if not parents:
                continue
            children += 1
            settings = [search.setting(parent.hyperparameters.values) for parent in parents]
            assert all(parent.status == "COMPLETED" for parent in parents)
            names = {*settings[0], *child}
            changed = {name for name in names if settings[0].get(name) != child.get(name)}
            assert set(lineage["changed"]) == changed
            self.check_child(lineage["operator"], settings, child)
        assert (children > 0) == self.has_parents

    def test_searches_better_than_random(self, tmp_path: pathlib.Path) -> None:
        """On a separable space, 20 seeds and 100 asks: two standard errors ahead of random."""
        if not self.searches:
            pytest.skip("not meant to beat random search")
        ours, chance = [], []
        for seed in range(20):
            space = search.separable_space()
            oracle = self.make_oracle(
                objective=keras_tuner.Objective(*search.OBJECTIVE),
                max_trials=100,
                hyperparameters=space,
                seed=seed,
            )
            oracle.open(tmp_path / str(seed))
            ours.append(max(row.score or -math.inf for row in search.run(oracle)))
            rng = np.random.default_rng(seed)
            chance.append(max(search.score(genome.sample(space, rng)) for _ in range(100)))
        error = math.hypot(_standard_error(ours), _standard_error(chance))
        assert np.mean(ours) > np.mean(chance) + 2 * error

    # ------------------------------------------------------------------ the budget

    def test_every_trial_meets_the_budget(self, make: Make) -> None:
        """What does not fit never becomes a trial, and is counted."""
        oracle = make(max_trials=20)
        oracle.attach(gate=_narrow_gate)
        trials = search.run(oracle)
        assert len(trials) == 20
        assert not any(_narrow_gate(dict(row.values)) for row in trials)
        assert oracle.turned_away > 0

    def test_a_budget_that_nothing_meets_ends_with_a_reason(self, make: Make) -> None:
        """The search ends at once, and says how near it came to which limit."""
        oracle = make()
        oracle.attach(gate=lambda values: {"flash": Violation(1000 + _size(values), 900)})
        assert search.run(oracle) == []
        assert "flash=" in str(oracle.stop_reason)
        assert "> limit 900" in str(oracle.stop_reason)
        assert oracle.turned_away > 0

    def test_an_exception_of_the_gate_does_not_end_the_search(self, make: Make) -> None:
        """The trial itself then says what is wrong."""

        def broken(values: Mapping[str, Any]) -> Any:
            raise ZeroDivisionError

        oracle = make(max_trials=5)
        oracle.attach(gate=broken, key=broken)
        assert len(search.run(oracle)) == 5

    # ------------------------------------------------------------------ trials that fail

    def test_only_finite_scores_are_best(self, make: Make) -> None:
        """NaN and infinite scores are failed trials, which are never best and never parents."""
        results = iter([math.nan, math.inf, *range(1, 100)])
        oracle = make(max_trials=20)
        trials = search.run(oracle, lambda values: float(next(results)))
        assert [row.status for row in trials[:3]] == ["FAILED", "FAILED", "COMPLETED"]
        best = oracle.get_best_trials(100)
        assert len(best) == len(trials) - 2
        assert best[0].score == max(row.score or 0 for row in trials)

    def test_a_trial_is_run_again_after_nan(self, make: Make, tmp_path: pathlib.Path) -> None:
        """The second run's result counts, in KerasTuner's own loop."""
        seen: set[str] = set()

        class Flaky(keras_tuner.Tuner):
            def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
                first = trial.trial_id not in seen
                seen.add(trial.trial_id)
                search.report(self.oracle, trial, 0.5)
                return math.nan if first else 0.5

        oracle = self.make_oracle(
            max_trials=4,
            hyperparameters=search.conditional_space(),
            seed=0,
            max_retries_per_trial=1,
        )
        tuner = Flaky(oracle=oracle, directory=tmp_path, project_name="nan")
        tuner.search()
        assert len(oracle.trials) >= 4
        assert {row.status for row in search.rows(oracle)} == {"COMPLETED"}
        assert {row.score for row in search.rows(oracle)} == {0.5}

    def test_failures_do_not_end_the_search(self, make: Make) -> None:
        """Half of the trials fail, and as many trials are run as were asked for."""
        oracle = make(max_trials=25)
        trials = search.run(oracle, lambda v: None if search.score(v) % 1 < 0.5 else 1.0)
        assert len(trials) == 25
        assert {row.status for row in trials} == {"COMPLETED", "FAILED"}

    def test_all_trials_failing_ends_too(self, make: Make) -> None:
        """With nothing to learn from, the search still runs its trials and stops."""
        oracle = make(max_trials=15)
        trials = search.run(oracle, lambda values: None)
        assert {row.status for row in trials} == {"FAILED"}
        assert oracle.get_best_trials(3) == []

    # ------------------------------------------------------------------ several workers

    def test_many_trials_open_at_once(self, make: Make) -> None:
        """Eight workers ask before any of them answers, and answer in any order."""
        oracle = make(max_trials=40)
        shuffle = random.Random(0)
        running: dict[str, Any] = {}
        stopped = False
        while running or not stopped:
            for worker in map(str, range(8)):
                if worker not in running and not stopped:
                    trial = oracle.create_trial(worker)
                    stopped = trial.status == "STOPPED"
                    if trial.status == "RUNNING":
                        running[worker] = trial
                        assert oracle.create_trial(worker) is trial
            assert running or stopped, "all workers wait, but nothing is running"
            if running:
                search.finish(oracle, running.pop(shuffle.choice(sorted(running))))
        settings = _settings(search.rows(oracle))
        assert len(oracle.trials) == 40
        assert len(set(settings)) == len(settings)
        assert {trial.status for trial in oracle.trials.values()} == {"COMPLETED"}

    def test_threads(self, make: Make) -> None:
        """Workers in threads, as behind a server, get different trials and lose none."""
        oracle = make(max_trials=40)
        errors: list[BaseException] = []

        def work(worker: str) -> None:
            try:
                while (trial := oracle.create_trial(worker)).status != "STOPPED":
                    if trial.status == "RUNNING":
                        search.finish(oracle, trial)
            except BaseException as error:
                errors.append(error)

        _join(threading.Thread(target=work, args=(str(place),)) for place in range(6))
        assert errors == []
        assert len(oracle.trials) == len(oracle.end_order) == 40

    def test_an_exception_releases_the_lock(self, make: Make) -> None:
        """A caller's mistake surfaces there, and other workers go on."""
        oracle = make()
        trial = oracle.create_trial("one")
        with pytest.raises(ValueError, match="Objective value missing"):
            oracle.update_trial(trial.trial_id, {"another": 1.0})
        with pytest.raises(KeyError):
            oracle.update_trial("no such trial", {search.OBJECTIVE[0]: 1.0})
        seen: list[str] = []
        _join([threading.Thread(target=lambda: seen.append(oracle.create_trial("two").status))])
        assert seen == ["RUNNING"]

    # ------------------------------------------------------------------ in KerasTuner

    def test_in_a_plain_keras_tuner(self, tmp_path: pathlib.Path) -> None:
        """Somebody's build function, real models, the space found by building, and a resume."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(32, 4)).astype("float32")
        y = (x[:, 0] > 0).astype("float32")

        def tuner(trials: int) -> keras_tuner.Tuner:
            oracle = self.make_oracle(objective="val_loss", max_trials=trials, seed=0)
            return keras_tuner.Tuner(
                oracle=oracle, hypermodel=_build, directory=tmp_path, project_name="plain"
            )

        if self.needs_kerasnas:
            with pytest.raises(RuntimeError, match=self.needs_kerasnas):
                tuner(2).search(x, y, epochs=1, validation_data=(x, y), verbose=0)
            return

        def run(trials: int) -> list[Row]:
            search_of = tuner(trials)
            search_of.search(x, y, epochs=1, validation_data=(x, y), verbose=0)
            return search.rows(search_of.oracle)

        first = run(2)
        both = run(4)
        assert both[:2] == first
        assert [row.status for row in both] == ["COMPLETED"] * 4
        assert len(set(_settings(both))) == 4
        done = tuner(4)
        best = done.get_best_hyperparameters()[0]
        assert best.get("units_0") in (2, 4, 6, 8)
        assert done.hypermodel.build(best).count_params() > 0
        # KerasTuner itself can read what was written.
        for name in ("0", "1", "2", "3"):
            path = tmp_path / "plain" / f"trial_{name}" / "trial.json"
            loaded = keras_tuner.engine.trial.Trial.load(str(path))
            assert loaded.score == done.oracle.trials[name].score


def _run_elsewhere(cls: type, folder: pathlib.Path) -> dict[str, Any]:
    request = {
        "file": inspect.getfile(cls),
        "class": cls.__qualname__,
        "folder": str(folder),
        "trials": 30,
        "seed": 0,
        "kills": 20,
    }
    other = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-m", "kerasnas.testing.child"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        # The lightest backend: nothing is trained there.
        env={**os.environ, "PYTHONHASHSEED": other, "KERAS_BACKEND": "numpy"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _build(hp: keras_tuner.HyperParameters) -> keras.Model:
    """KerasTuner's usual example, its loop included."""
    model = keras.Sequential([keras.Input((4,))])
    for layer in range(hp.Int("num_layers", 1, 2)):
        model.add(keras.layers.Dense(hp.Int(f"units_{layer}", 2, 8, step=2), activation="relu"))
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(0.25))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def _settings(trials: Iterable[Row]) -> list[tuple[tuple[str, Any], ...]]:
    """The settings of trials that were not promoted from an earlier one."""
    return [
        tuple(sorted(search.setting(dict(row.values)).items()))
        for row in trials
        if "tuner/trial_id" not in dict(row.values)
    ]


def _as_json(trials: list[Row]) -> Any:
    return json.loads(json.dumps(trials))


def _without_rate(values: Mapping[str, Any]) -> str:
    """An architecture: the learning rate builds the same one."""
    kept = {name: value for name, value in values.items() if name != "learning_rate"}
    return json.dumps(search.setting(kept), sort_keys=True)


def _size(values: Mapping[str, Any]) -> int:
    return sum(value for name, value in values.items() if name.endswith("/width"))


def _narrow_gate(values: Mapping[str, Any]) -> dict[str, Violation]:
    """A budget that about one setting in twenty meets: deep, and of little width."""
    broken = {}
    if _size(values) > 40:
        broken["flash"] = Violation(_size(values), 40)
    if values["depth"] < 3 or _size(values) == 0:
        broken["ram"] = Violation(4 - values["depth"] + 1, 1)
    return broken


def _standard_error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def _join(threads: Iterable[threading.Thread]) -> None:
    """Runs threads to their ends; one that hangs is a failure, not a hang of the test."""
    started = list(threads)
    for thread in started:
        thread.daemon = True
        thread.start()
    for thread in started:
        thread.join(timeout=60)
        assert not thread.is_alive(), "a worker hangs"
