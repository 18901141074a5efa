"""The end of a search: its finalists are trained in full, several times, with a teacher."""

import contextlib
import dataclasses
import json
import math
import os
import pathlib
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from kerasnas.compression import Compressed, compress
from kerasnas.compression.recipe import checked_recipe
from kerasnas.data.arrays import Samples
from kerasnas.data.dataset import samples
from kerasnas.data.splits import train_and_validation
from kerasnas.hypermodels.hypermodel import HyperModel
from kerasnas.hypermodels.trained import has_own_fit
from kerasnas.hypermodels.training import Training, check_fixed
from kerasnas.oracles import genome
from kerasnas.oracles.engine.objectives import float_name, sort_key
from kerasnas.runtime import sealed
from kerasnas.runtime.arguments import check_integer, check_number
from kerasnas.runtime.errors import describe
from kerasnas.runtime.files import write_atomic
from kerasnas.runtime.session import clear_session, kept_random_state, seeded
from kerasnas.training import fast_steps
from kerasnas.training.teaching import taught
from kerasnas.tuners.base import Tuner
from kerasnas.tuners.checkpoint import BestEpoch, load_weights
from kerasnas.tuners.fresh_statistics import FreshStatistics
from kerasnas.tuners.progress import quiet_tracing
from kerasnas.tuners.tflite_objectives import TFLiteScorer, trained_objective

_FOLDER = "retrained"


@dataclasses.dataclass
class Retrained:
    """What `retrain` has come to.

    Attributes:
        rows: A dict a training: trial_id, seed, score (on validation), epochs, seconds, message
            (why it failed, or None).
        summary: A dict a finalist, the best first: trial_id, mean and spread (standard deviation)
            of its scores, best, trainings, searched (its score in the search, or None); with a
            recipe file_score, that of the file of its best training, and message.
        model: The winner: of the best finalist the training that is best on validation.
        compressed: The winner's file as `kerasnas.compress` makes it; None without a recipe.
        test: Scores of the winner on the test data by name, of its file if there is one; None
            without test data.
    """

    rows: list[dict[str, Any]]
    summary: list[dict[str, Any]]
    model: keras.Model
    compressed: Compressed | None
    test: dict[str, float] | None


