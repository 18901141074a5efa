"""`compress`: runs a recipe of steps on a trained model and reports what each did."""

import functools
import numbers
import operator
from collections.abc import Sequence
from typing import Any, Literal

import keras

from kerasnas.compression.auto import Auto, RecipeSearch
from kerasnas.compression.compressed import Compressed, ToleranceError, lost_metric
from kerasnas.compression.fine_tuning import fine_tuning_data
from kerasnas.compression.pipeline import StageReport, transform
from kerasnas.compression.step import BridgedStep, KerasStep, Step, step_text
from kerasnas.data.dataset import dataset, samples
from kerasnas.data.scoring import Scorer
from kerasnas.export import Origin, data_hash
from kerasnas.export.micro import Target, check_target
from kerasnas.hardware import Budget, profile_tflite
from kerasnas.hypermodels.training import Training
from kerasnas.keras_models.keras_2 import in_keras_3
from kerasnas.tflite.reader import TFLiteFile


def compress(
    model: keras.Model,
    recipe: Sequence[Step] | Auto | Literal["auto"],
    *,
    train_data: Any,
    validation_data: Any = None,
    test_data: Any = None,
    tolerance: float | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    verbose: int = 0,
    target: Target = "litert",
    training: Training | None = None,
) -> Compressed:
    """Makes a trained model small, step by step, and verifies the file that comes out.

    Args:
        model: Compiled and trained Keras 3 model, Sequential or Functional, or one of tf_keras,
            which is built again in Keras 3 (weights, loss and metrics, too). It is not changed.
            Metrics and losses of your own must be registered with
            `keras.saving.register_keras_serializable`.
        recipe: Steps in order, such as `[Prune(0.5), Quantize("int8")]`; or "auto" or an `Auto`,
            which tries recipes and takes the smallest file within `tolerance`.
        train_data: Tuple `(x, y)` or `(x, y, sample_weight)` of arrays for fine-tuning and
            calibration, `x` a list or dict for several inputs; or batches of such tuples, as a
            `tf.data.Dataset` or a `keras.utils.PyDataset`, which are read into memory. The weights
            are those of `fit`: every step that trains uses them, calibration does not.
        validation_data: The data on which the metric of each step is measured, likewise. As in
            `evaluate`, weights count in the loss and the `weighted_metrics` of the model.
        test_data: The data on which the first and the last model are measured too, likewise. At
            least one of the two is needed.
        tolerance: Largest drop allowed of the first metric, absolute, from the float model to the
            file; for "auto" 0.01 unless given.
        budget: Limits that the file must keep.
        seed: Seed of all training. The same seed gives the same file on the same machine.
        verbose: 1 prints a line when a step is done; 0 prints nothing.
        target: The runtime that the file is for, as in `kerasnas.export.to_tflite`: `"litert"`, or
            `"micro"` to have the file run on TensorFlow Lite Micro before it is returned.
        training: A `kerasnas.Training`, such as that of the search. Every step that trains uses its
            augmentation, label smoothing and class weights; learning rate, epochs and the rest are
            those of the steps. Nothing in it may be searched.

    Returns:
        `Compressed`.

    Raises:
        ValueError: If an argument is not as described or a step cannot do the model: before any
            work.
        ToleranceError: If the file is worse than `tolerance` allows or breaks the budget.
        WrongFileError: If a file computes something else than the network that it was made from,
            or does not run on its target.
        ImportError: If the target is `"micro"` and tflite-micro is not installed: before any work.

    Example:

    ```python
    small = kn.compress(
        model, [kn.Prune(0.5), kn.Quantize("int8")], train_data=(x, y), validation_data=(xv, yv)
    )
    small.save("model.tflite")
    print(small.summary())
    ```
    """
    seed = operator.index(seed)  # tf_keras takes no integer of numpy's.
    model = in_keras_3(model)
    _check_model(model)
    _check_limits(tolerance, budget)
    check_target(target)
    train_data = samples("train_data", train_data)
    validation_data = samples("validation_data", validation_data)
    test_data = samples("test_data", test_data)
    if recipe == "auto" or isinstance(recipe, Auto):
        if validation_data is None:
            raise ValueError(
                "`validation_data` is needed to search for a recipe: what is chosen by its test "
                "metric has none left. Received: None"
            )
        attempt = functools.partial(
            compress,
            model,
            train_data=train_data,
            validation_data=validation_data,
            test_data=test_data,
            seed=seed,
            verbose=verbose,
            target=target,
            training=training,
        )
        auto = recipe if isinstance(recipe, Auto) else Auto()
        limit = 0.01 if tolerance is None else tolerance
        return RecipeSearch(auto, model, limit, budget, validation_data, attempt).run()
    steps = checked_recipe(recipe)
    training_set = dataset("train_data", train_data, model)
    sets = {
        label: dataset(f"{label}_data", given, model)
        for label, given in (("validation", validation_data), ("test", test_data))
        if given is not None
    }
    if not sets:
        raise ValueError(
            "`validation_data` or `test_data` is needed: a metric on training data says nothing. "
            "Received: None for both"
        )
    changes = fine_tuning_data(training, model, training_set)
    stages = StageReport(sets, Scorer(model), tolerance is not None, verbose)
    file, made_from = transform(model, steps, training_set, seed, stages.record, target, changes)
    given = {"train": train_data, "validation": validation_data, "test": test_data}
    hashes = {label: data_hash(*data) for label, data in given.items() if data is not None}
    texts = (*map(step_text, steps), *changes.recipe)
    origin = Origin(made_from, texts, seed, hashes)
    compressed = Compressed(file.data, stages.report, stages.scorer, origin)
    _check_result(compressed, file, tolerance, budget)
    return compressed


