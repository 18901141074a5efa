"""The search around the trials: any oracle, any hypermodel, under a budget.

Overrides private parts of `keras_tuner.Tuner`, read in KerasTuner 1.4.8 (`engine/base_tuner.py`).
"""

import contextlib
import gc
import inspect
import os
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.src.distribute import utils as distribute

from kerasnas.data.splits import train_and_validation
from kerasnas.hardware.budget import Budget
from kerasnas.hypermodels.hypermodel import HyperModel, NotSymbolicError
from kerasnas.oracles.engine.objectives import is_cost, members
from kerasnas.runtime import run_folder, sealed
from kerasnas.runtime.files import CannotWriteError, write_atomic
from kerasnas.runtime.pointwise_gradients import make_pointwise_gradients_safe
from kerasnas.runtime.session import kept_random_state, seeded
from kerasnas.tuners import arguments, inputs, run_identity, tflite_objectives
from kerasnas.tuners.callbacks import check_monitors, check_types, list_of_callbacks
from kerasnas.tuners.data_identity import data_identity
from kerasnas.tuners.foreign_oracle import ForeignOracle, answering
from kerasnas.tuners.gate import Gate
from kerasnas.tuners.progress import Progress, format_seconds, quiet_tracing, reason
from kerasnas.tuners.results import Results
from kerasnas.tuners.space import discover
from kerasnas.tuners.trial import TrialRunner
from kerasnas.tuners.warm_start import WarmStart, first_settings

_SHORTEST_WAIT, _LONGEST_WAIT = 0.05, 5.0  # Seconds between two questions to an idle oracle.
_BEFORE_EPOCHS = 3  # Arguments of `fit` that come before its `epochs`.
_ALARMING = 3  # Failures in a row, from the first trial on, that look like a mistake.


