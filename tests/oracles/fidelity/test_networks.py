"""What trials of different lengths say of their networks."""

import keras_tuner
import pytest

from kerasnas.oracles.engine.history import History, SearchFacts
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.engine.ranking import Ranking
from kerasnas.oracles.engine.trials import Trials
from kerasnas.oracles.fidelity.networks import Networks
from kerasnas.testing.search import small_space


@pytest.fixture
def rungs(make_trial):
    """Networks that are trained to 1, 3 or 9 epochs, as a fidelity that stops trials sees them.

    Gives the networks, and a function that ends a trial with its losses by epochs.
    """
    losses, trials, space = {}, Trials(), small_space()
    facts = SearchFacts(lambda: space, ProposalFilter(), {})
    objective = keras_tuner.Objective("loss", "min")
    history = History(facts, trials, Ranking([objective]))
    by_epochs = lambda trial: losses[trial.trial_id]  # noqa: E731
    networks = Networks(history, lambda trial: True, by_epochs, by_epochs)

    def end(name, *found):
        losses[name] = dict(zip((1, 3, 9), found, strict=False))
        trial = make_trial(name, loss=found[-1]) if found else make_trial(name, status="FAILED")
        trials.begin(trial)
        trials.end(trial)

    return networks, end


def test_before_any_went_on_the_loss_is_what_was_measured(rungs):
    networks, end = rungs
    end("0", 5.0)
    view = networks.view()
    assert view.loss(view.completed[0]) == 5.0
    assert view.losses(view.completed[0]) == (5.0,)


def test_a_short_training_is_taken_to_improve_as_those_that_went_on(rungs):
    """From 1 epoch to 3 by 2, from 3 to 9 by 0.5."""
    networks, end = rungs
    end("short", 5.0)
    end("middle", 4.0, 2.0)
    end("long", 3.0, 1.0, 0.5)
    view = networks.view()
    losses = {trial.trial_id: view.loss(trial) for trial in view.completed}
    assert losses == {"short": 2.5, "middle": 1.5, "long": 0.5}
    assert [trial.trial_id for trial in view.best(3)] == ["long", "middle", "short"]


def test_the_mean_of_the_changes_counts_and_only_finite_ones(rungs):
    networks, end = rungs
    end("a", 4.0, 2.0)
    end("b", 4.0, 0.0)
    end("c", 4.0, float("-inf"))
    end("short", 9.0)
    view = networks.view()
    assert view.loss(view.trials["short"]) == 6.0


def test_the_revision_tells_whether_earlier_losses_have_changed(rungs):
    networks, end = rungs
    end("0", 5.0)
    first = networks.view().revision
    end("1", 6.0)
    # A network that ended adds to the trials, and changes nothing before.
    assert networks.view().revision == first
    end("2", 4.0, 2.0)
    assert networks.view().revision > first


def test_the_means_do_not_move_with_every_trial(rungs):
    """A strategy would read all trials anew each time."""
    networks, end = rungs
    revisions = set()
    for number in range(100):
        end(str(number), 5.0 + number % 7, 3.0)
        revisions.add(networks.view().revision)
    assert 10 < len(revisions) < 35


def test_failed_networks_are_seen_as_failed(rungs):
    networks, end = rungs
    end("0", 5.0)
    end("1")
    view = networks.view()
    assert [trial.trial_id for trial in view.failed] == ["1"]
    assert [trial.trial_id for trial in view.completed] == ["0"]


def test_each_network_is_shown_once(make_trial):
    """Longer trainings of an earlier one are no networks of their own."""
    trials, space = Trials(), small_space()
    facts = SearchFacts(lambda: space, ProposalFilter(), {})
    history = History(facts, trials, Ranking([keras_tuner.Objective("loss", "min")]))
    losses = {"0": {1: 5.0}}
    networks = Networks(
        history,
        lambda trial: trial.trial_id == "0",
        lambda trial: losses["0"],
        lambda trial: losses["0"],
    )
    for name, loss in (("0", 5.0), ("1", 2.0)):
        trials.begin(make_trial(name, loss=loss))
        trials.end(trials.by_id[name])
        losses["0"][1 + 2 * int(name)] = loss
        view = networks.view()
        assert list(view.trials) == ["0"]
        assert view.loss(view.trials["0"]) == loss
    # A loss that was seen before is another one now.
    assert view.revision > 0
