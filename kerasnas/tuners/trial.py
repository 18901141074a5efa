"""How one trial is run: seed, build, fit, keep the best epoch, say why it failed.

Overrides private parts of `keras_tuner.Tuner`, read in KerasTuner 1.4.8 (`engine/tuner.py`,
`engine/base_tuner.py`, `engine/tuner_utils.py`).
"""

import contextlib
import functools
import gc
import math
import os
import statistics
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.engine.tuner import maybe_distribute
from keras_tuner.src.engine import tuner_utils

from kerasnas.hardware.budget import LIMITS
from kerasnas.hypermodels.recipe import read_recipe
from kerasnas.keras_models.compiled import compile_anew
from kerasnas.oracles import Oracle
from kerasnas.oracles.engine.objectives import COSTS, is_cost, members
from kerasnas.oracles.engine.proposal_filter import describe as describe_violations
from kerasnas.runtime import sealed
from kerasnas.runtime.errors import describe
from kerasnas.runtime.files import CannotWriteError, disk_error, write_atomic
from kerasnas.runtime.session import clear_session, kept_random_state, seeded
from kerasnas.tuners import run_identity, tflite_objectives
from kerasnas.tuners.callbacks import list_of_callbacks
from kerasnas.tuners.checkpoint import BestEpoch, build_optimizer, load_weights
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.fresh_statistics import FreshStatistics
from kerasnas.tuners.gate import Gate
from kerasnas.tuners.inputs import check_unread
from kerasnas.tuners.reporting import Reporter

_BEFORE_VERBOSE = 4  # Arguments of `fit` that come before its `verbose`.
_HOOKS = ("on_batch_begin", "on_batch_end", "on_epoch_begin", "on_epoch_end")


