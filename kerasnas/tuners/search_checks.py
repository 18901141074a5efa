"""Checks the arguments of `search` against the oracle and the hypermodel, before any trial."""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import keras
import keras_tuner

from kerasnas.data.splits import count_samples, train_and_validation
from kerasnas.hypermodels.fitting import check_fit, check_targets
from kerasnas.hypermodels.trained import has_own_fit, training_of
from kerasnas.oracles import Oracle, SearchCall
from kerasnas.oracles.engine.objectives import is_cost, members
from kerasnas.runtime.session import kept_random_state
from kerasnas.tuners import inputs, tflite_objectives
from kerasnas.tuners.callbacks import check_monitors, check_types, list_of_callbacks
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.results import Results
from kerasnas.tuners.space import SearchSpace

_BEFORE_EPOCHS = 3  # Arguments of `fit` that come before its `epochs`.


@dataclasses.dataclass(frozen=True)
class SearchChecks:
    """Refuses arguments of `search` with which every trial would fail.

    Args:
        tuner: The tuner, whose hypermodel and number of executions a trial has.
        oracle: What the tuner asks.
        space: The space, which may know the default network.
        results: What the trials have come to.
        build: Builds and compiles a model as a trial does.
        own_run_trial: The `run_trial` of the user's own; None where the tuner's own runs.
    """

    tuner: keras_tuner.Tuner
    oracle: Oracle | ForeignOracle
    space: SearchSpace
    results: Results
    build: Callable[[keras_tuner.HyperParameters], keras.Model]
    own_run_trial: Callable[..., Any] | None

    @property
    def _own_fit(self) -> bool:
        return has_own_fit(self.tuner.hypermodel)

    def trains_itself(self) -> bool:
        """Returns whether only the user's own code knows what the arguments of `search` mean."""
        return self.own_run_trial is not None or self._own_fit or self.space.trains_itself

    def fit_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Returns what of the arguments of `search` are those of `keras.Model.fit`, by name."""
        return {} if self.trains_itself() else inputs.bind_fit(args, kwargs)

    def call(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], seconds: float | None
    ) -> SearchCall:
        """Returns what a fidelity needs to know of a call of `search`.

        Args:
            args: Positional arguments of `search`.
            kwargs: Its keyword arguments.
            seconds: The time limit, or None.
        """
        if self.trains_itself():
            return SearchCall(kwargs.get("epochs"), None, seconds)
        fit = inputs.bind_fit(args, kwargs)
        return SearchCall(fit.get("epochs", 1), count_samples(fit), seconds)

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Checks the arguments of `search`.

        Raises:
            TypeError: An argument that the user's own code does not take, or no callback.
            ValueError: Data or an objective that no trial can be trained with.
        """
        self._check_signature(args, kwargs)
        if self.own_run_trial is None:
            check_types(kwargs.get("callbacks"))
            self.tuner._deepcopy_callbacks(list_of_callbacks(kwargs.get("callbacks")))
        if self.trains_itself():
            return
        epochs = self.oracle.max_epochs
        if epochs is not None and len(args) > _BEFORE_EPOCHS:
            raise ValueError(
                "The oracle says how many epochs a trial trains: pass them to it as `max_epochs`, "
                f"and none to `search`. Received: epochs={args[_BEFORE_EPOCHS]!r}"
            )
        # Every trial passes `callbacks` by name, so they cannot be given by position as well.
        fit = inputs.bind_fit(args, {"callbacks": None, **kwargs})
        inputs.check_data(fit)
        training = training_of(self.tuner.hypermodel)
        if training is not None:
            check_fit(training, fit)
        inputs.check_generators(fit, self.oracle.max_trials, self.tuner.executions_per_trial)
        if tflite_objectives.wanted(self.oracle):
            train_and_validation(fit, enough=1)
            tflite_objectives.recipe_of(self.tuner.hypermodel, self.oracle.get_space())
        if epochs is not None and fit.get("epochs", epochs) != epochs:
            # Scripts written for KerasTuner's Hyperband pass it; it has no effect there either.
            warnings.warn(
                f"`search(epochs={fit['epochs']})` has no effect: how long a trial trains says "
                f"{type(self.tuner.oracle).__name__}, up to its max_epochs={epochs}",
                stacklevel=3,
            )
        if not self.results.best_trials(1):
            self._check_model(fit)

    def _check_signature(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Checks that what the user has written to train with takes what it will be given."""
        if self.own_run_trial is not None:
            inputs.check_takes(self.own_run_trial, "run_trial", (None, *args), kwargs)
        elif self._own_fit:
            given = {"callbacks": [], **kwargs}
            if self.oracle.max_epochs is not None:
                given |= {"epochs": 1, "initial_epoch": 0}
            inputs.check_takes(self.tuner.hypermodel.fit, "fit", (None, None, *args), given)

    def _check_model(self, fit: dict[str, Any]) -> None:
        """Checks that the default network can be trained to what is searched for."""
        model, self.space.default_model = self.space.default_model, None
        if model is None:
            # The defaults may be settings that fail; the trials will tell.
            with kept_random_state(), contextlib.suppress(Exception):
                model = self.build(self.oracle.get_space())
        if model is None:
            return
        check_monitors(fit.get("callbacks"), model)
        training = training_of(self.tuner.hypermodel)
        if training is not None:
            check_targets(training, model)
        for objective in members(self.oracle.objective):
            if not is_cost(objective.name):
                inputs.check_objective(objective, model, fit)
        for objective, _ in self.oracle.limits:
            inputs.check_direction(objective, model)
        if tflite_objectives.wanted(self.oracle):
            tflite_objectives.check_model(model)
