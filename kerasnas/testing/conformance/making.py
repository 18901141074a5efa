"""How the conformance tests make oracles, and what they compare."""

import inspect
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import keras_tuner
import pytest

from kerasnas.oracles import Oracle, Strategy
from kerasnas.testing import search
from kerasnas.testing.search import Row

Make = Callable[..., Oracle]


class Making:
    """Makes the oracle under test, and runs its search in another process."""

    strategy: type[Strategy] | Strategy | None = None
    _elsewhere: dict[str, Any]

    def make_oracle(self, **kwargs: Any) -> Oracle:
        """Makes the oracle under test; override it where `strategy` alone does not say all.

        Args:
            **kwargs: Arguments of `kerasnas.oracles.Oracle`.

        Returns:
            The oracle.
        """
        if self.strategy is None:
            name = type(self).__name__
            raise NotImplementedError(
                f"{name} must define `strategy`, or make_oracle(self, **kwargs)."
            )
        return Oracle(self.strategy, **kwargs)

    @pytest.fixture
    def make(self, tmp_path: pathlib.Path) -> Make:
        """Returns a function that makes oracles with a folder, the same one for the same name."""

        def make(folder: str = "search", **kwargs: Any) -> Oracle:
            defaults: dict[str, Any] = {
                "objective": keras_tuner.Objective(*search.OBJECTIVE),
                "max_trials": 30,
                "hyperparameters": search.conditional_space(),
                "seed": 0,
            }
            oracle = self.make_oracle(**{**defaults, **kwargs})
            oracle.open(tmp_path / folder)
            return oracle

        return make

    @pytest.fixture
    def elsewhere(self, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
        """Returns the same search in another process with other hashes: unbroken, and killed."""
        cls = type(self)
        if "_elsewhere" not in cls.__dict__:
            cls._elsewhere = run_elsewhere(cls, tmp_path_factory.mktemp("elsewhere"))
        return cls._elsewhere


def run_elsewhere(cls: type, folder: pathlib.Path) -> dict[str, Any]:
    """Returns the rows of a search in another process: unbroken, and killed twice."""
    request = {
        "file": inspect.getfile(cls),
        "class": cls.__qualname__,
        "folder": str(folder),
        "trials": 30,
        "seed": 0,
        "kills": 20,
    }
    other = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-m", "kerasnas.testing.child"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        # The lightest backend: nothing is trained there.
        env={**os.environ, "PYTHONHASHSEED": other, "KERAS_BACKEND": "numpy"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def settings_of(trials: Iterable[Row]) -> list[tuple[tuple[str, Any], ...]]:
    """Returns the settings of trials that were not promoted from an earlier one."""
    return [
        tuple(sorted(search.setting(dict(row.values)).items()))
        for row in trials
        if "tuner/trial_id" not in dict(row.values)
    ]


def as_json(trials: list[Row]) -> Any:
    """Returns rows as they come out of another process."""
    return json.loads(json.dumps(trials))