def retrain(
    tuner: Tuner,
    k: int = 3,
    seeds: int = 3,
    *,
    x: Any = None,
    y: Any = None,
    validation_data: Any = None,
    test_data: Any = None,
    epochs: int | None = None,
    training: Training | None = None,
    teacher: Any = "ensemble",
    mix: float = 0.5,
    recipe: Sequence[Any] | None = None,
    verbose: int = 1,
) -> Retrained:
    """Trains the best networks of a search in full, each several times, and picks one.

    Each training begins from scratch, and keeps the weights of its best epoch. The finalist is
    chosen on validation data: by the score of its file where there is a recipe, or else by the
    mean over its trainings. The test data is read once, for the winner. Finished trainings are kept
    in the folder of the run, and are not repeated when the call is repeated after an interruption.

    Args:
        tuner: A tuner whose search has completed trials.
        k: How many of the best networks.
        seeds: How often each is trained.
        x: Training data as arrays. By default data, validation data and epochs are those of the
            last call of `search` in this process, and so are its other arguments.
        y: Its targets.
        validation_data: As `search` takes it.
        test_data: Tuple (x, y) or (x, y, sample_weight), or a data set of batches of these, which
            the search has never seen.
        epochs: Epochs of a training.
        training: A `kerasnas.Training` in the place of the hypermodel's, with nothing searched.
        teacher: What the networks learn from beside the targets: "ensemble" for the mean output of
            the search's best models, a trained `keras.Model`, which may be larger than the budget,
            or None.
        mix: Weight of the teacher's outputs in the targets, from 0 to 1.
        recipe: Steps of `kerasnas.compress`, such as `[kn.Quantize("int8", method="qat")]`, for the
            best training of each finalist.
        verbose: 0 for no lines, 1 for one a training.

    Returns:
        `Retrained`.

    Raises:
        ValueError: No completed trial, no data, or an argument out of its range.
        TypeError: The tuner is not of kerasnas.
        RuntimeError: Every training has failed.

    Source:
        A mean of models as the teacher: Hinton, Vinyals and Dean, arXiv:1503.02531, section 2.

    Example:

    ```python
    tuner.search(x, y, validation_data=(xv, yv), epochs=5)
    found = kn.retrain(tuner, k=2, seeds=2, epochs=10, test_data=(x_test, y_test))
    found.model.save("winner.keras")
    ```
    """
    if not isinstance(tuner, Tuner):
        raise TypeError(
            "Argument `tuner` must be a tuner of kerasnas, such as kerasnas.Tuner. "
            f"Received: {type(tuner).__module__}.{type(tuner).__name__}"
        )
    check_integer("k", k, least=1)
    check_integer("seeds", seeds, least=1)
    check_number("mix", mix, least=0, most=1)
    check_integer("epochs", epochs, least=1, optional=True)
    fit = dict(tuner._last_fit)
    if x is not None:
        fit |= {"x": x, "y": y, "validation_data": validation_data, "sample_weight": None}
        fit.pop("validation_split", None)
    if fit.get("x") is None:
        raise ValueError(
            "`retrain` needs data: pass x, y and validation_data, as this process has not called "
            "`search`, or the search trains by code of your own. Received: x=None"
        )
    if epochs is not None:
        fit["epochs"] = epochs
    trials = _finalists(tuner, k)
    steps = None if recipe is None else checked_recipe(list(recipe))
    train, validation = train_and_validation(fit, None)
    run = _Run(tuner, fit, train, validation, training, mix, verbose)
    with kept_random_state(), quiet_tracing(), _trained_by(tuner.hypermodel, training):
        run.learn_from(teacher, trials)
        rows = [run.train(trial, seed) for trial in trials for seed in range(seeds)]
        summary = [_summed(trial, rows, run.objective) for trial in trials]
        if not any(row["score"] is not None for row in rows):
            raise RuntimeError(f"Every training has failed, the first with: {rows[0]['message']}")
        files = {one["trial_id"]: run.compressed(one, rows, steps) for one in summary if steps}
        wanted = "file_score" if steps else "mean"
        summary.sort(key=lambda one: sort_key(one.get(wanted), run.objective))
        winner = summary[0]
        model = run.best_model(winner["trial_id"], rows)
        compressed = files.get(winner["trial_id"])
        test = None
        if test_data is not None:
            scored = compressed if compressed is not None else model
            given = {} if compressed is not None else {"return_dict": True, "verbose": 0}
            held_out = samples("test_data", test_data)
            xt, yt, weights = keras.utils.unpack_x_y_sample_weight(held_out)
            test = scored.evaluate(xt, yt, sample_weight=weights, **given)
    if verbose:
        _say_where_the_search_was_better(summary, run.objective)
    return Retrained(rows, summary, model, compressed, test)


