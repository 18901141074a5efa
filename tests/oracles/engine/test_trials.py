"""The trials of a search in memory, by what has become of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles.engine.trials import Trials


def names(trials):
    return [trial.trial_id for trial in trials]


# Numbers of trials in the order in which they end, and which of them complete.
lives = st.integers(1, 12).flatmap(
    lambda count: st.tuples(st.permutations(range(count)), st.integers(0, count), st.randoms())
)


@given(lives)
def test_starts_and_ends_keep_their_orders(make_trial, life):
    order, ending, draw = life
    trials, made = Trials(), [make_trial(str(number)) for number in range(len(order))]
    for trial in made:
        trials.begin(trial)
    completed, failed = [], []
    for number in order[:ending]:
        made[number].status = draw.choice(["COMPLETED", "FAILED"])
        trials.end(made[number])
        (completed if made[number].status == "COMPLETED" else failed).append(str(number))
    assert names(trials.started) == list(trials.by_id) == [str(n) for n in range(len(order))]
    assert names(trials.ended) == [str(number) for number in order[:ending]]
    assert names(trials.completed) == completed
    assert names(trials.failed) == failed
    assert list(trials.running) == [str(n) for n in range(len(order)) if n in order[ending:]]
    # What is restored from the two orders is the same.
    again = Trials()
    again.begin(make_trial("old"))
    again.restore(trials.by_id, names(trials.ended))
    for part in ("by_id", "started", "running", "ended", "completed", "failed"):
        assert getattr(again, part) == getattr(trials, part)


def test_a_trial_that_has_ended_does_not_end_again(make_trial):
    trials, trial = Trials(), make_trial("0", loss=1.0)
    trials.begin(trial)
    trials.end(trial)
    with pytest.raises(KeyError):
        trials.end(trial)
    assert names(trials.ended) == ["0"]


def test_the_lists_stay_the_same_objects(make_trial):
    """Views of the history hold on to them."""
    trials = Trials()
    held = [trials.by_id, trials.started, trials.running, trials.ended, trials.completed]
    trials.restore({"0": make_trial("0", loss=1.0)}, ["0"])
    assert [len(one) for one in held] == [1, 1, 0, 1, 1]
    trials.clear()
    assert not any(held)
