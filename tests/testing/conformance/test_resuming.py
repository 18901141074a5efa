"""Oracles that are not the same after a restart are found."""

import pytest

from kerasnas.oracles import Proposal, Random, genome


class Forgetful(Random):
    """Keeps state between proposals that it does not save."""

    asked = 0

    def propose(self, history, rng):
        self.asked += 1
        return Proposal({**genome.sample(history.space, rng), "bias": self.asked % 2 == 0})


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Forgetful, "test_resumes_in_the_middle_as_if_unbroken"),
        (Forgetful, "test_kills_lose_repeat_and_corrupt_nothing"),
    ],
)
def test_a_broken_promise_is_found(fails, broken, test):
    fails(broken, test)