class TrialRunner(keras_tuner.Tuner):
    """The half of `Tuner` that runs trials; `Tuner` adds the search around it."""

    _asked: Oracle | ForeignOracle
    _gate: Gate | None
    _seed: int
    _trained: keras.Model | None = None
    _file_scores: list[dict[str, float]]  # Of the running trial, one for each execution.
    _fresh_statistics: bool
    _target: Literal["litert", "micro"]
    _say_once: Callable[[str], None]

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        """Build and fit a trial's model, once for each execution.

        Args:
            trial: The trial, with its hyperparameter values.
            *args: Positional arguments of `search`.
            **kwargs: Keyword arguments of `search`.

        Returns:
            What `hypermodel.fit` returned, one for each execution.
        """
        values = trial.hyperparameters.values
        if "tuner/epochs" in values:
            kwargs["epochs"] = values["tuner/epochs"]
            kwargs["initial_epoch"] = values["tuner/initial_epoch"]
        callbacks = kwargs.pop("callbacks", None)
        best = BestEpoch(self._trained_objective(), self._get_checkpoint_fname(trial.trial_id))
        fresh = FreshStatistics(self._say_once) if self._fresh_statistics else None
        costs = self._costs(trial)
        scored = self._file_score(trial, args, kwargs)
        started = time.monotonic()
        results = []

        def note() -> None:
            record: dict[str, Any] = {"seconds": time.monotonic() - started, **costs}
            record |= {"epochs": best.epochs, "checkpoint_sha256": best.sha256}
            record["statistics_seconds"] = 0.0 if fresh is None else fresh.seconds
            write_atomic(self._record_fname(trial.trial_id), sealed.dumps(record))

        try:
            for execution in range(self.executions_per_trial):
                clear_session()
                gc.collect()
                # A retry with the seed of the first run would go the same way.
                attempt = self._asked.runs(trial.trial_id)
                with seeded(self._seed, trial.trial_id, attempt, execution):
                    copies = self._trial_callbacks(callbacks, trial, execution)
                    # After the best epoch is kept, and before another callback ends the training.
                    watchers = [best, *self._reporters(trial)]
                    # The user's callbacks may change the weights that are validated.
                    settling = [fresh] if fresh is not None else []
                    fit_kwargs = {**kwargs, "callbacks": [*copies, *settling, *watchers]}
                    results.append(self._build_and_fit_model(trial, *args, **fit_kwargs))
                    best.write()
                    if scored is not None:
                        self._file_scores.append(scored(best.model))
        except BaseException:
            # It says more than that it cannot be noted.
            with contextlib.suppress(CannotWriteError):
                note()
            raise
        note()
        self._check_kept(trial, best)
        return results

    def _check_kept(self, trial: Trial, best: BestEpoch) -> None:
        """End a search whose trials must go on from weights that a `fit` does not keep."""
        if trial.hyperparameters.values.get("tuner/bracket") and not best.epochs:
            raise keras_tuner.errors.FatalRuntimeError(
                f"{type(self.oracle).__name__} trains the best trials on from the weights of their "
                "best epochs, and none were kept: the `fit` of the hypermodel must pass on the "
                "`callbacks` that it is given, or call their `set_model` and `on_epoch_end`"
            )

    def _file_score(
        self, trial: Trial, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Callable[[keras.Model], dict[str, float]] | None:
        """What scores a trained model as a file; None where the search does not ask for it."""
        names = tflite_objectives.wanted(self._asked)
        if not names:
            return None
        # Before the training: a recipe that cannot be made must not cost one.
        try:
            recipe = tflite_objectives.recipe_of(self.hypermodel, trial.hyperparameters)
        except Exception as error:
            raise keras_tuner.errors.FailedTrialError(
                f"the recipe of the hypermodel cannot be made: {error}"
            ) from error
        trains = recipe is not None
        score = tflite_objectives.TFLiteScorer.of_fit(
            args, kwargs, trains, self._seed, self._target
        )
        return lambda model: score(model, recipe, names)

    def _trained_objective(self) -> keras_tuner.Objective:
        """The objective that the best epoch is chosen by: the first that is no cost."""
        return tflite_objectives.float_objective(self._metric_objective())

    def _metric_objective(self) -> keras_tuner.Objective:
        objectives = self._objectives()
        return next((one for one in objectives if not is_cost(one.name)), objectives[0])

    def _objectives(self) -> list[keras_tuner.Objective]:
        """What the oracle tells apart; KerasTuner's own makes one sum of several."""
        return self._asked.objectives

    def _reporters(self, trial: Trial) -> list[keras.callbacks.Callback]:
        reporters: list[keras.callbacks.Callback] = []
        if self._asked.reports:
            report = functools.partial(self._asked.report, trial.trial_id)
            reporters.append(Reporter(report, self._trained_objective()))
        # Last: an epoch is over when all other callbacks have survived its end.
        over = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs=None: self._asked.clear_start(trial.trial_id)
        )
        return [*reporters, over]

    def _costs(self, trial: Trial) -> dict[str, float]:
        network = network_values(trial.hyperparameters.values)
        profile = None if self._gate is None else self._gate.costs(network)
        found = {name: getattr(profile, name, None) for name in LIMITS.values()}
        if profile is None and self._gate is not None:
            found["params"] = self._gate.params(network)
        return {name: value for name, value in found.items() if value is not None}

    def _trial_callbacks(self, callbacks: Any, trial: Trial, execution: int) -> list[Any]:
        copies = self._deepcopy_callbacks(list_of_callbacks(callbacks))
        # It imports tensorboard, which only its own callback is worth.
        if any(type(callback).__name__ == "TensorBoard" for callback in copies):
            self._configure_tensorboard_dir(copies, trial, execution)
        # Per-batch hooks slow every step down: only a subclass that overrides one gets them.
        own = type(self)
        if any(getattr(own, hook) is not getattr(keras_tuner.Tuner, hook) for hook in _HOOKS):
            copies.append(tuner_utils.TunerCallback(self, trial))
        return copies

    def _record_fname(self, trial_id: str) -> str:
        return os.path.join(self.get_trial_dir(trial_id), "run.json")

    def _build_and_fit_model(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        hp = trial.hyperparameters
        model = self._try_build(hp)
        if model.built:  # Before the training is paid.
            self._cost_objectives(trial, model)
        if "tuner/trial_id" in hp.values:
            self._load_weights(model, hp.values["tuner/trial_id"])
        if "verbose" not in kwargs and len(args) <= _BEFORE_VERBOSE:
            # A default, not an argument: a `fit` of the user's own may pass `verbose` itself.
            model.fit = functools.partial(model.fit, verbose=0)
        for callback in kwargs["callbacks"]:
            if isinstance(callback, FreshStatistics):
                callback.watch(model)
        results = self.hypermodel.fit(hp, model, *args, **kwargs)
        self._trained = model
        config = _of_any_batch(model)
        write_atomic(self._get_build_config_fname(trial.trial_id), sealed.dumps(config))
        tuner_utils.validate_trial_results(results, self._trained_objective(), "HyperModel.fit()")
        return results

    def _build_hypermodel(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        with maybe_distribute(self.distribution_strategy):
            model = self.hypermodel.build(hp)
            check_model(model)
            if self.optimizer or self.loss or self.metrics:
                compile_anew(model, self.optimizer, self.loss, self.metrics)
        return model

    def _build_with_recipe(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Build a model, and read all that a trial of it will read."""
        model = self._build_hypermodel(hp)
        read_recipe(self.hypermodel, hp)
        return model

    def _try_build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        model = self._build_hypermodel(hp)
        violations = self._gate.check(model) if self._gate is not None else {}
        if violations:
            raise keras_tuner.errors.FailedTrialError(
                f"the built model breaks the budget: {describe_violations(violations)}"
            )
        if model.built:
            # Keras would make the optimizer's variables inside the first step and trace it twice:
            # a third of the first step's time.
            with maybe_distribute(self.distribution_strategy):
                build_optimizer(model)
        return model

    def _load_weights(self, model: keras.Model, trial_id: str) -> None:
        with maybe_distribute(self.distribution_strategy):
            load_weights(
                model,
                self._get_checkpoint_fname(trial_id),
                self._get_build_config_fname(trial_id),
                run_identity.read(self._record_fname(trial_id)).get("checkpoint_sha256"),
            )

    def load_model(self, trial: Trial) -> keras.Model:
        """Rebuild the model of a completed trial with the weights of its best epoch.

        Args:
            trial: A completed trial of this run.

        Returns:
            The compiled model; its optimizer goes on where the best epoch left it.

        Raises:
            ValueError: The trial has left no readable checkpoint.
        """
        with kept_random_state():  # The weights that building draws are not kept.
            model = self._build_hypermodel(trial.hyperparameters)
            self._load_weights(model, trial.trial_id)
        return model

    def _run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        # The NaN of an earlier attempt must not stand for this one's result.
        stored = self.oracle.get_trial(trial.trial_id)
        stored.metrics = type(stored.metrics)()
        self._file_scores = []
        self._trained = None  # A failed trial has left its model, which would not be freed.
        check_unread((args, kwargs))
        results = self.run_trial(trial, *args, **kwargs)
        objective = self._trained_objective()
        if self.oracle.get_trial(trial.trial_id).metrics.exists(self._metric_objective().name):
            return  # A `run_trial` of the user's own has reported by itself.
        tuner_utils.validate_trial_results(results, objective, "Tuner.run_trial()")
        _check_reported(results, objective)
        metrics = tuner_utils.convert_to_metrics_dict(results, objective)
        metrics = {**metrics, **self._cost_objectives(trial, self._trained)}
        self._trained = None
        for name in self._file_scores[0] if self._file_scores else ():
            metrics[name] = statistics.fmean(scores[name] for scores in self._file_scores)
        for wanted in (objective, self._metric_objective()):
            score = wanted.get_value(metrics)
            if not math.isfinite(score):
                raise ArithmeticError(f"{wanted.name} is {score}")
        self.oracle.update_trial(
            trial.trial_id,
            {name: float(value) for name, value in metrics.items()},
            step=tuner_utils.get_best_step(results, objective),
        )

    def _cost_names(self) -> list[str]:
        wanted = members(self.oracle.objective)
        # What an oracle limits it must be told, too.
        wanted += [objective for objective, _ in self._asked.limits]
        return sorted({one.name for one in wanted if one.name in COSTS})

    def _cost_objectives(self, trial: Trial, model: keras.Model | None) -> dict[str, float]:
        """The costs that are objectives, or limited by the oracle.

        Args:
            trial: The trial.
            model: Its model; None if it is not known.

        Raises:
            FailedTrialError: One is not known.
        """
        names = self._cost_names()
        costs = self._costs(trial) if names else {}
        if model is not None and model.built:
            costs.setdefault("params", model.count_params())
        unknown = [name for name in names if LIMITS[name] not in costs]
        if unknown:
            values = trial.hyperparameters.values
            reason = "" if self._gate is None else self._gate.why_not(network_values(values))
            raise keras_tuner.errors.FailedTrialError(
                f"the cost of the network, an objective, is not known: {', '.join(unknown)}"
                + (f". {reason}" if reason else "")
            )
        return {name: costs[LIMITS[name]] for name in names}

    def _try_run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        try:
            self._run_and_update_trial(trial, *args, **kwargs)
            trial.status = "COMPLETED"
        except (keras_tuner.errors.FatalError, CannotWriteError):
            raise
        except Exception as error:
            code = disk_error(error)
            if code is not None:
                # Another network would fare no better, and this one may be good.
                path = getattr(error, "filename", None)
                text = f"trial {trial.trial_id} was stopped by the disk: {describe(error)}"
                raise CannotWriteError(code, text, path) from error
            final = isinstance(error, keras_tuner.errors.FailedTrialError)
            trial.status = "FAILED" if final else "INVALID"
            trial.message = f"{describe(error)}\n\n{traceback.format_exc()}"


def network_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a trial's values that are the network's, and not how long it is trained."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def _of_any_batch(model: keras.Model) -> dict[str, Any]:
    """A build config without the batch size of the training, which would bind the loaded model."""
    config = model.get_build_config() or {}
    shape = config.get("input_shape")
    # Recurrent layers that keep their state from batch to batch are made for its size.
    bound = any(getattr(layer, "stateful", False) for layer in model.layers)
    # Of several inputs there is a shape each.
    if bound or not isinstance(shape, (list, tuple)) or any(isinstance(n, tuple) for n in shape):
        return config
    return {**config, "input_shape": [None, *shape[1:]]}


def check_model(model: Any) -> None:
    """Raise a TypeError that names what came instead of a Keras model."""
    if isinstance(model, keras.Model):
        return
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    if model is None:
        way_out = "Did the function forget to return the model?"
    elif kind.startswith(("tf_keras.", "tensorflow.python.keras.")):
        way_out = "That is a Keras 2 model: make it with `import keras`, which is Keras 3."
    else:
        way_out = "Return an instance of `keras.Model`."
    raise TypeError(
        f"The hypermodel must build a Keras model. {way_out} Received: an object of type {kind}"
    )


def _check_reported(results: Any, objective: keras_tuner.Objective) -> None:
    for result in results if isinstance(results, list) else [results]:
        if isinstance(result, keras.callbacks.History):
            reported = result.history
            epoch = {name: values[-1] for name, values in reported.items() if values}
            if not epoch:
                raise ValueError("no epoch was trained: check the arguments `epochs` of `search`")
            if not objective.has_value(epoch):
                raise keras_tuner.errors.FatalValueError(
                    f"Objective '{objective.name}' is not among the metrics of the training. "
                    f"Choose one of: {', '.join(sorted(epoch))}. "
                    f"Received: objective={objective.name!r}"
                )
