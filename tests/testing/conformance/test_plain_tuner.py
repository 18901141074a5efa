"""Oracles that do not work in KerasTuner's own tuner are found."""

import pytest

from kerasnas.oracles import RandomOracle


class Demanding(RandomOracle):
    """Needs costs that only kerasnas.Tuner reports, and does not say so."""

    def update_trial(self, trial_id, metrics, step=0):
        return super().update_trial(trial_id, {"flash": metrics["flash"]}, step)


class Ending(RandomOracle):
    """Does not take up a search that is over."""

    def reload(self):
        super().reload()
        self.max_trials = len(self.trials)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Demanding, "test_in_a_plain_keras_tuner"),
        (Ending, "test_in_a_plain_keras_tuner"),
    ],
)
def test_a_broken_promise_is_found(fails, broken, test):
    fails(broken, test)