def checked_recipe(recipe: Any) -> list[BridgedStep | KerasStep]:
    """Checks the steps of a recipe and their order, without a model.

    Args:
        recipe: What should be a list of steps.

    Returns:
        The steps.

    Raises:
        ValueError: If it is empty, holds something else, or a step would undo an earlier one.
    """
    if not isinstance(recipe, list | tuple) or not recipe:
        raise ValueError(
            "`recipe` must be a list of at least one step, such as [Prune(0.5), "
            f"Quantize('int8')]. Received: {recipe!r}"
        )
    for step in recipe:
        if not isinstance(step, BridgedStep | KerasStep):
            raise ValueError(f"`recipe` must hold steps, such as Prune(0.5). Received: {step!r}")
    for index, step in enumerate(recipe):
        if step.final and index < len(recipe) - 1:
            raise ValueError(f"{type(step).__name__} must be the last step. Received: {recipe!r}")
        for earlier in recipe[:index]:
            _check_order(earlier, step, recipe)
    for index, step in enumerate(recipe):
        if (idle := step.idle_before(recipe[index + 1 :])) is not None:
            raise ValueError(f"{type(step).__name__} {idle}. Received: {recipe!r}")
    return list(recipe)


def _check_order(earlier: Step, later: Step, recipe: Sequence[Step]) -> None:
    """Refuses a pair of steps of which the later undoes the earlier."""
    first, second = type(earlier).__name__, type(later).__name__
    if type(earlier) is type(later):
        raise ValueError(f"{first} is in `recipe` twice; give it once. Received: {recipe!r}")
    if (reason := earlier.undone_by(later)) is not None:
        way_out = f"Leave {first} out" if later.final else f"Put {second} first"
        raise ValueError(
            f"{second} after {first} would undo it: {reason}. {way_out}. Received: {recipe!r}"
        )


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras 3 model. Received: {type(model)}")
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError(
            "`model` must be a built Sequential or Functional model. Received: "
            f"'{model.name}', which has no inputs yet: give it a keras.Input"
        )
    if not model.compiled or model.loss is None:
        raise ValueError(
            "`model` must be compiled with a loss and metrics, which fine-tuning and the report "
            f"use: call `model.compile(...)`. Received: '{model.name}', not compiled"
        )


def _check_limits(tolerance: Any, budget: Any) -> None:
    if tolerance is not None and not (
        isinstance(tolerance, numbers.Real) and float(tolerance) >= 0
    ):
        raise ValueError(f"`tolerance` must be 0 or more, or None. Received: {tolerance!r}")
    if budget is not None and not isinstance(budget, Budget):
        raise ValueError(f"`budget` must be a kn.Budget or None. Received: {budget!r}")


def _check_result(
    compressed: Compressed, file: TFLiteFile, tolerance: float | None, budget: Budget | None
) -> None:
    if tolerance is not None and not lost_metric(compressed.report) <= tolerance:
        first, last = compressed.report[0], compressed.report[-1]
        raise ToleranceError(
            f"{last['metric']} on {last['data']} data went from {first['value']:.4f} to "
            f"{last['value']:.4f}, more than the tolerance of {tolerance}. Try fewer zeros, more "
            "epochs or another quantization; the result is in the error's `compressed`.",
            compressed,
        )
    broken = budget.violations(profile_tflite(file)) if budget is not None else {}
    if broken:
        raise ToleranceError(
            f"The file breaks the budget: {broken}. Try PruneStructured, or a smaller `keep`; the "
            "result is in the error's `compressed`.",
            compressed,
        )
