"""Runs the steps of a recipe one after the other, and measures what each leaves."""

import zlib
from collections.abc import Sequence
from typing import Any

import keras

from kerasnas.compression.bridge import build, canonical, read, verify
from kerasnas.compression.compressed import report_row
from kerasnas.compression.data import Dataset
from kerasnas.compression.prune import model_sparsity, prunable
from kerasnas.compression.scoring import Scorer, first_metric
from kerasnas.compression.step import KerasStep, Step
from kerasnas.compression.training import Training, legacy_loss, legacy_loss_weights
from kerasnas.export import Interpreter, to_tflite
from kerasnas.export.model_file import conversions, kernel_sparsity
from kerasnas.hardware import profile_tflite


def run(
    model: keras.Model,
    steps: Sequence[Step],
    training_set: Dataset,
    sets: dict[str, Dataset],
    seed: int,
    verbose: int,
) -> tuple[bytes, list[dict[str, Any]], keras.Model, Scorer]:
    """Applies steps that fit each other to a model.

    Args:
        model: Compiled and trained Keras 3 model. It is not changed.
        steps: Steps in order.
        training_set: What they train with.
        sets: The data on which results are measured, by label, the first for every step.
        seed: Of all training.
        verbose: 1 prints a line when a step is done.

    Returns:
        Tuple of the file, its report, the Keras 3 model that it was made from, and its scorer.

    Raises:
        ValueError: If a step cannot do the model: before any work.
    """
    network = _Network(model, any(step.rewrites for step in steps))
    for step in steps:
        step.check(model if isinstance(step, KerasStep) else network.graph)
    work = _Work(network, sets, Scorer(model), verbose)
    training = Training(
        model,
        network.graph,
        training_set.x,
        training_set.y,
        legacy_loss(model),
        legacy_loss_weights(model),
        seed,
    )
    data = to_tflite(network.legacy)
    carried = ", ".join(sorted(network.graph.carried))
    how = f"trained; called as they are: {carried}" if carried else "trained"
    work.record("float", how, 0, data, work.float_scores())
    for index, step in enumerate(steps):
        training.seed, training.note = seed + index, ""
        if isinstance(step, KerasStep):
            network.replace(step.apply_to_keras(network.model, training))
            training.graph = network.graph
            data = to_tflite(network.legacy)
        else:
            network.legacy = step.apply(network.legacy, training)
            data = step.export(network.legacy, training)
        last = index == len(steps) - 1
        scores = work.file_scores(data) if last else work.model_scores()
        how = f"{step.how}; {training.note}" if training.note else step.how
        work.record(step.name, how, step.trained_epochs, data, scores, last)
    return data, work.report, network.model, work.scorer


class _Network:
    """A model and its tf_keras rebuild, which the steps of a recipe change.

    Args:
        model: The Keras 3 model.
        rewrites: Whether the rebuild is in canonical form.
    """

    def __init__(self, model: keras.Model, rewrites: bool) -> None:
        self._rewrites = rewrites
        self.replace(model)

    def replace(self, model: keras.Model) -> None:
        """Bridges another model."""
        self.model = model
        graph = read(model)
        self.graph = canonical(read(model)) if self._rewrites else graph
        self.legacy = build(self.graph)
        verify(model, graph, self.legacy)


class _Work:
    """Measures the stages of one `compress` and keeps their records."""

    def __init__(
        self, network: _Network, sets: dict[str, Dataset], scorer: Scorer, verbose: int
    ) -> None:
        self.network, self.sets, self.scorer, self.verbose = network, sets, scorer, verbose
        self.report: list[dict[str, Any]] = []

    def float_scores(self) -> dict[str, dict[str, float]]:
        scores = {}
        for label, data in self.sets.items():
            predicted = keras.tree.flatten(self.network.model.predict(data.given_x, verbose=0))
            scores[label] = self.scorer.score(predicted, data.y)
        return scores

    def model_scores(self) -> dict[str, dict[str, float]]:
        # Test data is for the first and the last model only, unless there is nothing else.
        label = next(iter(self.sets))
        data = self.sets[label]
        predicted = self.network.legacy.predict(data.fed, verbose=0)
        return {label: self.scorer.score(predicted, data.y)}

    def file_scores(self, tflite: bytes) -> dict[str, dict[str, float]]:
        interpreter = Interpreter(tflite)
        scores = {}
        for label, data in self.sets.items():
            predicted = interpreter.predict(data.fed)
            scores[label] = self.scorer.score(predicted, data.y)
        return scores

    def record(
        self,
        step: str,
        method: str,
        epochs: int,
        tflite: bytes,
        scores: dict[str, dict[str, float]],
        last: bool = False,
    ) -> None:
        label = next(iter(scores))
        metric = self.report[0]["metric"] if self.report else first_metric(scores[label])
        network = self.network
        kernels = prunable(network.graph)
        zeros = kernel_sparsity(tflite) if last else model_sparsity(network.legacy, kernels)
        macs, ram = _costs(tflite)
        self.report.append(
            {
                "step": step,
                "method": method,
                "epochs": epochs,
                "metric": metric,
                "direction": self.scorer.direction(metric),
                "value": scores[label][metric],
                "data": label,
                "test_value": scores.get("test", {}).get(metric),
                "bytes": len(tflite),
                "compressed_bytes": len(zlib.compress(tflite, 9)),
                "sparsity": zeros,
                "conversions": conversions(tflite),
                "macs": macs,
                "ram_bytes": ram,
            }
        )
        if self.verbose:
            print("  ".join(report_row(self.report[-1])), flush=True)


def _costs(tflite: bytes) -> tuple[int | None, int | None]:
    try:
        costs = profile_tflite(tflite)
    except ValueError:
        return None, None
    return int(costs.macs), int(costs.ram_bytes)
