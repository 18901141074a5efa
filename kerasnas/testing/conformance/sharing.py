"""Several workers share one oracle."""

import random
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from kerasnas.testing import search
from kerasnas.testing.conformance.making import Make, Making, settings_of


class Sharing(Making):
    """Several workers share one oracle."""

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
                        others = {other.trial_id for other in running.values()}
                        assert trial.trial_id not in others, "two workers run one trial"
                        running[worker] = trial
                        assert oracle.create_trial(worker) is trial
            assert running or stopped, "all workers wait, but nothing is running"
            if running:
                search.finish(oracle, running.pop(shuffle.choice(sorted(running))))
        settings = settings_of(search.rows(oracle))
        assert len(oracle.trials) == 40
        assert len(set(settings)) == len(settings)
        assert {trial.status for trial in oracle.trials.values()} == {"COMPLETED"}

    def test_threads(self, make: Make) -> None:
        """Workers in threads, as behind a server, get different trials and lose none."""
        oracle = make(max_trials=40)
        errors: list[BaseException] = []
        taken: list[str] = []

        def work(worker: str) -> None:
            try:
                while (trial := oracle.create_trial(worker)).status != "STOPPED":
                    if trial.status == "RUNNING":
                        taken.append(trial.trial_id)
                        search.finish(oracle, trial)
            except BaseException as error:
                errors.append(error)

        _join(threading.Thread(target=work, args=(str(place),)) for place in range(6))
        assert errors == []
        assert len(oracle.trials) == len(oracle.end_order) == 40
        assert sorted(taken) == sorted(oracle.trials), "two workers have run one trial"

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


def _join(threads: Iterable[threading.Thread]) -> None:
    """Runs threads to their ends, and fails for one that hangs instead of hanging itself."""
    started = list(threads)
    for thread in started:
        thread.daemon = True
        thread.start()
    for thread in started:
        thread.join(timeout=60)
        assert not thread.is_alive(), "a worker hangs"
