"""Oracles whose proposals are not what they say are found."""

import pytest

from kerasnas.oracles import Evolution, Proposal, Random, RandomOracle, genome


class Mislabelled(Evolution):
    """Changes a child twice, and says that it did once."""

    def propose(self, history, rng):
        proposal = super().propose(history, rng)
        if not proposal.parents:
            return proposal
        twice = genome.mutate(history.space, proposal.values, rng)
        return Proposal(twice, proposal.parents, "mutation")


class Lucky(Random):
    """Only chance finds anything here."""


class Repeating(RandomOracle):
    """Begins anew at its end."""

    def populate_space(self, trial_id):
        response = super().populate_space(trial_id)
        if response["status"] == "STOPPED" and len(self.trials) < 15:
            first = next(iter(self.trials.values()))
            return {"status": "RUNNING", "values": dict(first.hyperparameters.values)}
        return response


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Repeating, "test_ends_when_the_space_is_exhausted"),
        (Mislabelled, "test_children_record_their_parents"),
        (Lucky, "test_searches_better_than_random"),
    ],
)
def test_a_broken_promise_is_found(fails, broken, test):
    fails(broken, test)
