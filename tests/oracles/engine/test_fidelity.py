"""The interface of a fidelity, and the training in full that its base does."""

import keras_tuner
import pytest

from kerasnas.oracles import ASHA, Evolution, Fidelity, Hyperband, Oracle, Proposal
from kerasnas.oracles.engine.fidelity import Plan, Verdict, made_fidelity
from kerasnas.testing import search

SCORE = keras_tuner.Objective(*search.OBJECTIVE)


def test_in_full_every_proposal_is_a_trial():
    fidelity = Fidelity()
    proposal = Proposal({"units": 8})
    plan = fidelity.next_trial(lambda: proposal, lambda: False)
    assert plan == Plan(proposal, {}, {}, is_new=True)
    assert fidelity.next_trial(lambda: None, lambda: True) is None
    assert fidelity.report("0", 3, {"score": 1.0}) == Verdict(False, None)
    assert (fidelity.max_epochs, fidelity.reports, fidelity.goes_on) == (None, False, False)
    assert fidelity.settings() == {}


def test_in_full_a_strategy_sees_all_trials(tmp_path):
    oracle = Oracle(Evolution, SCORE, 5, hyperparameters=search.small_space(), seed=0)
    oracle.open(tmp_path)
    search.run(oracle)
    assert oracle.fidelity.view() is oracle.history


def test_several_objectives_go_with_full_trainings_only():
    Fidelity().check_objectives(["a", "b"])
    for fidelity in (Hyperband(), ASHA()):
        fidelity.check_objectives(["a"])
        with pytest.raises(ValueError, match="searches for one objective"):
            fidelity.check_objectives(["a", "b"])


def test_two_oracles_with_one_fidelity_object_share_no_state(tmp_path):
    given = ASHA(max_epochs=9)
    oracles = [
        Oracle(
            Evolution, SCORE, 8, fidelity=given, seed=0, hyperparameters=search.conditional_space()
        )
        for _ in range(2)
    ]
    for number, oracle in enumerate(oracles):
        oracle.open(tmp_path / str(number))
    first = search.run(oracles[0])
    assert search.run(oracles[1]) == first
    assert not hasattr(given, "history")


def test_what_is_no_fidelity():
    assert type(made_fidelity(None)) is Fidelity
    for given in ("hyperband", Hyperband, 3):
        with pytest.raises(TypeError, match=r"must be None, 'auto' or a kerasnas\.oracles\.Fid"):
            made_fidelity(given)


class Half(Fidelity):
    """Trains each network for two epochs, and says in the lineage that it did."""

    max_epochs = 4

    def next_trial(self, propose, exhausted):
        proposal = propose()
        return proposal and Plan(proposal, {"tuner/epochs": 2}, {"share": 0.5})


def test_a_schedule_is_in_the_values_and_notes_are_in_the_lineage(tmp_path):
    oracle = Oracle(
        Evolution, SCORE, 4, hyperparameters=search.small_space(), fidelity=Half(), seed=0
    )
    oracle.open(tmp_path)
    rows = search.run(oracle)
    assert {dict(row.values)["tuner/epochs"] for row in rows} == {2}
    assert {lineage["share"] for lineage in oracle.lineage.values()} == {0.5}
    # It is no hyperparameter: strategies do not see it.
    assert all("tuner/epochs" not in oracle.history.values(one) for one in oracle.completed)
