"""Runs the steps of a recipe one after the other, and measures what each leaves."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from kerasnas.bridge import build, expected, read, verify, without_penalties
from kerasnas.bridge.graph import LayerGraph
from kerasnas.compression.compressed import lost_metric, report_row
from kerasnas.compression.fine_tuning import FineTuningData
from kerasnas.compression.prune import inner
from kerasnas.compression.step import BridgedStep, KerasStep
from kerasnas.compression.training import Training, legacy_loss, legacy_loss_weights
from kerasnas.data.arrays import packed
from kerasnas.data.dataset import Dataset
from kerasnas.data.scoring import Scorer, first_metric
from kerasnas.export import Interpreter
from kerasnas.export.conversion import convert, representative_samples
from kerasnas.export.fidelity import check_on_micro
from kerasnas.export.micro import Target, check_target
from kerasnas.hardware import profile_tflite
from kerasnas.tflite.inspection import conversions, kernel_sparsity
from kerasnas.tflite.reader import TFLiteFile, opened


def transform(
    model: keras.Model,
    steps: Sequence[BridgedStep | KerasStep],
    training_set: Dataset,
    seed: int,
    seen: "Callable[[Stage], None] | None" = None,
    target: Target = "litert",
    changes: FineTuningData | None = None,
) -> tuple[TFLiteFile, keras.Model]:
    """Applies steps that fit each other to a model.

    Args:
        model: Compiled and trained Keras 3 model. It is not changed.
        steps: Steps in order.
        training_set: What they train with.
        seed: Of all training.
        seen: Called with the model as it comes and after each step.
        target: The runtime that the file is for. Those between, which nobody deploys, are not run
            there.
        changes: How the training data is changed for the steps that train; None for as it is.

    Returns:
        Tuple of the file parsed and the Keras 3 model that it was made from.

    Raises:
        ValueError: If a step cannot do the model: before any work.
        ImportError: If the target is not installed, likewise.
        WrongFileError: If a file computes something else than its network, or the last one does
            not run on its target.
    """
    check_target(target)
    network = Network(model, next((step.rewrite for step in steps if step.rewrite), None))
    for step in steps:
        step.check(model if isinstance(step, KerasStep) else network.graph)
    training = Training(
        model,
        network.graph,
        training_set.x,
        training_set.y,
        legacy_loss(model),
        legacy_loss_weights(model),
        seed,
        sample_weight=training_set.sample_weight,
        changes=FineTuningData() if changes is None else changes,
    )
    if seen is not None:
        passed = ", ".join(sorted(network.graph.passed_through))
        how = f"trained; called as they are: {passed}" if passed else "trained"
        # The model itself is converted, since `network` is already rewritten for the steps.
        file = convert(model, representative_data=training.x)
        seen(Stage("float", how, 0, file, network, False, False))
    for index, step in enumerate(steps):
        training.seed, training.note = seed + index, ""
        if isinstance(step, KerasStep):
            network.replace(step.apply_to_keras(network.model, training))
            training.graph = network.graph
        else:
            network.legacy = step.apply(network.legacy, training)
        last = index == len(steps) - 1
        if not last and seen is None:
            continue
        if isinstance(step, KerasStep):
            file = convert(network.legacy, representative_data=training.fed)
        else:
            file = opened(step.export(network.legacy, training))
        if last and target == "micro":
            samples = representative_samples(network.legacy, training.fed)
            check_on_micro(file, network.legacy, samples)
        if seen is not None:
            with_data = training.changes.text if step.trained_epochs else ""
            how = "; ".join(part for part in (step.how, training.note, with_data) if part)
            ends = not training.pruned <= inner(network.graph)
            seen(Stage(step.name, how, step.trained_epochs, file, network, ends, last))
    return file, network.model


class Network:
    """A model and its tf_keras rebuild, which the steps of a recipe change.

    Args:
        model: The Keras 3 model.
        rewrite: Brings what is read from a model into the form that the steps need.
    """

    def __init__(
        self, model: keras.Model, rewrite: Callable[[LayerGraph], LayerGraph] | None
    ) -> None:
        self._rewrite = rewrite
        self.replace(model)

    def replace(self, model: keras.Model) -> None:
        """Bridges another model."""
        self.model = model
        graph = read(model)
        wanted = expected(model, graph)  # Before the graph is rewritten.
        self.graph = without_penalties(self._rewrite(graph) if self._rewrite else graph)
        self.legacy = build(self.graph)
        verify(model, wanted, self.legacy)


@dataclass(frozen=True)
class Stage:
    """A network after a step.

    Args:
        step: Name of the step.
        method: How it was done, in words.
        epochs: Passes over the training data.
        file: The file of it.
        network: The network, which later steps change.
        ends: Whether first or last layers were pruned, too.
        last: Whether it is the result.
    """

    step: str
    method: str
    epochs: int
    file: TFLiteFile
    network: Network
    ends: bool
    last: bool


class StageReport:
    """Measures the stages of one `compress` and keeps their records.

    Args:
        sets: The data on which results are measured, by label, the first for every step.
        scorer: The metrics of the model.
        judged: Whether a loss of the metric will be judged, so that it must be known whether it is
            to be large or small.
        verbose: 1 prints a line when a step is done.
    """

    def __init__(
        self, sets: dict[str, Dataset], scorer: Scorer, judged: bool, verbose: int
    ) -> None:
        self.sets, self.scorer, self.judged, self.verbose = sets, scorer, judged, verbose
        self.report: list[dict[str, Any]] = []

    def record(self, stage: Stage) -> None:
        """Adds a stage to the report.

        Args:
            stage: As `transform` gives it.

        Raises:
            ValueError: If the metric cannot be judged, though it must be: at the first stage.
        """
        scores = self._scores(stage)
        label = next(iter(scores))
        metric = self.report[0]["metric"] if self.report else first_metric(scores[label])
        file = stage.file
        macs, ram = _costs(file)
        self.report.append(
            {
                "step": stage.step,
                "method": stage.method,
                "epochs": stage.epochs,
                "metric": metric,
                "direction": self.scorer.direction(metric),
                "value": scores[label][metric],
                "data": label,
                "test_value": scores.get("test", {}).get(metric),
                "bytes": len(file.data),
                "compressed_bytes": len(zlib.compress(file.data, 9)),
                "sparsity": kernel_sparsity(file, stage.ends),
                "conversions": conversions(file),
                "macs": macs,
                "ram_bytes": ram,
            }
        )
        if self.judged and stage.step == "float":
            lost_metric(self.report)
        if self.verbose:
            print("  ".join(report_row(self.report[-1])), flush=True)

    def _scores(self, stage: Stage) -> dict[str, dict[str, float]]:
        """Returns the scores by the name of the data: the model's first, the file's at the end."""
        if stage.last:
            interpreter = Interpreter(stage.file)
            predicted = {label: interpreter.predict(data.fed) for label, data in self.sets.items()}
        elif not self.report:
            model = stage.network.model
            predicted = {
                label: keras.tree.flatten(model.predict(packed(data.x, model), verbose=0))
                for label, data in self.sets.items()
            }
        else:
            # Between the first and the last model only the first data set is scored,
            # not the test data.
            label, data = next(iter(self.sets.items()))
            predicted = {label: stage.network.legacy.predict(data.fed, verbose=0)}
        return {
            label: self.scorer.score(outputs, self.sets[label].y, self.sets[label].sample_weight)
            for label, outputs in predicted.items()
        }


def _costs(file: TFLiteFile) -> tuple[int | None, int | None]:
    try:
        costs = profile_tflite(file)
    except ValueError:
        return None, None
    return int(costs.macs), int(costs.ram_bytes)
