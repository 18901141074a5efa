"""Oracles that workers cannot share are found."""

import pytest

from kerasnas.oracles import RandomOracle


class Single(RandomOracle):
    """Hands out no trial while another one runs, as if it had one worker."""

    def create_trial(self, tuner_id):
        if self.ongoing_trials:
            return next(iter(self.ongoing_trials.values()))
        return super().create_trial(tuner_id)


class Locked(RandomOracle):
    """Keeps its lock after an exception, as KerasTuner's oracles do."""

    def update_trial(self, trial_id, metrics, step=0):
        self._lock.acquire()
        found = super().update_trial(trial_id, metrics, step)
        self._lock.release()
        return found


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Single, "test_many_trials_open_at_once"),
        (Single, "test_threads"),
        (Locked, "test_an_exception_releases_the_lock"),
    ],
)
def test_a_broken_promise_is_found(fails, broken, test):
    fails(broken, test)
