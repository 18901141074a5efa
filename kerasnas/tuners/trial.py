"""How one trial is run: seed, build, fit, keep the best epoch, say why it failed.

Uses private parts of KerasTuner, read in version 1.4.8 (`engine/tuner_utils.py` and the methods of
`engine/tuner.py` and `engine/base_tuner.py` that `kerasnas.Tuner` overrides).
"""

import contextlib
import dataclasses
import functools
import gc
import math
import statistics
import time
import traceback
from collections.abc import Callable
from typing import Any, Literal

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.engine.tuner import maybe_distribute
from keras_tuner.src.engine import tuner_utils

from kerasnas.data.splits import count_samples, fewer_samples
from kerasnas.hypermodels.trained import has_own_fit
from kerasnas.oracles import Oracle
from kerasnas.oracles.engine.proposal_filter import describe as describe_violations
from kerasnas.runtime import sealed
from kerasnas.runtime.errors import describe
from kerasnas.runtime.files import CannotWriteError, disk_error, write_atomic
from kerasnas.runtime.session import clear_session, kept_random_state, seeded
from kerasnas.training import fast_steps
from kerasnas.tuners import tflite_objectives
from kerasnas.tuners.building import build_config
from kerasnas.tuners.callbacks import list_of_callbacks
from kerasnas.tuners.checkpoint import BestEpoch, build_optimizer, load_weights
from kerasnas.tuners.costs import Costs
from kerasnas.tuners.foreign_oracle import ForeignOracle
from kerasnas.tuners.fresh_statistics import FreshStatistics
from kerasnas.tuners.gate import Gate
from kerasnas.tuners.inheriting import Inheritance, half_of_the_epochs
from kerasnas.tuners.inputs import bind_fit, check_unread
from kerasnas.tuners.project_folder import ProjectFolder
from kerasnas.tuners.reporting import Reporter
from kerasnas.tuners.tflite_objectives import TFLiteScorer

_BEFORE_VERBOSE = 4  # Arguments of `fit` that come before its `verbose`.
_HOOKS = ("on_batch_begin", "on_batch_end", "on_epoch_begin", "on_epoch_end")


