"""A strategy's proposals follow from its seed alone."""

import random
from typing import Any

import numpy as np

from kerasnas.testing import search
from kerasnas.testing.conformance.making import Make, Making, as_json, settings_of


class Seeding(Making):
    """A strategy's proposals follow from its seed alone."""

    def test_same_seed_gives_the_same_trials_in_another_process(
        self, make: Make, elsewhere: dict[str, Any]
    ) -> None:
        """No proposal depends on hashes, on global generators or on the process."""
        from kerasnas.testing.child import outcome

        here = search.run(make(max_retries_per_trial=1), outcome)
        assert elsewhere["unbroken"] == as_json(here)
        assert any(row.status == "FAILED" for row in here)

    def test_another_seed_gives_other_trials(self, make: Make) -> None:
        """The seed is used."""
        assert settings_of(search.run(make("a", seed=1))) != settings_of(
            search.run(make("b", seed=2))
        )

    def test_global_generators_are_left_alone(self, make: Make) -> None:
        """What the user seeded is neither used nor moved."""
        random.seed(1)
        before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
        first = search.run(make("a"))
        assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002
        random.seed(2)
        assert search.run(make("b")) == first
