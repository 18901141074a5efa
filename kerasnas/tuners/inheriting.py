"""Which trial a training takes its first weights from."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import Oracle
from kerasnas.runtime.session import clear_session
from kerasnas.training.inheritance import LayerWeights, inherit, weights_of
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.inputs import bind_fit

_GENERATIONS = 20


@dataclasses.dataclass
class Inheritance:
    """Finds the weights that the networks of a search begin with, and gives them to these.

    A full training begins with the weights of the nearest ancestor that was trained in full, and
    has half of the epochs. Trainings whose length a fidelity sets begin anew, because their scores
    rank networks, and would rank those with the longer line of ancestors first.

    Args:
        oracle: What the tuner asks.
        wanted: Whether networks inherit at all.
        load: Builds the model of a completed trial with its weights.
        say: Is told, in a line, what a user should know.

    Attributes:
        source: Id of the trial that the one at hand inherits from; None for none.
    """

    oracle: Oracle | ForeignOracle
    wanted: bool
    load: Callable[[Trial], keras.Model]
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self.source: str | None = None
        self._from: str | None = None
        self._weights: Mapping[str, LayerWeights] = {}

    def begin(self, trial: Trial) -> None:
        """Reads the weights for a trial that begins."""
        self.source, self._weights = None, {}
        if not self.wanted:
            return
        ancestor = self._ancestor(trial)
        if ancestor is None:
            return
        self._from = ancestor.trial_id
        try:
            clear_session()  # Names that Keras gives by itself must be those of the child.
            self._weights = weights_of(self.load(ancestor))
        except ValueError as error:
            self.say(
                f"Trial {trial.trial_id} begins anew, because the weights of trial "
                f"{ancestor.trial_id} cannot be inherited: {error}"
            )

    def give(self, model: keras.Model) -> bool:
        """Gives a built model what it inherits, and returns whether that is anything."""
        given = bool(self._weights) and model.built and inherit(model, self._weights) > 0
        self.source = self._from if given else None
        return given

    def _ancestor(self, trial: Trial) -> Trial | None:
        """Returns the nearest ancestor of a full training that was trained in full."""
        if isinstance(self.oracle, ForeignOracle) or not _is_full(trial):
            return None
        lineage = self.oracle.lineage
        full: dict[str, Trial] = {}
        for name, one in self.oracle.trials.items():
            if one.status == "COMPLETED" and _is_full(one):
                full[lineage.get(name, {}).get("network", name)] = one
        here = lineage.get(trial.trial_id, {}).get("network", trial.trial_id)
        for _ in range(_GENERATIONS):
            parents = lineage.get(here, {}).get("parents", [])
            if not parents:
                return None
            here = lineage.get(parents[0], {}).get("network", parents[0])
            if here in full:
                return full[here]
        return None


def _is_full(trial: Trial) -> bool:
    return "tuner/epochs" not in trial.hyperparameters.values


def half_of_the_epochs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Returns arguments of `fit` by name, with half of the epochs, rounded up."""
    fit = bind_fit(args, kwargs)
    return {**fit, "epochs": math.ceil(fit.get("epochs", 1) / 2)}