class _Run:
    """Trains finalists, and keeps what was trained."""

    def __init__(
        self,
        tuner: Tuner,
        fit: Mapping[str, Any],
        train: Samples,
        validation: Samples,
        training: Training | None,
        mix: float,
        verbose: int,
    ) -> None:
        self._tuner, self._mix, self._verbose = tuner, mix, verbose
        x, y, weights = train
        self._x, self._y = x, y
        self._train, self._validation = train, validation
        held = validation if validation[2] is not None else validation[:2]
        left = {"x", "y", "sample_weight", "validation_data", "validation_split", "callbacks"}
        left |= {"verbose", "initial_epoch"}
        self._fit = {name: value for name, value in fit.items() if name not in left}
        self._fit |= {"x": x, "sample_weight": weights, "validation_data": held, "verbose": 0}
        self.objective = trained_objective(tuner._asked)
        self._trials = dict(tuner.oracle.trials)
        self._outputs: np.ndarray | None = None
        self._told = {
            "epochs": self._fit.get("epochs", 1),
            "batch_size": self._fit.get("batch_size"),
            "training": repr(training),
        }

    def learn_from(self, teacher: Any, trials: Sequence[Trial]) -> None:
        """Computes what the teacher says of the training data."""
        if teacher is None or self._mix == 0:
            self._told["teacher"] = None
            return
        if isinstance(teacher, keras.Model):
            models: Iterator[keras.Model] = iter([teacher])
            self._told["teacher"] = f"{teacher.name}, {teacher.count_params()} weights, {self._mix}"
        elif isinstance(teacher, str) and teacher == "ensemble":
            names = [trial.trial_id for trial in trials]
            models = (self._tuner.load_model(trial) for trial in trials)
            self._told["teacher"] = f"trials {', '.join(names)}, {self._mix}"
        else:
            raise ValueError(
                "Argument `teacher` must be 'ensemble', a keras.Model or None. "
                f"Received: teacher={teacher!r}"
            )
        said = [model.predict(self._x, verbose=0) for model in models]
        if any(keras.tree.is_nested(outputs) for outputs in said):
            raise ValueError(
                "A teacher needs networks of one output: pass teacher=None. "
                f"Received: {len(keras.tree.flatten(said[0]))} outputs"
            )
        self._outputs = np.mean(said, axis=0)

    def train(self, trial: Trial, seed: int) -> dict[str, Any]:
        """Trains a finalist once, unless that was done before, and gives the row of it."""
        path = self._path(trial.trial_id, seed)
        told = {**self._told, "values": dict(trial.hyperparameters.values)}
        known = _known(path)
        if known is not None and known["told"] == json.loads(json.dumps(told)):
            return dict(known["row"])
        row: dict[str, Any] = {"trial_id": trial.trial_id, "seed": seed, "score": None}
        row |= {"epochs": 0, "seconds": None, "message": None}
        started = time.monotonic()
        try:
            row["score"], row["epochs"] = self._trained(trial, seed, path)
        except Exception as error:
            row["message"] = describe(error)
        row["seconds"] = round(time.monotonic() - started, 3)
        if row["message"] is None:
            write_atomic(f"{path}.json", sealed.dumps({"told": told, "row": row}))
        if self._verbose:
            reached = row["message"] or f"{self.objective.name} {row['score']:.4f}"
            print(f"retrained trial {trial.trial_id}, seed {seed}: {reached}", flush=True)
        return row

    def _trained(self, trial: Trial, seed: int, path: str) -> tuple[float, int]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        hypermodel = self._tuner.hypermodel
        own_fit = has_own_fit(hypermodel)
        hp = trial.hyperparameters.copy()
        clear_session()
        with seeded(self._tuner._seed, "retrain", trial.trial_id, seed):
            model = self._tuner._try_build(hp)
            best = BestEpoch(self.objective, f"{path}.weights.h5")
            fresh = FreshStatistics(lambda text: None)
            plain = own_fit or not model.built
            with (
                taught(model, self._y, self._outputs, self._mix) as y,
                contextlib.nullcontext() if plain else fast_steps(model),
            ):
                fresh.watch(model)
                hypermodel.fit(hp, model, y=y, callbacks=[fresh, best], **self._fit)
            value = best.best
            best.write()
        if value is None or not math.isfinite(value):
            raise ArithmeticError(f"{self.objective.name} is {value}")
        return float(value), best.epochs

    def best_model(self, trial_id: str, rows: Sequence[dict[str, Any]]) -> keras.Model:
        """Returns the compiled model of a finalist's best training, with its best weights."""
        scored = [row for row in rows if row["trial_id"] == trial_id]
        seed = min(scored, key=lambda row: sort_key(row["score"], self.objective))["seed"]
        clear_session()
        model = self._tuner._build_hypermodel(self._trials[trial_id].hyperparameters.copy())
        path = self._path(trial_id, seed)
        config = self._tuner._get_build_config_fname(trial_id)
        load_weights(model, f"{path}.weights.h5", config, None)
        return model

    def compressed(
        self, one: dict[str, Any], rows: Sequence[dict[str, Any]], steps: Sequence[Any]
    ) -> Compressed | None:
        """Compresses the best training of a finalist, and adds the score of its file."""
        one["file_score"] = None
        if one["mean"] is None:
            return None
        try:
            model = self.best_model(one["trial_id"], rows)
            ranking, data = self._tuner._ranking, (self._train, self._validation)
            scorer = TFLiteScorer(*data, ranking.seed, ranking.target)
            found = compress(
                model,
                steps,
                train_data=self._train,
                validation_data=self._validation,
                seed=ranking.seed,
                target=ranking.target,
            )
            metric = float_name(self.objective.name).removeprefix("val_")
            one["file_score"] = scorer.measure(model, found.tflite)[metric]
        except Exception as error:
            one["message"] = describe(error)
            return None
        return found

    def _path(self, trial_id: str, seed: int) -> str:
        folder = os.path.join(self._tuner.project_dir, _FOLDER)
        return os.path.join(folder, f"trial_{trial_id}_seed_{seed}")


