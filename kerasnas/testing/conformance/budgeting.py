"""Settings that break the budget never become trials."""

from collections.abc import Mapping
from typing import Any

from kerasnas.testing import search
from kerasnas.testing.conformance.making import Make, Making
from kerasnas.testing.search import Violation


class Budgeting(Making):
    """Settings that break the budget never become trials."""

    def test_every_trial_meets_the_budget(self, make: Make) -> None:
        """Settings that do not fit never become trials, and are counted."""
        oracle = make(max_trials=20)
        oracle.attach(gate=_narrow_gate)
        trials = search.run(oracle)
        assert len(trials) == 20
        assert not any(_narrow_gate(dict(row.values)) for row in trials)
        assert oracle.turned_away > 0

    def test_a_budget_that_nothing_meets_ends_with_a_reason(self, make: Make) -> None:
        """The search ends at once, and says how near it came to which limit."""
        oracle = make()
        oracle.attach(gate=lambda values: {"flash": Violation(1000 + _size(values), 900)})
        assert search.run(oracle) == []
        assert "flash=" in str(oracle.stop_reason)
        assert "> limit 900" in str(oracle.stop_reason)
        assert oracle.turned_away > 0

    def test_an_exception_of_the_gate_does_not_end_the_search(self, make: Make) -> None:
        """The trial itself then says what is wrong."""

        def broken(values: Mapping[str, Any]) -> Any:
            raise ZeroDivisionError

        oracle = make(max_trials=5)
        oracle.attach(gate=broken, key=broken)
        assert len(search.run(oracle)) == 5


def _size(values: Mapping[str, Any]) -> int:
    return sum(value for name, value in values.items() if name.endswith("/width"))


def _narrow_gate(values: Mapping[str, Any]) -> dict[str, Violation]:
    """Returns the broken limits of a budget that one setting in twenty meets: deep and narrow."""
    broken = {}
    if _size(values) > 40:
        broken["flash"] = Violation(_size(values), 40)
    if values["depth"] < 3 or _size(values) == 0:
        broken["ram"] = Violation(4 - values["depth"] + 1, 1)
    return broken
