"""A search that was interrupted or killed goes on as an unbroken one."""

from typing import Any

from kerasnas.testing import search
from kerasnas.testing.conformance.making import Make, Making


class Resuming(Making):
    """A search that was interrupted or killed goes on as an unbroken one."""

    def test_resumes_in_the_middle_as_if_unbroken(self, make: Make) -> None:
        """A new oracle on the same folder goes on where the old one was."""
        unbroken = search.run(make("unbroken"))
        for trials in (7, 12):
            search.run(make("resumed"), trials=trials)
        interrupted = make("resumed").create_trial("tuner0")
        resumed = make("resumed")
        assert resumed.create_trial("tuner0").trial_id == interrupted.trial_id
        assert search.run(resumed) == unbroken

    def test_kills_lose_repeat_and_corrupt_nothing(self, elsewhere: dict[str, Any]) -> None:
        """Killed at random lines of its code, twice each, every search ends as the unbroken one."""
        assert len(elsewhere["killed"]) == 20
        for killed in elsewhere["killed"]:
            # SIGKILL, or done before it, and at last a life that ends well.
            assert set(killed["ends"][:-1]) <= {-9, 0}
            assert killed["ends"][-1] == 0
            assert killed["rows"] == elsewhere["unbroken"], f"killed at lines {killed['at']}"
        assert any(killed["ends"][:2] == [-9, -9] for killed in elsewhere["killed"])
