"""Oracles that break a budget are found."""

import pytest

from kerasnas.oracles import RandomOracle


class Spendthrift(RandomOracle):
    """Looks at no budget."""

    def attach(self, gate=None, key=None):
        super().attach(key=key)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Spendthrift, "test_every_trial_meets_the_budget"),
        (Spendthrift, "test_a_budget_that_nothing_meets_ends_with_a_reason"),
    ],
)
def test_a_broken_promise_is_found(fails, broken, test):
    fails(broken, test)
