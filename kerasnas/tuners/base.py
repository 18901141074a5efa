"""The tuner: any oracle, any hypermodel, under a budget.

Overrides private parts of `keras_tuner.Tuner`, read in KerasTuner 1.4.8 (`engine/tuner.py`,
`engine/base_tuner.py`, `engine/hypermodel.py`).
"""

import inspect
import os
from collections.abc import Callable
from typing import Any, Literal

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.engine.tuner import maybe_distribute
from keras_tuner.src.distribute import utils as distribute
from keras_tuner.src.engine.hypermodel import get_hypermodel

from kerasnas.export import micro
from kerasnas.hardware.budget import Budget
from kerasnas.oracles import Oracle
from kerasnas.runtime.arguments import check_integer
from kerasnas.runtime.pointwise_gradients import make_pointwise_gradients_safe
from kerasnas.runtime.session import kept_random_state
from kerasnas.tuners import arguments, inputs
from kerasnas.tuners.building import build_model
from kerasnas.tuners.foreign_oracle import answering
from kerasnas.tuners.project_folder import ProjectFolder, same_seed
from kerasnas.tuners.rerank import FileRanking
from kerasnas.tuners.results import Results
from kerasnas.tuners.search_checks import SearchChecks
from kerasnas.tuners.search_loop import SearchLoop
from kerasnas.tuners.space import SearchSpace
from kerasnas.tuners.trial import TrialRunner
from kerasnas.tuners.warm_start import FirstTrials