class Tuner(Results):
    """Search a hypermodel's space with any oracle.

    A `keras_tuner.Tuner`, with a budget, a time limit, and files that survive a kill at any moment.
    A trial that fails to build, raises, or whose loss is not finite is one failed trial with a
    reason, and so is one whose process has ended three times before its first epoch was over. A
    disk without room fails no trial: it ends the search, which goes on later. The same seed gives
    the same trials, and on the same machine the same scores.

    Args:
        hypermodel: A `keras_tuner.HyperModel`, or a function that takes hyperparameters and
            returns a Keras model.
        oracle: Any `keras_tuner.Oracle`, or the name or class of a strategy, as
            `kerasnas.oracles.make` takes it. By default that is "auto", which chooses one and says
            which. The two may come in the order of `keras_tuner.Tuner`, too: the oracle first.
        budget: A `kerasnas.Budget`. What breaks it is never trained and costs no trial.
        objective: For an oracle that is not passed: name of a metric, a `kerasnas.Objective`,
            or a list of these and of costs (params, macs, flash, ram, latency_ms; the last needs
            a budget with `latency`). "val_tflite_accuracy", or any metric so, is that of the int8
            file of each trained model, run by the interpreter; `tflite_size` and
            `tflite_latency_ms` are its bytes and its milliseconds on this machine.
        max_trials: For an oracle that is not passed: number of trials, 10 by default.
        max_time: Time limit of one call of `search`, in seconds or as "90s", "30m", "2h"; no
            trial starts after it, and another `search` goes on.
        warm_start: What is trained first, as trials of the search: the name of a zero-cost proxy
            ("synflow", "naswot", "grad_norm", "macs", "params") or a `kerasnas.WarmStart`, which
            ranks untrained networks, or a list of settings.
        seed: Seed of the training, and of an oracle that is not passed; by default the oracle's.
        directory: Folder of the runs.
        project_name: Folder of this run in it. A run found there is resumed.
        overwrite: Whether to delete a run found there; done when the search begins. Files beside
            it that are not the run's are kept.
        retry_failed: Whether the next search first runs the failed trials of a resumed run again;
            `search(..., retry_failed=True)` is the same.
        executions_per_trial: How often a trial is trained; its score is the mean.
        optimizer: Takes the place of the hypermodel's, as in KerasTuner.
        loss: Takes the place of the hypermodel's.
        metrics: Take the place of the hypermodel's.
        max_model_size: Largest number of parameters of a model, as `Budget(params=...)` has it.
        distribution_strategy: A `tf.distribute.Strategy` for every trial.
        tuner_id: Name of this tuner among several that share an oracle.
        logger: Has no effect: scripts for old versions of KerasTuner pass it.
        fresh_statistics: Whether the moving statistics of batch normalization are taken anew from
            up to 512 training samples before a validation: moving averages lag behind weights that
            move, and scores of short trainings are noise with them.
        target: The runtime that files are for, which an objective of the file and `rerank` make:
            "litert" (phones), or "micro" to have each run on TensorFlow Lite Micro, too (needs
            `pip install 'kerasnas[micro]'`). A trial whose file does not run there has failed.

    Raises:
        ImportError: The target is "micro", and tflite-micro is not installed.
        TypeError: An argument of the wrong type, or a hypermodel that builds no Keras model.
        ValueError: An argument out of range or that is none of these, a run folder of another
            hypermodel or objective, or, with `overwrite`, a folder that holds no run or is a
            symbolic link.

    Example:

    >>> import keras, kerasnas as kn
    >>> def build(hp):
    ...     units = hp.Int("units", 4, 64)
    ...     layers = [keras.Input((8,)), keras.layers.Dense(units), keras.layers.Dense(1)]
    ...     model = keras.Sequential(layers)
    ...     model.compile("adam", "mse")
    ...     return model
    >>> oracle = kn.oracles.GreedyOracle("val_loss", max_trials=20, seed=0)
    >>> tuner = kn.Tuner(build, oracle, directory="/tmp/runs", project_name="mlp", overwrite=True)
    """

    def __init__(
        self,
        hypermodel: Any = None,
        oracle: keras_tuner.Oracle | type[keras_tuner.Oracle] | str | None = None,
        *,
        budget: Budget | None = None,
        objective: Any = None,
        max_trials: int | None = None,
        max_time: float | str | None = None,
        warm_start: Any = None,
        seed: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
        retry_failed: bool = False,
        executions_per_trial: int = 1,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        max_model_size: int | None = None,
        distribution_strategy: Any = None,
        tuner_id: str | None = None,
        fresh_statistics: bool = True,
        target: Literal["litert", "micro"] = "litert",
        logger: Any = None,
        **unknown: Any,
    ) -> None:
        arguments.check_known(type(self), unknown, inspect.signature(Tuner).parameters)
        arguments.check_logger(logger)
        hypermodel, oracle = arguments.in_our_order(hypermodel, oracle)
        if hypermodel is not None or type(self).run_trial is TrialRunner.run_trial:
            arguments.check_hypermodel(hypermodel)
        if loss is not None and isinstance(hypermodel, HyperModel):
            hypermodel.check_loss(loss)
        made = arguments.choose_oracle(oracle, hypermodel, objective, max_trials, seed)
        folder = os.path.join(directory or ".", project_name or "untitled_project")
        # What is asked of an oracle, which may be KerasTuner's; `oracle` is the oracle itself.
        self._asked = answering(made, folder)
        arguments.check_oracle(self._asked, executions_per_trial, hypermodel)
        arguments.check_budget(budget, self._asked)
        inputs.check_positive("executions_per_trial", executions_per_trial)
        tflite_objectives.check_target(target)
        arguments.check_retry_failed(retry_failed, self._asked)
        self.max_time = inputs.parse_duration(max_time)
        self.budget = budget
        self._warm_start = arguments.check_warm_start(warm_start, self._asked)
        self._name = arguments.name_of(hypermodel if hypermodel is not None else type(self))
        # KerasTuner's workers share the folder: only the chief may delete it.
        self._overwrite = overwrite and not self._is_worker()
        self._retry_failed = retry_failed
        self._gate: Gate | None = None
        self._first_model: keras.Model | None = None
        self._model_fits_itself = False
        self._saved = ""
        make_pointwise_gradients_safe()
        self._file_scores = []
        self._fresh_statistics, self._target = fresh_statistics, target
        self._said: set[str] = set()
        self._run_seed: int | None = None
        self._data: dict[str, str] = {}
        self._progress: Progress | None = None
        # What building the space needs, before KerasTuner's constructor sets it.
        self.optimizer, self.loss, self.metrics = optimizer, loss, metrics
        self.max_model_size = max_model_size
        self.distribution_strategy = distribution_strategy
        run_folder.check(directory or ".", project_name or "untitled_project", self._overwrite)
        # KerasTuner's constructor would reload, or delete the folder, before anything is checked;
        # without a file of the tuner it goes to `_populate_initial_space`, which decides.
        self._get_tuner_fname: Callable[[], str] = lambda: ""
        super().__init__(
            made,
            hypermodel,
            max_model_size=max_model_size,
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            distribution_strategy=distribution_strategy,
            directory=directory,
            project_name=project_name,
            tuner_id=tuner_id,
            executions_per_trial=executions_per_trial,
        )
        del self._get_tuner_fname
        # In a worker KerasTuner has put a client of the chief's oracle in its place.
        self._asked = answering(self.oracle, folder)
        # An oracle that was named has this seed; one that was passed has its own.
        self._seed = made.seed
        if seed is not None and made is oracle:
            self._seed = run_identity.same_seed(seed, self._run_seed)

    def __repr__(self) -> str:
        """What is searched by what, and how far it is, on one line."""
        trials, most = self._ended(), self.oracle.max_trials
        best = self._best_so_far() if any(one.status == "COMPLETED" for one in trials) else ""
        return (
            f"<{type(self).__name__} of {self._name}: {len(trials)} of {most or 'any number of'} "
            f"trials in {self.project_dir}{', ' if best else ''}{best}>"
        )

    def _populate_initial_space(self) -> None:
        """Declare or discover the space, then reload the run that is in the folder, if any."""
        with kept_random_state():  # Building a model draws from it.
            space, network = self._find_space()
            self._identity = {"hypermodel": self._name, "space": space, "network": network}
            self._asked.identity = self._identity
            self._asked.failures_are_seen = True
            self._identity = {**self._identity, "objective": str(self.oracle.objective)}
            folder = os.path.join(self.directory, self.project_name)
            if not self._overwrite and run_folder.has_run(folder):
                self.reload()

    def _find_space(self) -> tuple[list[str], str]:
        """Give what tells the space from another: its hyperparameters, and the default network."""
        if self.hypermodel is None:
            return [], ""
        # The journal is the chief's.
        watch = {} if self._is_worker() else {"building": self._asked.building}
        self._gate = Gate(
            self.hypermodel,
            space=self.oracle.get_space,
            budget=self.budget,
            max_params=self.max_model_size or None,
            wants_latency="latency_ms" in self._cost_names(),
            **watch,
        )
        self._asked.attach(
            gate=self._gate.violations if self._gate.limits else None, key=self._gate.key
        )
        hp = self.oracle.get_space()
        try:
            self._gate.space(hp)
            names = [parameter.name for parameter in hp.space]
            network = self._gate.key({})
        except NotSymbolicError:
            hp = self.oracle.get_space()
            self.hypermodel.declare_hyperparameters(hp)
            self._first_model, names = discover(self._build_with_recipe, hp)
            self._model_fits_itself = type(self._first_model).fit is not keras.Model.fit
            ends = ("input_shape", "output_shape")
            network = str([getattr(self._first_model, end, None) for end in ends])
        self.oracle.update_space(hp)
        return sorted({repr(found) for found in hp.space if found.name in names}), network

    def reload(self) -> None:
        """Read the run in the project's folder.

        Raises:
            ValueError: It belongs to another hypermodel or objective, or its oracle's file cannot
                be read.
        """
        state = run_identity.read(TrialRunner._get_tuner_fname(self))
        self._data, self._run_seed = state.pop("data", {}), state.pop("seed", None)
        identity = state.pop("identity", self._identity)
        if identity != self._identity:
            difference = run_identity.difference(identity, self._identity)
            raise ValueError(
                f"The run in {self.project_dir} is another search: {difference}. "
                "Choose another `project_name`, or pass `overwrite=True` to delete it"
            )
        self._asked.reload()
        if state:
            self.set_state(state)

    def save(self) -> None:
        """Write the oracle's files and the tuner's own."""
        self._clear_folder()
        self._asked.snapshot()
        self._save_tuner_file()

    def _save_tuner_file(self) -> None:
        ours = {"identity": self._identity, "data": self._data, "seed": self._seed}
        text = sealed.dumps({**self.get_state(), **ours})
        if text != self._saved:
            write_atomic(self._get_tuner_fname(), text)
            self._saved = text

    def _clear_folder(self) -> None:
        if self._overwrite:
            run_folder.delete_run(self.directory, self.project_name)
            self._overwrite = False

    def enqueue(self, values: dict[str, Any]) -> None:
        """Put known-good settings before the oracle's own proposals.

        Args:
            values: Hyperparameter values by name; the others take their defaults.

        Raises:
            ValueError: An unknown name, a value outside the space, or settings above the budget.
            TypeError: The oracle takes no settings.
        """
        self._clear_folder()
        with kept_random_state():  # Judging the settings can mean building a model.
            self._asked.enqueue(values)

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Run trials until the oracle stops or `max_time` is over.

        Args:
            *fit_args: Positional arguments of `fit`, such as x and y.
            **fit_kwargs: Keyword arguments of `fit`. `verbose` is 0 for nothing, 1 for a line a
                trial, 2 to have Keras's own lines too. `retry_failed=True` first runs the trials
                again that have failed.

        Raises:
            ValueError: Data of different lengths or none, an objective that training does not
                report, or a budget that no proposal meets.
            RuntimeError: Not one trial was completed.
            OSError: A file cannot be written, by the search or by the training: there is no room,
                or the disk fails. The trial stays to be run.
        """
        verbose = arguments.verbosity(fit_kwargs)
        retry_failed = fit_kwargs.pop("retry_failed", self._retry_failed)
        # The chief has the trials.
        retry_failed = retry_failed and not self._is_worker()
        arguments.check_retry_failed(retry_failed, self._asked)
        self._check_search(fit_args, fit_kwargs)
        self._clear_folder()
        crashed = self._asked.fail_crashed()
        nothing_learned = self._ended() and not self._is_worker() and not self._completed()
        if retry_failed or nothing_learned:
            # What has ended its process would end it again: only who asks for that gets it.
            self._asked.retry_failed(crashed=retry_failed)
        self._retry_failed = False
        self._note_data(fit_args, fit_kwargs)
        if distribute.is_chief_oracle():
            super().search(*fit_args, **fit_kwargs)
            return
        self.oracle.verbose = 0  # The lines are ours.
        self._save_tuner_file()
        deadline = None if self.max_time is None else time.monotonic() + self.max_time
        trials, done = self._trials(), self._ended()
        total = self.oracle.max_trials
        self._progress = progress = Progress(verbose, total, len(done), deadline)
        if self._asked.chosen:
            progress.say(f"Strategy: {self._asked.chosen}")
        for trial in crashed:
            progress.say(f"trial {trial.trial_id} has failed: {trial.message}")
        if done:
            failed = sum(trial.status == "FAILED" for trial in done)
            progress.say(f"Resuming {self.project_dir}: {len(done)} trials are done")
            if failed and not isinstance(self._asked, ForeignOracle):
                progress.say(
                    f"{failed} of them failed in an earlier search and are not run again: "
                    "search(..., retry_failed=True) does"
                )
        self.on_search_begin()
        try:
            # The gate builds models too, between the trials.
            with quiet_tracing(), _unfrozen_after(), seeded(self._seed, "search"):
                if not trials:
                    self._start_warm(progress, fit_args, fit_kwargs)
                failures, completed = self._run_trials(progress, deadline, fit_args, fit_kwargs)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                progress.say("Interrupted. Run it again to go on from here")
            if isinstance(error, CannotWriteError):
                progress.say(
                    "Stopped: a file cannot be written. Make room and run it again to go on from "
                    "here: no trial has failed for it"
                )
            # The journal has everything, and the error at hand says more than one of saving.
            with contextlib.suppress(OSError):
                self._asked.snapshot()
            raise
        else:
            self._asked.snapshot()
        finally:
            progress.close()
        self.on_search_end()
        stop_reason = self._asked.stop_reason
        if not completed and failures:
            raise RuntimeError(
                f"No trial was completed: all {len(failures)} failed, the first with: {failures[0]}"
            )
        if not completed and stop_reason:
            raise ValueError(f"No trial could be run: {stop_reason}")
        if stop_reason:
            progress.say(f"Stopped: {stop_reason}")

    def _start_warm(
        self, progress: Progress, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        wanted = self._warm_start
        settings = [] if isinstance(wanted, WarmStart) else wanted
        if isinstance(wanted, WarmStart) and self._gate is not None:
            progress.say(
                f"Ranking {wanted.candidates} untrained networks by {wanted.name}, of which "
                f"the best {wanted.keep} are trained first"
            )
            settings = first_settings(
                wanted,
                self.hypermodel,
                self._build_hypermodel,
                self.oracle.get_space(),
                self._gate,
                {} if self._trains_itself() else inputs.bind_fit(args, kwargs),
                self._seed,
                self.max_time,
            )
        for values in settings:
            self._asked.enqueue(values)

    def _ended(self) -> list[Trial]:
        return [one for one in self._trials() if one.status in ("COMPLETED", "FAILED")]

    def _completed(self) -> bool:
        return any(trial.status == "COMPLETED" for trial in self._trials())

    def _note_data(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Remember what the first trials of the run are scored on; warn if that was other data."""
        here = data_identity(args, kwargs)
        if self._completed():
            run_identity.check_data(here, self._data, self.project_dir)
        if not self._completed() or not self._data:
            self._data = here

    def _say_once(self, text: str) -> None:
        if self._progress is not None and text not in self._said:
            self._said.add(text)
            self._progress.say(text)

    def _trains_itself(self) -> bool:
        """Whether what the arguments of `search` mean is the user's own business."""
        return (
            type(self).run_trial is not TrialRunner.run_trial
            or type(self.hypermodel).fit is not keras_tuner.HyperModel.fit
            or self._model_fits_itself
        )

    def _run_trials(
        self,
        progress: Progress,
        deadline: float | None,
        fit_args: tuple[Any, ...],
        fit_kwargs: dict[str, Any],
    ) -> tuple[list[str], bool]:
        """The loop. Gives the reasons of the failed trials, and whether one was ever completed."""
        failures = [reason(trial.message) for trial in self._trials() if trial.status == "FAILED"]
        wait = _SHORTEST_WAIT
        while True:
            if deadline is not None and time.monotonic() >= deadline:
                progress.say(
                    f"Stopped: max_time of {format_seconds(self.max_time or 0)} is over. "
                    "Call search again to go on"
                )
                break
            self.pre_create_trial()
            trial = self.oracle.create_trial(self.tuner_id)
            if trial.status == "STOPPED":
                break
            if trial.status == "IDLE":
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            wait = _SHORTEST_WAIT
            progress.begin_trial(trial.trial_id)
            # Each trained model leaves some 9,000 objects behind, which every later collection
            # would visit: 7 ms more a trial. Between two trials only such leftovers are frozen.
            gc.collect()
            gc.freeze()
            with self._noted_start(trial):
                self.on_trial_begin(trial)
                self._try_run_and_update_trial(trial, *fit_args, **fit_kwargs)
                self.on_trial_end(trial)
            ended = self.oracle.get_trial(trial.trial_id)
            outcome: dict[str, float] | str = reason(ended.message)
            if ended.status == "COMPLETED":
                outcome = self._reached(ended)
            elif ended.status != "FAILED":
                progress.say(f"trial {ended.trial_id} will be tried again: {outcome}")
                continue
            else:
                failures.append(reason(ended.message))
                alarming = len(failures) == _ALARMING and len({*failures}) == 1
                if alarming and not self.get_best_trials(1):
                    warnings.warn(
                        f"The first {_ALARMING} trials all failed, and none was completed: "
                        f"{outcome}",
                        stacklevel=3,
                    )
            progress.end_trial(
                ended.trial_id,
                outcome,
                self._best_so_far(),
                self._asked.turned_away,
                self._asked.repaired,
            )
        return failures, bool(self.get_best_trials(1))

    @contextlib.contextmanager
    def _noted_start(self, trial: Trial) -> Iterator[None]:
        """Journal that a trial starts; an error that leaves it has not ended the process."""
        self._asked.note_start(trial.trial_id)
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):
                self._asked.clear_start(trial.trial_id)
            raise

    def _reached(self, trial: Trial) -> dict[str, float]:
        objectives = self._objectives()
        if len(objectives) == 1:
            return {self.oracle.objective.name: trial.score}
        return {one.name: trial.metrics.get_best_value(one.name) for one in objectives}

    def _best_so_far(self) -> str:
        """The best trial and its score; of several objectives, how many no other is better than."""
        if len(self._objectives()) > 1:
            front = len(self._asked.get_pareto_trials())
            return f"front {front}" if front else ""
        best = next(iter(self.get_best_trials(1)), None)
        return "" if best is None else f"best {best.score:.4f} (trial {best.trial_id})"

    def on_trial_end(self, trial: Trial) -> None:
        """Hand a trial back to the oracle, which saves it.

        Args:
            trial: The trial that was run.
        """
        self.oracle.end_trial(trial)
        self._save_tuner_file()

    def _check_search(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._check_signature(args, kwargs)
        if type(self).run_trial is TrialRunner.run_trial:
            check_types(kwargs.get("callbacks"))
            self._deepcopy_callbacks(list_of_callbacks(kwargs.get("callbacks")))
        if self._trains_itself():
            return
        if self._asked.max_epochs is not None and len(args) > _BEFORE_EPOCHS:
            raise ValueError(
                "The oracle says how many epochs a trial trains: pass them to it as `max_epochs`, "
                f"and none to `search`. Received: epochs={args[_BEFORE_EPOCHS]!r}"
            )
        # A trial adds callbacks of its own, by name.
        fit = inputs.bind_fit(args, {"callbacks": None, **kwargs})
        inputs.check_data(fit)
        inputs.check_generators(fit, self.oracle.max_trials, self.executions_per_trial)
        files = tflite_objectives.wanted(self._asked)
        if files:
            train_and_validation(fit, enough=1)
            tflite_objectives.recipe_of(self.hypermodel, self.oracle.get_space())
        epochs = self._asked.max_epochs
        if epochs is not None and fit.get("epochs", epochs) != epochs:
            # Scripts written for KerasTuner's Hyperband pass it; it has no effect there either.
            warnings.warn(
                f"`search(epochs={fit['epochs']})` has no effect: how long a trial trains says "
                f"{type(self.oracle).__name__}, up to its max_epochs={epochs}",
                stacklevel=3,
            )
        if self.get_best_trials(1):
            return
        model = self._first_model if self._first_model is not None else self._default_model()
        if model is not None:
            check_monitors(fit.get("callbacks"), model)
            for objective in members(self.oracle.objective):
                if not is_cost(objective.name):
                    inputs.check_objective(objective, model, fit)
            for objective, _ in self._asked.limits:
                inputs.check_direction(objective, model)
            if files:
                tflite_objectives.check_model(model)
        self._first_model = None

    def _check_signature(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Check that what the user has written to train with takes what it will be given."""
        if type(self).run_trial is not TrialRunner.run_trial:
            inputs.check_takes(self.run_trial, "run_trial", (None, *args), kwargs)
        elif type(self.hypermodel).fit is not keras_tuner.HyperModel.fit:
            given = {"callbacks": [], **kwargs}
            if self._asked.max_epochs is not None:
                given |= {"epochs": 1, "initial_epoch": 0}
            inputs.check_takes(self.hypermodel.fit, "fit", (None, None, *args), given)

    def _default_model(self) -> keras.Model | None:
        with kept_random_state():
            try:
                return self._build_hypermodel(self.oracle.get_space())
            except Exception:
                return None  # The defaults may be a corner that fails; the trials will tell.


@contextlib.contextmanager
def _unfrozen_after() -> Iterator[None]:
    """Hand what was frozen in the block back to the garbage collector."""
    frozen = gc.get_freeze_count()
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()
