"""Oracles that draw from elsewhere than their own generator are found."""

import random

import numpy as np
import pytest

from kerasnas.oracles import Proposal, Random, genome


class Unseeded(Random):
    def propose(self, history, rng):
        return Proposal({**genome.sample(history.space, rng), "bias": random.random() < 0.5})


class Hashing(Random):
    def propose(self, history, rng):
        values = genome.sample(history.space, rng)
        return Proposal({**values, "bias": hash(str(sorted(values))) % 2 == 0})


class Deaf(Random):
    """Draws the same whatever the seed."""

    def propose(self, history, rng):
        return Proposal(genome.sample(history.space, np.random.default_rng(history.asked)))


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Unseeded, "test_global_generators_are_left_alone"),
        (Hashing, "test_same_seed_gives_the_same_trials_in_another_process"),
        (Deaf, "test_another_seed_gives_other_trials"),
    ],
)
def test_a_broken_promise_is_found(fails, broken, test):
    fails(broken, test)
