"""Recipe search: from mild to strong, as far as the metric allows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras

from kerasnas.compression.cluster import Cluster
from kerasnas.compression.compressed import Compressed, ToleranceError, lost_metric
from kerasnas.compression.prune import Prune
from kerasnas.compression.quantize import Quantize
from kerasnas.compression.sensitivity import bearable, sensitivity
from kerasnas.compression.step import Step, check_choice, check_number, step_text, unbox
from kerasnas.compression.structured import PruneStructured
from kerasnas.data.dataset import dataset
from kerasnas.hardware import Budget, profile_tflite

_KEPT = (0.75, 0.5, 0.35, 0.25)
_CLUSTERS = (32, 16, 8)
# Fine-tuning recovers most of what zeros cost at first, so more than the tolerance may be risked.
_RISKED = (0.5, 2.0, 8.0)
_SMALLEST_LOSS = 1e-3


@dataclass(frozen=True)
class Auto:
    """Searches for the recipe of the smallest file whose metric is within the tolerance.

    It begins with quantization alone and goes on along ladders of ever stronger steps: channels
    removed and, where files count as compressed, zeros (as many in each layer as it bears) and
    shared values, on the whole network and on the narrowest one that was good enough. A ladder ends
    at its first file that is too bad. Each file is made from the trained model anew.

    Args:
        size: What is to be small: `"bytes"` of the file, as in flash, or `"compressed_bytes"`, as
            in a download.
        epochs: Passes over the training data of each step that trains.
        batch_size: Samples in a training step.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    ```python
    small = kn.compress(
        model,
        kn.compression.Auto(epochs=1),
        train_data=(x, y),
        validation_data=(xv, yv),
        tolerance=0.01,
    )
    for record in small.tried:
        print(record["recipe"], record["value"], record["bytes"])
    ```
    """

    size: Literal["bytes", "compressed_bytes"] = "bytes"
    epochs: int = 5
    batch_size: int = 32

    def __post_init__(self) -> None:
        unbox(self)
        check_choice("Auto", "size", self.size, ("bytes", "compressed_bytes"))
        check_number("Auto", "epochs", self.epochs, int, 1)
        check_number("Auto", "batch_size", self.batch_size, int, 1)


class RecipeSearch:
    """One search for a recipe.

    Args:
        auto: What is looked for.
        model: Compiled and trained Keras 3 model.
        tolerance: Largest drop allowed of the first metric.
        budget: Limits that the file must keep, or None.
        validation_data: Tuple `(x, y)` or `(x, y, sample_weight)` on which layers are tried for
            what they bear.
        attempt: Compresses the model by a list of steps.
    """

    def __init__(
        self,
        auto: Auto,
        model: keras.Model,
        tolerance: float,
        budget: Budget | None,
        validation_data: tuple[Any, ...],
        attempt: Callable[[Sequence[Step]], Compressed],
    ) -> None:
        self._auto, self._model, self._attempt = auto, model, attempt
        self._validation_data = validation_data
        self._tolerance, self._budget = tolerance, budget
        self._results: list[tuple[dict[str, Any], Compressed]] = []
        self._refused: list[dict[str, Any]] = []

    def run(self) -> Compressed:
        """Tries the recipes.

        Returns:
            The smallest file that is good enough and keeps the budget, with what was tried.

        Raises:
            ToleranceError: If there is none; it holds the closest.
        """
        for ladder in self._ladders():
            for steps in ladder:
                if self._good_enough(steps) is False:
                    break
        _mark_front([record for record, _ in self._results], self._auto.size)
        good = [(record, result) for record, result in self._results if record["good"]]
        record, best = min(good or self._results, key=lambda pair: self._rank(pair[0]))
        best.tried = [tried for tried, _ in self._results] + self._refused
        if not good:
            raise ToleranceError(
                f"None of {len(self._results)} recipes was within the tolerance of "
                f"{self._tolerance} and the budget. The closest, {record['recipe']}, loses "
                f"{record['lost']:.4f} and has {record['bytes']:,} bytes; it is in the error's "
                "`compressed`, with all that was tried. Allow more, give `Auto` more epochs, or "
                "search for a smaller network.",
                best,
            )
        return best

    def _ladders(self) -> Iterator[Iterator[Sequence[Step]]]:
        auto = self._auto
        training: dict[str, Any] = {"epochs": auto.epochs, "batch_size": auto.batch_size}
        after, quantize = Quantize("int8", method="ptq"), Quantize("int8", **training)
        yield iter([[after]])
        yield iter([[quantize]])
        if self._refused:
            quantize = after
        narrow = [PruneStructured(keep, **training) for keep in _KEPT]
        yield ([step, quantize] for step in narrow)
        if auto.size == "bytes":
            return
        narrowest: list[list[Step]] = [[step] for step in narrow if self._was_good(step)]
        for base in [[], *narrowest[-1:]]:
            zeros = list(self._prunings(base, training))
            yield ([*base, step, quantize] for step in zeros)
            kept = [step for step in zeros if self._was_good(*base, step)][-1:]
            shared = [Cluster(clusters, **training) for clusters in _CLUSTERS]
            yield ([*base, *kept, step, quantize] for step in shared)

    def _prunings(self, base: list[Step], training: dict[str, Any]) -> Iterator[Prune]:
        """Zeros as each layer bears them, from few to many."""
        model = self._model
        for record, result in self._results:
            if base and record["recipe"][0] == step_text(base[0]):
                model = result.origin.model
        data = dataset("validation_data", self._validation_data, model)
        measured = sensitivity(model, data)
        before: dict[str, float] = {}
        for risk in _RISKED:
            layers = bearable(measured, risk * max(self._tolerance, _SMALLEST_LOSS))
            if any(layers.values()) and layers != before:
                before = layers
                yield Prune(layers=layers, **training)

    def _good_enough(self, steps: Sequence[Step]) -> bool | None:
        """Returns whether a recipe is within the tolerance; None if a step refuses the network."""
        recipe = list(map(step_text, steps))
        try:
            result = self._attempt(steps)
        except (ValueError, RuntimeError, TimeoutError) as error:
            if not self._results:
                raise  # What quantization alone refuses is not the recipe's fault.
            unknown = dict.fromkeys(("metric", "value", "lost", "bytes", "compressed_bytes"))
            rest = {"violations": {}, "good": False, "pareto": False, "error": str(error)}
            self._refused.append({"recipe": recipe, **unknown, **rest})
            return None
        last, lost = result.report[-1], lost_metric(result.report)
        broken: dict[str, Any] = {}
        if self._budget is not None:
            broken = self._budget.violations(profile_tflite(result.tflite))
        within = lost <= self._tolerance
        record = {
            "recipe": recipe,
            "metric": last["metric"],
            "value": last["value"],
            "lost": lost,
            "bytes": last["bytes"],
            "compressed_bytes": last["compressed_bytes"],
            "violations": broken,
            "good": within and not broken,
        }
        self._results.append((record, result))
        return within

    def _was_good(self, *steps: Step) -> bool:
        """Returns whether these steps, with quantization after them, were within the tolerance."""
        begin = list(map(step_text, steps))
        return any(
            record["recipe"][:-1] == begin and record["lost"] <= self._tolerance
            for record, _ in self._results
        )

    def _rank(self, record: dict[str, Any]) -> tuple[Any, ...]:
        excess = max(record["lost"] - self._tolerance, 0)
        return (not record["good"], len(record["violations"]), excess, record[self._auto.size])


def _mark_front(records: list[dict[str, Any]], size: str) -> None:
    """Notes of each whether no other is as good and smaller, or as small and better."""
    points = [(record["lost"], record[size]) for record in records]
    for record, (lost, small) in zip(records, points, strict=True):
        record["pareto"] = not any(
            a <= lost and b <= small and (a, b) != (lost, small) for a, b in points
        )
