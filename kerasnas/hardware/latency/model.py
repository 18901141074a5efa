"""Latency as a sum over the operators of a file."""

import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kerasnas.hardware.latency.fitting import OTHER, HeldOut, fit_costs, fit_scale
from kerasnas.hardware.latency.timings import Timing, read_timings
from kerasnas.hardware.profile import Profile, Work

_MILLION = 1e6


class Cost(NamedTuple):
    """What operators of one kind take, in milliseconds.

    Args:
        operator: Each operator.
        macs: A million multiply-accumulates.
        values: A million values written.
    """

    operator: float = 0.0
    macs: float = 0.0
    values: float = 0.0


@dataclasses.dataclass(frozen=True)
class LatencyModel:
    """Predicts the milliseconds of one inference from a profile; it measures nothing.

    The sum, over the kinds of operators, of what their number, their multiply-accumulates and
    the values that they write take, and a constant. A multiply-accumulate of a depthwise
    convolution takes several times one of a convolution, which total MACs do not show.

    Args:
        constant: Milliseconds of every inference.
        costs: Cost by TFLite's name of the kind of operator; "OTHER" for all those without
            multiply-accumulates that are not named.
        source: Where the numbers are from, in words.
        error: The error on held-out models; None where it was not measured.

    Raises:
        ValueError: A number that is negative or not finite.

    Source: Banbury et al. 2021, "MicroNets", arXiv:2010.11267, section 3: the latency of whole
    models is linear in their operations, with a slope that depends on their kind.

    Example:

    >>> import keras, kerasnas as kn
    >>> costs = {"CONV_2D": kn.hardware.Cost(macs=56.0)}
    >>> board = kn.hardware.LatencyModel(0.5, costs, source="my board's data sheet")
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3)])
    >>> round(board.predict(kn.profile(model)), 3)
    0.573
    """

    constant: float
    costs: Mapping[str, Cost]
    source: str
    error: HeldOut | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", {kind: Cost(*c) for kind, c in self.costs.items()})
        numbers = {"constant": self.constant}
        for kind, cost in self.costs.items():
            numbers |= {f"costs[{kind!r}].{name}": n for name, n in cost._asdict().items()}
        for name, number in numbers.items():
            if not (math.isfinite(number) and number >= 0):
                raise ValueError(
                    f"Argument `{name}` must be a number of milliseconds of at least 0. "
                    f"Received: {number!r}"
                )

    def predict(self, profile: Profile) -> float:
        """Milliseconds of one inference.

        Args:
            profile: The cost of a network, of `kn.profile` or `kn.hardware.profile_tflite`.

        Returns:
            The predicted time.

        Raises:
            ValueError: The profile says nothing of its operators, or has multiply-accumulates of
                a kind that this model has no cost for.
        """
        if not profile.work:
            raise ValueError(
                "Argument `profile` says nothing of its operators: make it with kn.profile or "
                "kn.hardware.profile_tflite. Received: an empty `work`"
            )
        return self.constant + self._variable(profile.work)

    def _variable(self, work: Mapping[str, Work]) -> float:
        total = 0.0
        for kind, done in work.items():
            cost = self.costs.get(kind)
            if cost is None and done.macs:
                raise ValueError(
                    f"The latency model ({self.source}) has no cost of {kind}, which none of its "
                    f"timings had; it knows {', '.join(sorted({*self.costs} - {OTHER}))}. Fit it "
                    f"to timings of models with {kind} too, or leave such operators out"
                )
            cost = cost or self.costs.get(OTHER, Cost())
            total += cost.operator * done.operators
            total += (cost.macs * done.macs + cost.values * done.values) / _MILLION
        return total

    @classmethod
    def fit(
        cls,
        timings: "str | os.PathLike[str] | Iterable[Timing | tuple[Profile | bytes, float]]",
        *,
        like: "LatencyModel | None" = None,
        source: str | None = None,
    ) -> "LatencyModel":
        """Fit a model to timings, by non-negative least squares of the relative errors.

        With n timings, at most n / 3 coefficients are fitted: multiply-accumulates by kind of
        operator and a constant; then also all operators and the values that those without
        multiply-accumulates write; then the values that each kind writes.

        Args:
            timings: Pairs of a profile (or the bytes of a `.tflite` file) and its milliseconds, or
                what `read_timings` and `read_operator_timings` return, or the path of a CSV file
                for `read_timings`.
            like: A model whose ratios between operators are kept. Two numbers are fitted then, a
                scale and a constant, or with one or two timings the scale alone: for a board with
                few timings, `like=kn.hardware.MICROCONTROLLER`.
            source: Where the timings are from, in words; for the text of the model.

        Returns:
            The model, with its error on models that were held out of the fit: each on its own up
            to 20 of them, else in ten groups.

        Raises:
            ValueError: Too few timings, or a file that cannot be read.

        Example:

        ```python
        board = kn.hardware.LatencyModel.fit("board.csv", like=kn.hardware.MICROCONTROLLER)
        print(board)
        budget = kn.Budget(flash="512KB", latency_ms=50, latency=board)
        ```
        """
        if isinstance(timings, str | os.PathLike):
            source = source or pathlib.Path(timings).name
            rows = read_timings(timings)
        else:
            rows = [_timing(row, i) for i, row in enumerate(timings)]
        if not rows:
            raise ValueError("Argument `timings` is empty: pass timings of a few models at least")
        source = source or "timings of the user's"
        if like is None:
            found = fit_costs(rows)
            costs = {kind: Cost(**fields) for kind, fields in found.costs.items()}
            return cls(found.constant, costs, source, found.error)
        scale, constant, error = fit_scale(rows, like._variable, like.constant)
        costs = {kind: Cost(*(scale * ms for ms in cost)) for kind, cost in like.costs.items()}
        source = f"{source}, with the ratios between operators of {like.source}"
        return cls(constant, costs, source, error)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a JSON file."""
        state: dict[str, Any] = {
            "constant": self.constant,
            "costs": {kind: cost._asdict() for kind, cost in self.costs.items()},
            "source": self.source,
            "error": self.error and self.error._asdict(),
        }
        pathlib.Path(path).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "LatencyModel":
        """Read a model that `save` has written.

        Raises:
            ValueError: The file holds no latency model.
        """
        text = pathlib.Path(path).read_text(encoding="utf-8")
        try:
            state = json.loads(text)
            costs = {kind: Cost(**cost) for kind, cost in state["costs"].items()}
            error = state["error"] and HeldOut(**state["error"])
            return cls(state["constant"], costs, state["source"], error)
        except (ValueError, KeyError, TypeError, AttributeError) as reason:
            raise ValueError(f"{path} holds no latency model: {reason}") from reason

    def __str__(self) -> str:
        lines = [
            f"latency predicted by a linear model, fitted to {self.source}",
            f"  error: {self.error or 'not measured'}",
            f"  constant {self.constant:.3g} ms",
        ]
        for kind, cost in sorted(self.costs.items()):
            terms = [
                f"{ms:.3g} ms {unit}"
                for ms, unit in (
                    (cost.macs, "a million MACs"),
                    (cost.values, "a million values"),
                    (cost.operator, "an operator"),
                )
                if ms
            ]
            lines.append(f"  {kind}: {', '.join(terms) or 'nothing'}")
        return "\n".join(lines)


def _timing(row: "Timing | tuple[Profile | bytes, float]", number: int) -> Timing:
    name = f"timing {number}"
    if not isinstance(row, Timing):
        subject, ms = row
        return Timing.of(subject, ms, name)
    # Whole models without a name are not the same one.
    return dataclasses.replace(row, model=name) if row.whole and not row.model else row