@dataclasses.dataclass
class TrialRunner:
    """Runs the trials of a tuner, one at a time, and tells the oracle how each has gone.

    `args` and `kwargs` of its methods are the arguments of `search`, by position and by name.

    Args:
        tuner: The tuner. Its methods are called, not those of this class, where users override
            them: `run_trial`, `_build_and_fit_model`, `_try_build`, `on_epoch_end` and so on.
        oracle: What the tuner asks.
        gate: Checks the built models against the budget; None where there is no hypermodel.
        folder: The folder of the run.
        seed: Seed of all trainings.
        fresh_statistics: Whether batch normalization's statistics are taken anew before each
            validation.
        fast_steps: Whether the steps of a training are made cheaper.
        target: The runtime that files are made for.
        inherit: Whether a full training begins with the weights of an ancestor.
        say: Is told, in a line, what a user should know of the trainings.
    """

    tuner: keras_tuner.Tuner
    oracle: Oracle | ForeignOracle
    gate: Gate | None
    folder: ProjectFolder
    seed: int
    fresh_statistics: bool
    fast_steps: bool
    target: Literal["litert", "micro"]
    inherit: bool
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self._costs = Costs(self.oracle, self.gate)
        self._inheritance = Inheritance(self.oracle, self.inherit, self.load_model, self.say)
        self._trained_objective = tflite_objectives.trained_objective(self.oracle)
        # Of the trial that runs: the model that was trained last, and what its files scored, one
        # for each execution.
        self._trained: keras.Model | None = None
        self._file_scores: list[dict[str, float]] = []
        # How many samples an epoch of the trial that runs has, where it is known.
        self._samples: int | None = None

    def try_run(self, trial: Trial, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Runs a trial, and notes in it whether it is completed or why it failed.

        Raises:
            FatalError: Every other trial would fail too.
            CannotWriteError: The disk is full or fails, which is not the network's fault.
        """
        try:
            self.tuner._run_and_update_trial(trial, *args, **kwargs)
            trial.status = "COMPLETED"
        except (keras_tuner.errors.FatalError, CannotWriteError):
            raise
        except Exception as error:
            code = disk_error(error)
            if code is not None:
                # Every network would fail on this disk, and this one may be good.
                path = getattr(error, "filename", None)
                text = f"trial {trial.trial_id} was stopped by the disk: {describe(error)}"
                raise CannotWriteError(code, text, path) from error
            final = isinstance(error, keras_tuner.errors.FailedTrialError)
            trial.status = "FAILED" if final else "INVALID"
            trial.message = f"{describe(error)}\n\n{traceback.format_exc()}"

    def run_and_update(self, trial: Trial, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Runs a trial and gives the oracle its scores: of the training, the costs and the file.

        Raises:
            ArithmeticError: A score is not finite.
        """
        # Otherwise the NaN of an earlier attempt would be taken for the result of this one.
        stored = self.oracle.get_trial(trial.trial_id)
        stored.metrics = type(stored.metrics)()
        self._file_scores = []
        self._trained = None  # The model of a failed trial would not be freed.
        check_unread((args, kwargs))
        results = self.tuner.run_trial(trial, *args, **kwargs)
        searched = tflite_objectives.metric_objective(self.oracle)
        trained = self._trained_objective
        if self.oracle.get_trial(trial.trial_id).metrics.exists(searched.name):
            return  # A `run_trial` of the user's own has reported by itself.
        tuner_utils.validate_trial_results(results, trained, "Tuner.run_trial()")
        _check_reported(results, trained)
        metrics = tuner_utils.convert_to_metrics_dict(results, trained)
        metrics = {**metrics, **self._costs.objectives(trial, self._trained)}
        self._trained = None
        for name in self._file_scores[0] if self._file_scores else ():
            metrics[name] = statistics.fmean(scores[name] for scores in self._file_scores)
        for objective in (trained, searched):
            score = objective.get_value(metrics)
            if not math.isfinite(score):
                raise ArithmeticError(f"{objective.name} is {score}")
        self.oracle.update_trial(
            trial.trial_id,
            {name: float(value) for name, value in metrics.items()},
            step=tuner_utils.get_best_step(results, trained),
        )

    def run(self, trial: Trial, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """Builds and trains a trial's model; returns what `fit` returned, for each execution."""
        values = trial.hyperparameters.values
        if "tuner/epochs" in values:
            kwargs["epochs"] = values["tuner/epochs"]
            kwargs["initial_epoch"] = values["tuner/initial_epoch"]
        if "tuner/samples" in values:
            fit = bind_fit(args, kwargs)
            args, kwargs = (), fewer_samples(fit, values["tuner/samples"], self.seed)
        callbacks = kwargs.pop("callbacks", None)
        checkpoint = self.tuner._get_checkpoint_fname(trial.trial_id)
        best = BestEpoch(self._trained_objective, checkpoint)
        fresh = [FreshStatistics(self.say)] if self.fresh_statistics else []
        costs = self._costs.of(trial)
        scored = self._file_score(trial, args, kwargs)
        self._samples = None
        self._inheritance.begin(trial)
        started = time.monotonic()
        results = []

        def note() -> None:
            record: dict[str, Any] = {"seconds": time.monotonic() - started, **costs}
            record |= {"epochs": best.epochs, "samples": self._samples}
            record["checkpoint_sha256"] = best.sha256
            record["inherited_from"] = self._inheritance.source
            record["statistics_seconds"] = sum((one.seconds for one in fresh), 0.0)
            self.folder.note_trial(trial.trial_id, record)

        try:
            for execution in range(self.tuner.executions_per_trial):
                clear_session()
                gc.collect()
                # With the seed of the first run a retry would end as that did.
                attempt = self.oracle.runs(trial.trial_id)
                with seeded(self.seed, trial.trial_id, attempt, execution):
                    # The user's come first, as they may change weights before a validation, and
                    # those that tell the oracle last, as they may end the training.
                    users = self._trial_callbacks(callbacks, trial, execution)
                    kwargs["callbacks"] = [*users, *fresh, best, *self._reporters(trial)]
                    results.append(self.tuner._build_and_fit_model(trial, *args, **kwargs))
                    best.write()
                    if scored is not None:
                        self._file_scores.append(scored(best.model))
        except BaseException:
            # The error at hand says more than one of writing the record.
            with contextlib.suppress(CannotWriteError):
                note()
            raise
        note()
        self._check_kept(trial, best)
        return results

    def build_and_fit(self, trial: Trial, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Builds a trial's model and trains it once; returns what `hypermodel.fit` returned."""
        hp = trial.hyperparameters
        model = self.tuner._try_build(hp)
        if model.built:  # An unknown cost is an error before the training is paid.
            self._costs.objectives(trial, model)
        if "tuner/trial_id" in hp.values:
            self._load_weights(model, hp.values["tuner/trial_id"])
        if "verbose" not in kwargs and len(args) <= _BEFORE_VERBOSE:
            # It is a default and no argument, for a `fit` of the user's own may pass `verbose`.
            model.fit = functools.partial(model.fit, verbose=0)
        for callback in kwargs["callbacks"]:
            if isinstance(callback, FreshStatistics):
                callback.watch(model)
        # A `fit` of the user's own may use the optimizer in any way.
        own_fit = has_own_fit(self.tuner.hypermodel)
        if self._inheritance.give(model) and not own_fit:
            args, kwargs = (), half_of_the_epochs(args, kwargs)
        if not own_fit and type(model).fit is keras.Model.fit:
            self._samples = count_samples(bind_fit(args, kwargs))
        plain = own_fit or not self.fast_steps
        with contextlib.nullcontext() if plain else fast_steps(model):
            results = self.tuner.hypermodel.fit(hp, model, *args, **kwargs)
        self._trained = model
        path = self.tuner._get_build_config_fname(trial.trial_id)
        write_atomic(path, sealed.dumps(build_config(model)))
        tuner_utils.validate_trial_results(results, self._trained_objective, "HyperModel.fit()")
        return results

    def prepare(self, model: keras.Model) -> keras.Model:
        """Checks a compiled model against the budget, and makes the variables of its optimizer.

        Returns:
            The same model.

        Raises:
            FailedTrialError: It breaks the budget.
        """
        violations = self.gate.check(model) if self.gate is not None else {}
        if violations:
            raise keras_tuner.errors.FailedTrialError(
                f"the built model breaks the budget: {describe_violations(violations)}"
            )
        if model.built:
            # Keras would make the optimizer's variables inside the first step and trace it twice:
            # a third of the first step's time.
            with maybe_distribute(self.tuner.distribution_strategy):
                build_optimizer(model)
        return model

    def load_model(self, trial: Trial) -> keras.Model:
        """Builds the compiled model of a completed trial, with the weights of its best epoch.

        Raises:
            ValueError: The trial has left no readable checkpoint.
        """
        with kept_random_state():  # The weights that building draws are not kept.
            model = self.tuner._build_hypermodel(trial.hyperparameters)
            self._load_weights(model, trial.trial_id)
        return model

    def _file_score(
        self, trial: Trial, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Callable[[keras.Model], dict[str, float]] | None:
        """What scores a trained model as a file; None where the search does not ask for it."""
        names = tflite_objectives.wanted(self.oracle)
        if not names:
            return None
        # Made before the training, so that a recipe that cannot be made does not cost one.
        try:
            recipe = tflite_objectives.recipe_of(self.tuner.hypermodel, trial.hyperparameters)
        except Exception as error:
            raise keras_tuner.errors.FailedTrialError(
                f"the recipe of the hypermodel cannot be made: {error}"
            ) from error
        trains = recipe is not None
        score = TFLiteScorer.of_fit(args, kwargs, trains, self.seed, self.target)
        return lambda model: score(model, recipe, names)

    def _load_weights(self, model: keras.Model, trial_id: str) -> None:
        """Gives a model the weights and the optimizer's state of a trial's best epoch."""
        with maybe_distribute(self.tuner.distribution_strategy):
            load_weights(
                model,
                self.tuner._get_checkpoint_fname(trial_id),
                self.tuner._get_build_config_fname(trial_id),
                self.folder.record_of(trial_id).get("checkpoint_sha256"),
            )

    def _trial_callbacks(self, callbacks: Any, trial: Trial, execution: int) -> list[Any]:
        """Copies of the user's callbacks, and the one that calls the tuner's hooks."""
        copies = self.tuner._deepcopy_callbacks(list_of_callbacks(callbacks))
        # This imports tensorboard, so it is called only where the callback is used.
        if any(type(callback).__name__ == "TensorBoard" for callback in copies):
            self.tuner._configure_tensorboard_dir(copies, trial, execution)
        # Hooks of each batch slow every step down: only a tuner that overrides one gets them.
        own = type(self.tuner)
        if any(getattr(own, hook) is not getattr(keras_tuner.Tuner, hook) for hook in _HOOKS):
            copies.append(tuner_utils.TunerCallback(self.tuner, trial))
        return copies

    def _reporters(self, trial: Trial) -> list[keras.callbacks.Callback]:
        """Callbacks that tell the oracle of each epoch."""
        reporters: list[keras.callbacks.Callback] = []
        if self.oracle.reports:
            report = functools.partial(self.oracle.report, trial.trial_id)
            reporters.append(Reporter(report, self._trained_objective))
        # It is the last callback: if another one ends the process, the epoch was not over.
        over = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs=None: self.oracle.clear_start(trial.trial_id)
        )
        return [*reporters, over]

    def _check_kept(self, trial: Trial, best: BestEpoch) -> None:
        """Ends a search whose trials must go on from weights that a `fit` does not keep."""
        if trial.hyperparameters.values.get("tuner/bracket") and not best.epochs:
            raise keras_tuner.errors.FatalRuntimeError(
                f"{type(self.tuner.oracle).__name__} trains the best trials on from the weights "
                "of their best epochs, and none were kept: the `fit` of the hypermodel must pass "
                "on the `callbacks` that it is given, or call their `set_model` and `on_epoch_end`"
            )


def _check_reported(results: Any, objective: keras_tuner.Objective) -> None:
    """Refuses the history of a training without epochs, or without the objective."""
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
