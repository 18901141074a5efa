"""The search space of a hypermodel: declared, or found by building where it cannot be."""

import copy
import dataclasses
import re
import warnings
from collections.abc import Callable
from typing import Any

import keras
import keras_tuner

from kerasnas.hardware.budget import Budget
from kerasnas.hypermodels import HyperModel, NotSymbolicError
from kerasnas.hypermodels.declaring import DeclaringHyperParameters
from kerasnas.hypermodels.operations import UnknownOperation
from kerasnas.hypermodels.recipe import read_recipe
from kerasnas.oracles import Oracle
from kerasnas.runtime.errors import describe
from kerasnas.tuners.costs import cost_names
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.gate import Gate

# Each build can activate one conditional scope more; so many are tried.
_MAX_BUILDS = 1000
# The error of KerasTuner 1.4.8 (hyperparameters.py:138).
_NO_PARENT = re.compile(r"`HyperParameter` named: (.+) not defined")


@dataclasses.dataclass
class SearchSpace:
    """Finds the space of a hypermodel, once for each tuner, and makes the gate of its proposals.

    Args:
        hypermodel: The hypermodel; None where a `run_trial` of the user's own needs none.
        build: Builds and compiles a model as a trial does.
        budget: Limits of the costs; None for none.
        max_params: Number of weights that no network may exceed; None or 0 for no such limit.

    Attributes:
        gate: Judges proposals, once `find` was called; None where there is no hypermodel.
        default_model: The model of the default values, where it was built to find the space.
        trains_itself: Whether the models have a `fit` of their own, as far as that is known.
    """

    hypermodel: keras_tuner.HyperModel | None
    build: Callable[[keras_tuner.HyperParameters], keras.Model]
    budget: Budget | None
    max_params: int | None

    def __post_init__(self) -> None:
        # Whether the hypermodel was asked to declare its space, and whether that is all of it.
        self._asked = False
        self._declared = False
        self.gate: Gate | None = None
        self.default_model: keras.Model | None = None
        self.trains_itself = False

    def declare(self) -> keras_tuner.HyperParameters:
        """Returns what the hypermodel declares without building a model, for a new oracle."""
        hp = keras_tuner.HyperParameters()
        if self.hypermodel is None:
            return hp
        self._asked = True
        kind = type(self.hypermodel)
        if kind.declare_hyperparameters is not HyperModel.declare_hyperparameters:
            self.hypermodel.declare_hyperparameters(hp)
            return hp
        try:
            self.hypermodel.declare(hp)
            self._declared = True
        except NotSymbolicError:
            pass  # `find` builds models to find the space.
        return hp

    def find(self, oracle: Oracle | ForeignOracle, journals: bool) -> dict[str, Any]:
        """Gives an oracle the whole space and the gate.

        Args:
            oracle: The oracle; it has been made with what `declare` returned, if that was called.
            journals: Whether the oracle is to journal what is built to judge a proposal.

        Returns:
            What tells the space from another, by name: its hyperparameters as text, and what the
            default network is.
        """
        if self.hypermodel is None:
            return {"space": [], "network": ""}
        self.gate = Gate(
            self.hypermodel,
            space=oracle.get_space,
            budget=self.budget,
            max_params=self.max_params or None,
            wants_latency="latency_ms" in cost_names(oracle),
            **({"building": oracle.building} if journals else {}),
        )
        limits = self.gate.violations if self.gate.limits else None
        oracle.attach(gate=limits, key=self.gate.key, work=self.gate.work)
        hp = oracle.get_space()
        try:
            if not self.gate.sketches:
                raise NotSymbolicError  # The space is found by building, below.
            if not self._declared:
                self.hypermodel.declare(hp)
            names = [parameter.name for parameter in hp.space]
            network = self.gate.key({})
        except NotSymbolicError:
            hp = oracle.get_space()
            if not self._asked:
                self.hypermodel.declare_hyperparameters(hp)
            self.default_model, names = discover(self._build_with_recipe, hp)
            self.trains_itself = type(self.default_model).fit is not keras.Model.fit
            ends = ("input_shape", "output_shape")
            network = str([getattr(self.default_model, end, None) for end in ends])
        oracle.update_space(hp)
        found = {repr(parameter) for parameter in hp.space if parameter.name in names}
        return {"space": sorted(found), "network": network}

    def _build_with_recipe(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds a model, and reads all hyperparameters that a trial of it will read."""
        model = self.build(hp)
        read_recipe(self.hypermodel, hp)
        return model


def discover(
    build: Callable[[keras_tuner.HyperParameters], Any], hp: keras_tuner.HyperParameters
) -> tuple[Any, list[str]]:
    """Builds until every conditional scope was active once, and registers what the builds read.

    To make a scope active, other hyperparameters keep their defaults, so that the same hypermodel
    always gives the same space. KerasTuner draws unseeded random values there.

    Args:
        build: Builds a model; the hyperparameters that it asks for are added to its argument.
        hp: The hyperparameters known so far; the found ones are added to it.

    Returns:
        The model of the default values, and the names of the hyperparameters that its build read.

    Raises:
        Exception: What the build with the default values raised, with a note.
        ValueError: A conditional scope in which KerasTuner does not find the parent.
    """
    first = DeclaringHyperParameters.from_config(hp.get_config())
    try:
        model = build(first)
    except Exception as error:
        error.add_note(
            "The hypermodel must build with the default values of its hyperparameters, before any "
            f"trial: it was built to find the search space. Received: {first.values}"
        )
        raise
    hp.merge(first, overwrite=False)
    names = sorted({parameter.name for parameter in first.space})
    seen, waiting = list(first.active_scopes), list(first.inactive_scopes)
    for _ in range(_MAX_BUILDS):
        waiting = [scope for scope in waiting if scope not in seen]
        if not waiting:
            break
        scope = waiting[0]
        seen.append(scope)  # It is tried once only, whether or not that makes it active.
        trial = _activated(hp, scope)
        try:
            build(trial)
        except UnknownOperation:
            raise
        except Exception as error:
            _tell(error, scope)
        hp.merge(trial.space, overwrite=False)
        seen += [found for found in trial.active_scopes if found not in seen]
        waiting += [copy.deepcopy(found) for found in trial.inactive_scopes]
    return model, names


def _activated(hp: keras_tuner.HyperParameters, scope: list[Any]) -> keras_tuner.HyperParameters:
    """Default values, but for the parents of a scope, whose values make it active."""
    trial = DeclaringHyperParameters.from_config(hp.get_config())
    trial.values = {condition.name: condition.values[0] for condition in scope}
    for parameter in trial.space:
        if trial.is_active(parameter):
            trial.values.setdefault(parameter.name, parameter.default)
    return trial


def _tell(error: Exception, scope: list[Any]) -> None:
    """Says which branch of the space cannot be built, and that its trials will fail."""
    missing = _NO_PARENT.search(str(error))
    if missing:
        raise ValueError(
            f"A conditional scope on {missing[1]!r} stands where KerasTuner does not find its "
            "parent, which must be declared before it and under exactly the conditions that are "
            f'open there. Use `with kerasnas.hypermodels.scope(hp, "{missing[1]}", [...])`, which '
            "nests freely, or one scope of the values that all of them allow"
        ) from error
    branch = ", ".join(f"{condition.name}={condition.values[0]!r}" for condition in scope)
    warnings.warn(
        f"The branch of the search space at {branch} cannot be built, so its trials will fail, and "
        f"hyperparameters that it declares further on are not known: {describe(error)}",
        RuntimeWarning,
        stacklevel=2,
    )