def _finalists(tuner: Tuner, k: int) -> list[Trial]:
    """Returns the best trials of different networks."""
    found: dict[str, Trial] = {}
    for trial in tuner.get_best_trials(max(len(tuner.oracle.trials), 1)):
        network = genome.network_values(trial.hyperparameters.values)
        found.setdefault(json.dumps(network, sort_keys=True), trial)
    if not found:
        raise ValueError("There is no completed trial to train again: call `search` first.")
    return list(found.values())[:k]


@contextlib.contextmanager
def _trained_by(hypermodel: Any, training: Training | None) -> Iterator[None]:
    """Trains the models of a hypermodel within the block by another training than its own."""
    if training is None:
        yield
        return
    if not isinstance(hypermodel, HyperModel):
        raise ValueError(
            "Argument `training` needs a hypermodel of kerasnas, which trains by it. "
            f"Received: hypermodel of type {type(hypermodel).__name__}"
        )
    check_fixed(training)
    before = hypermodel.training, hypermodel.learning_rate
    hypermodel.training, hypermodel.learning_rate = training, None
    try:
        yield
    finally:
        hypermodel.training, hypermodel.learning_rate = before


def _known(path: str) -> dict[str, Any] | None:
    """Returns what is written of a finished training, or None."""
    if not os.path.exists(f"{path}.weights.h5"):
        return None
    try:
        found: dict[str, Any] = sealed.loads(pathlib.Path(f"{path}.json").read_bytes())
        return found if {"told", "row"} <= found.keys() else None
    except (OSError, ValueError):
        return None


def _summed(
    trial: Trial, rows: Sequence[dict[str, Any]], objective: keras_tuner.Objective
) -> dict[str, Any]:
    scores = [row["score"] for row in rows if row["trial_id"] == trial.trial_id]
    scores = [score for score in scores if score is not None]
    known = trial.metrics.exists(objective.name)
    return {
        "trial_id": trial.trial_id,
        "mean": statistics.fmean(scores) if scores else None,
        "spread": statistics.stdev(scores) if len(scores) > 1 else 0.0,
        "best": min(scores, key=lambda score: sort_key(score, objective)) if scores else None,
        "trainings": len(scores),
        "searched": float(trial.metrics.get_best_value(objective.name)) if known else None,
        "message": None,
    }


def _say_where_the_search_was_better(
    summary: Sequence[dict[str, Any]], objective: keras_tuner.Objective
) -> None:
    for one in summary:
        if sort_key(one["searched"], objective) < sort_key(one["best"], objective):
            print(
                f"trial {one['trial_id']} had {objective.name} {one['searched']:.4f} in the "
                f"search, and {one['best']:.4f} at best now: if the validation data is the same, "
                "train for more epochs, or with less augmentation",
                flush=True,
            )