class Tuner(keras_tuner.Tuner):
    """Searches a hypermodel's space with any oracle.

    A `keras_tuner.Tuner`, with a budget, a time limit, and files that survive a kill at any moment.
    A trial that fails to build, raises, whose loss is not finite, or whose process has ended three
    times before its first epoch was over, is a failed trial with a reason. A disk without room
    fails no trial: it ends the search, which goes on later. The same seed gives the same trials,
    and on the same machine the same scores.

    Args:
        hypermodel: A `keras_tuner.HyperModel`, or a function that builds a model of `hp`.
        oracle: Any `keras_tuner.Oracle`, or the name or class of a strategy, as
            `kerasnas.oracles.make` takes it. By default that is "auto", which says what it chooses.
            The two may come in the order of `keras_tuner.Tuner`, too: the oracle first.
        budget: A `kerasnas.Budget`. What breaks it is never trained and costs no trial.
        objective: For an oracle that is not passed: name of a metric, a `kerasnas.Objective`,
            or a list of these and of costs (params, macs, flash, ram, latency_ms; the last needs
            a budget with `latency`). "val_tflite_accuracy", or any metric so, is that of each
            model's int8 file; `tflite_size` and `tflite_latency_ms` are its bytes and milliseconds.
        max_trials: For an oracle that is not passed: number of trials. By default 10, or any
            number where `max_time` is given.
        fidelity: For an oracle that is not passed: a `kerasnas.oracles.Fidelity`, or "auto", which
            trains shortly where it finds that to rank networks well, and the best of them in full.
        max_time: Time limit of a call of `search`, in seconds or as "90s", "30m", "2h"; no trial
            starts after it, and another `search` goes on.
        warm_start: What is trained first, as trials of the search: settings, the name of a proxy
            ("synflow", "naswot", "grad_norm", "macs", "params") or a `kerasnas.WarmStart`.
        seed: Seed of the training, and of an oracle that is not passed; by default the oracle's.
        directory: Folder of the runs.
        project_name: Folder of this run in it. A run found there is resumed.
        overwrite: Whether to delete a run found there, when the search begins; other files stay.
        retry_failed: Whether the next search runs failed trials again, as its own argument does.
        executions_per_trial: How often a trial is trained; its score is the mean.
        optimizer: Takes the place of the hypermodel's, as in KerasTuner.
        loss: Likewise.
        metrics: Likewise.
        max_model_size: Largest number of parameters of a model, as `Budget(params=...)` has it.
        distribution_strategy: A `tf.distribute.Strategy` for every trial.
        tuner_id: Name of this tuner among several that share an oracle.
        logger: Has no effect: scripts for old versions of KerasTuner pass it.
        fresh_statistics: Whether the moving statistics of batch normalization are taken anew from
            up to 512 training samples before a validation, since moving averages lag behind.
        fast_steps: Whether steps are made cheaper, with the same numbers (TensorFlow only).
        inherit: Whether full trainings begin with an ancestor's weights, in half of the epochs.
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

    >>> import kerasnas as kn
    >>> space = kn.LayerwiseHyperModel((8, 8, 1), 10)
    >>> tuner = kn.Tuner(space, "greedy", objective="val_accuracy", directory="/tmp/runs")
    """

    def __init__(
        self,
        hypermodel: Any = None,
        oracle: Any = None,
        *,
        budget: Budget | None = None,
        objective: Any = None,
        max_trials: int | None = None,
        fidelity: Any = None,
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
        fast_steps: bool = True,
        inherit: bool = False,
        target: Literal["litert", "micro"] = "litert",
        logger: Any = None,
        **unknown: Any,
    ) -> None:
        arguments.check_known(type(self), unknown, inspect.signature(Tuner).parameters)
        arguments.check_logger(logger)
        hypermodel, oracle = arguments.in_our_order(hypermodel, oracle)
        own_run_trial = None if type(self).run_trial is Tuner.run_trial else self.run_trial
        arguments.check_hypermodel(hypermodel, loss, needed=own_run_trial is None)
        self._name = arguments.name_of(hypermodel if hypermodel is not None else type(self))
        self.hypermodel = get_hypermodel(hypermodel)
        build = self._build_hypermodel
        self._space = SearchSpace(self.hypermodel, build, budget, max_model_size)
        of_oracle = objective, max_trials, max_time, fidelity, seed
        made = arguments.choose_oracle(oracle, *of_oracle, self._space.declare)
        # KerasTuner's workers share the folder: only the chief may delete it.
        overwrite = overwrite and not self._is_worker()
        self._folder = ProjectFolder(directory, project_name, tuner_id, overwrite)
        # What the tuner asks. `self.oracle` is the oracle itself, as in KerasTuner.
        self._asked = answering(made, self._folder.path)
        arguments.check_oracle(self._asked, hypermodel, budget, executions_per_trial)
        micro.check_target(target)
        arguments.check_retry_failed(retry_failed, self._asked)
        self.max_time = inputs.parse_duration(max_time)
        self.budget = budget
        wanted_first = arguments.check_warm_start(warm_start, self._asked)
        self._retry_failed = retry_failed
        make_pointwise_gradients_safe()
        # What building the space needs, before KerasTuner's constructor sets it.
        self.optimizer, self.loss, self.metrics = optimizer, loss, metrics
        self.distribution_strategy = distribution_strategy
        # KerasTuner's constructor would reload, or delete the folder, before anything is checked;
        # without a file of the tuner it goes to `_populate_initial_space`, which decides.
        self._get_tuner_fname: Callable[[], str] = lambda: ""
        super().__init__(
            made,
            self.hypermodel,
            max_model_size=max_model_size,
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            distribution_strategy=distribution_strategy,
            directory=self._folder.directory,
            project_name=self._folder.project_name,
            tuner_id=self._folder.tuner_id,
            executions_per_trial=executions_per_trial,
        )
        del self._get_tuner_fname
        # In a worker KerasTuner has put a client of the chief's oracle in its place.
        self._asked = asked = answering(self.oracle, self._folder.path)
        # An oracle that was named has this seed; one that was passed has its own.
        self._seed = made.seed
        if seed is not None and made is oracle:
            self._seed = same_seed(seed, self._folder.seed)
        gate, folder, seed = self._space.gate, self._folder, self._seed
        self._results = Results(asked, folder)
        self._last_fit: dict[str, Any] = {}  # Of `search`, for `kerasnas.retrain`.
        self._checks = SearchChecks(self, asked, self._space, self._results, build, own_run_trial)
        first = FirstTrials(wanted_first, self.hypermodel, build, asked, gate, seed)
        self._loop = SearchLoop(self, asked, self._results, first, seed)
        ways = fresh_statistics, fast_steps, target, inherit
        self._runner = TrialRunner(self, asked, gate, folder, seed, *ways, self._loop.say_once)
        self._ranking = FileRanking(self, asked, seed, target)

    def __repr__(self) -> str:
        """What is searched by what, and how far it is, on one line."""
        return f"<{type(self).__name__} of {self._name}: {self._results.summary()}>"

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Runs trials until the oracle stops or `max_time` is over.

        Args:
            *fit_args: Positional arguments of `fit`, such as x and y.
            **fit_kwargs: Keyword arguments of `fit`. `verbose` is 0 for nothing, 1 for a line a
                trial, 2 to have Keras's own lines too. `retry_failed=True` first runs the trials
                again that have failed.

        Raises:
            ValueError: Data of different lengths or none, an objective that training does not
                report, or a budget that no proposal meets.
            RuntimeError: Not one trial was completed.
            OSError: A file cannot be written. The trial stays to be run.
        """
        verbose = arguments.verbosity(fit_kwargs)
        retry_failed = fit_kwargs.pop("retry_failed", self._retry_failed) and not self._is_worker()
        arguments.check_retry_failed(retry_failed, self._asked)
        self._checks.check(fit_args, fit_kwargs)
        self._asked.prepare(self._checks.call(fit_args, fit_kwargs, self.max_time))
        self._folder.clear()
        crashed = self._loop.take_up(retry_failed)
        self._retry_failed = False
        self._folder.note_data(fit_args, fit_kwargs, self._results.any_completed())
        if distribute.is_chief_oracle():
            super().search(*fit_args, **fit_kwargs)
            return
        self.oracle.verbose = 0  # The lines are ours.
        self._folder.write(self.get_state(), self._seed)
        self._last_fit = self._checks.fit_arguments(fit_args, fit_kwargs)
        self._loop.run(fit_args, fit_kwargs, self._last_fit, verbose, self.max_time, crashed)

    def enqueue(self, values: dict[str, Any]) -> None:
        """Puts known-good settings before the oracle's own proposals.

        Args:
            values: Hyperparameter values by name; the others take their defaults.

        Raises:
            ValueError: An unknown name, a value outside the space, or settings above the budget.
            TypeError: The oracle takes no settings.
        """
        with kept_random_state():  # Judging the settings can mean building a model.
            if isinstance(self._asked, Oracle):  # Others refuse, and no run is deleted for that.
                self._folder.clear()
            self._asked.enqueue(values)

    def on_trial_end(self, trial: Trial) -> None:
        """Hands a trial back to the oracle, which saves it.

        Args:
            trial: The trial that was run.
        """
        self._asked.end_trial(trial)
        self._folder.write(self.get_state(), self._seed)

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        """Builds and fits a trial's model, once for each execution.

        Args:
            trial: The trial, with its hyperparameter values.
            *args: Positional arguments of `search`.
            **kwargs: Keyword arguments of `search`.

        Returns:
            What `hypermodel.fit` returned, one for each execution.
        """
        return self._runner.run(trial, args, kwargs)

    def load_model(self, trial: Trial) -> keras.Model:
        """Rebuilds the model of a completed trial with the weights of its best epoch.

        Args:
            trial: A completed trial of this run.

        Returns:
            The compiled model; its optimizer goes on where the best epoch left it.

        Raises:
            ValueError: The trial has left no readable checkpoint.
        """
        return self._runner.load_model(trial)

    def _build_hypermodel(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        with maybe_distribute(self.distribution_strategy):
            return build_model(self.hypermodel, hp, self.optimizer, self.loss, self.metrics)

    def _try_build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return self._runner.prepare(self._build_hypermodel(hp))

    def _build_and_fit_model(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        return self._runner.build_and_fit(trial, args, kwargs)

    def _run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        self._runner.run_and_update(trial, args, kwargs)

    def _try_run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        self._runner.try_run(trial, args, kwargs)

    def _populate_initial_space(self) -> None:
        """Finds the space, then reads the run in the folder; KerasTuner's constructor calls it."""
        with kept_random_state():  # Building a model draws from it.
            # The journal is the chief's.
            found = self._space.find(self._asked, journals=not self._is_worker())
            identity = {"hypermodel": self._name, **found}
            self._asked.identity, self._asked.failures_are_seen = identity, True
            self._folder.identity = {**identity, "objective": str(self.oracle.objective)}
            if self._folder.has_run():
                self.reload()

    def reload(self) -> None:
        """Reads the run in the project's folder.

        Raises:
            ValueError: It belongs to another hypermodel or objective, or its oracle's file cannot
                be read.
        """
        state = self._folder.read()
        self._asked.reload()
        if state:
            self.set_state(state)

    def save(self) -> None:
        """Writes the oracle's files and the tuner's own."""
        self._folder.clear()
        # The journal of an oracle of ours has it all; this writes it into one file.
        self._asked.snapshot()
        self._folder.write(self.get_state(), self._seed)

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Returns the best completed trials, the best first; fewer if there are fewer."""
        check_integer("num_trials", num_trials, least=1)
        return self._results.best_trials(num_trials)

    def get_pareto_trials(self) -> list[Trial]:
        """Returns the completed trials that no other beats in all objectives."""
        return self._asked.get_pareto_trials()

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[keras_tuner.HyperParameters]:
        """Returns the hyperparameters of the best completed trials, the best first."""
        return [trial.hyperparameters for trial in self.get_best_trials(num_trials)]

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        """Returns the compiled models of the best trials with the weights of their best epochs."""
        check_integer("num_models", num_models, least=1)
        return [self.load_model(trial) for trial in self.get_best_trials(num_models)]

    def results(self) -> list[dict[str, Any]]:
        """Returns everything that is known about each trial, in the order of the trials.

        Returns:
            A dict a trial: trial_id, status, score, metrics, values, params, macs, flash_bytes,
            ram_bytes, latency_ms, epochs, samples (in an epoch), best_step, duration and
            statistics_duration (seconds), inherited_from, parents, operator, message; of several
            objectives also pareto (whether no other trial is better in all) and hypervolume (what
            the trials up to this one dominate, as a share of the box between the best and the worst
            of each objective). What is not known is None.
        """
        return self._results.rows()

    def rerank(
        self,
        k: int,
        x: Any,
        y: Any = None,
        *,
        validation_data: Any = None,
        validation_split: float | None = None,
        recipe: Any = None,
    ) -> list[dict[str, Any]]:
        """Compresses the best trials, and puts them into the order of their files' scores.

        The order of float models is not that of their files. Each of the `k` trials is compressed
        and its file is scored on the validation data by the interpreter, by the metric that the
        search has as its objective, or its first one of several; limits and costs play no part. One
        that cannot be compressed comes last, with its reason.

        Args:
            k: How many of the best trials.
            x: Training data, as `search` takes it, for calibration and fine-tuning.
            y: Its targets.
            validation_data: As `search` takes it.
            validation_split: Likewise.
            recipe: Steps of `kerasnas.compress`. By default the hypermodel's own recipe for the
                trial where it has one, or else int8 after training.

        Returns:
            A dict a trial, the best file first: trial_id, score (of the search), metric (its name),
            value (of the file), bytes, rank_before, rank_after, compressed (a
            `kerasnas.compression.Compressed`, whose `save` writes the file) and message. Of a trial
            that failed value, bytes and compressed are None; of others, message is.

        Raises:
            ValueError: `k` is not from 1 to the number of completed trials, there is no validation
                data, the recipe is none, or the objective is no metric of the file.

        Example:

        ```python
        tuner.search(x, y, validation_data=(xv, yv), epochs=5)
        best, *_ = tuner.rerank(2, x, y, validation_data=(xv, yv))
        best["compressed"].save("model.tflite")
        ```
        """
        check_integer("k", k, least=1)
        held = {"validation_data": validation_data, "validation_split": validation_split}
        return self._ranking.rank(self.get_best_trials(k), k, {"x": x, "y": y, **held}, recipe)
