"""Latency as a sum over the operators of a file."""

import dataclasses
import json
import os
import pathlib
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kerasnas.hardware.latency.fitting import OTHER, HeldOut, fit_costs, fit_scale
from kerasnas.hardware.latency.grouping import merge_repeats
from kerasnas.hardware.latency.timings import Timing, read_timings
from kerasnas.hardware.profile import Profile, Work
from kerasnas.runtime.arguments import check_number
from kerasnas.runtime.files import write_atomic

_MILLION = 1e6


class Cost(NamedTuple):
    """What operators of one kind take, in milliseconds.

    Args:
        operator: Milliseconds of each operator.
        macs: Milliseconds of a million multiply-accumulates.
        values: Milliseconds of a million values written.
    """

    operator: float = 0.0
    macs: float = 0.0
    values: float = 0.0


@dataclasses.dataclass(frozen=True)
class LatencyModel:
    """Predicts the milliseconds of one inference from a profile; it measures nothing.

    An inference takes a constant, and for each kind of operator a time for every operator, for
    its multiply-accumulates and for the values that it writes. A multiply-accumulate of a
    depthwise convolution takes several times as long as one of a convolution, which total MACs
    do not show.

    Args:
        constant: Milliseconds of every inference.
        costs: Cost by TFLite's name of the kind of operator; "OTHER" for all those without
            multiply-accumulates that are not named.
        source: Where the numbers are from, in words.
        error: The error on held-out models; None where it was not measured.
        dtype: What the files that were timed compute in, as `Profile.dtype` names it; profiles of
            other files are not predicted.

    Raises:
        TypeError: An argument of another type, or a cost that is no number.
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
    dtype: str = "int8"

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", _read_costs(self.costs))
        check_number("constant", self.constant, what="a number of milliseconds", least=0)
        for kind, cost in self.costs.items():
            for name, ms in cost._asdict().items():
                where = f"costs[{kind!r}].{name}"
                check_number(where, ms, what="a number of milliseconds", least=0)
        for name, kinds in (("source", str), ("dtype", str), ("error", HeldOut | None)):
            value = getattr(self, name)
            if not isinstance(value, kinds):
                expected = "a string" if kinds is str else "a kerasnas.hardware.HeldOut or None"
                raise TypeError(
                    f"Argument `{name}` must be {expected}. Received: {name}={value!r} of type "
                    f"{type(value).__name__}"
                )

    def predict(self, profile: Profile) -> float:
        """Milliseconds of one inference.

        Args:
            profile: The cost of a network, of `kn.profile` or `kn.hardware.profile_tflite`, and
                of this model's dtype.

        Returns:
            The predicted time.

        Raises:
            TypeError: `profile` is no profile.
            ValueError: The profile is of another dtype, says nothing of its operators, or has
                multiply-accumulates of a kind that this model has no cost for.
        """
        if not isinstance(profile, Profile):
            raise TypeError(
                "Argument `profile` must be the profile of a network: kn.profile(model) of a Keras "
                "model, kn.hardware.profile_tflite(data) of the bytes of a `.tflite` file. "
                f"Received: an object of type {type(profile).__name__}"
            )
        if profile.dtype != self.dtype:
            raise ValueError(
                f"Argument `profile` is of {profile.dtype} and the latency model ({self.source}) "
                f"of {self.dtype} files: pass kn.profile(model, dtype={self.dtype!r}), or fit a "
                f"model to timings of {profile.dtype} files"
            )
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
        """Fits a model to timings, by non-negative least squares of the relative errors.

        With timings of n distinct models, at most n / 3 coefficients are fitted:
        multiply-accumulates by kind of operator and a constant; then also all operators and the
        values that those without multiply-accumulates write; then the values that each kind
        writes. Models of the same operators are one, of whose timings the median counts.

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
            to 20 of them, else in ten groups; `error` is None where there is but one.

        Raises:
            TypeError: `timings` or `like` is of another type; the error names the row.
            ValueError: Too few distinct models, timings of different dtypes or of another one
                than `like`, a row that is no timing, or a file that cannot be read.

        Example:

        ```python
        board = kn.hardware.LatencyModel.fit("board.csv", like=kn.hardware.MICROCONTROLLER)
        print(board)
        budget = kn.Budget(flash="512KB", latency_ms=50, latency=board)
        ```
        """
        if source is not None and not isinstance(source, str):
            raise TypeError(f"Argument `source` must be a string. Received: source={source!r}")
        if isinstance(timings, str | os.PathLike):
            source = pathlib.Path(timings).name if source is None else source
            rows = read_timings(timings)
        elif isinstance(timings, Iterable):
            rows = [_timing(row, i) for i, row in enumerate(timings)]
        else:
            raise TypeError(
                "Argument `timings` must be a list of timings or the path of a CSV file. "
                f"Received: timings={timings!r}"
            )
        dtype = _dtype_of(rows, like)
        source = "timings of the user's" if source is None else source
        given, rows = rows, merge_repeats(rows)
        if len(rows) < len(given):
            timed, models = (sum(row.whole for row in some) for some in (given, rows))
            several = "s" * (models > 1)
            source += f" ({timed} timings of {models} model{several}, of each the median)"
        if like is None:
            constant, found, error = fit_costs(rows, len(given))
            costs = {kind: Cost(**fields) for kind, fields in found.items()}
        else:
            scale, constant, error = fit_scale(rows, like._variable, like.constant)
            costs = scale_costs(like.costs, scale)
            source = f"{source}, with the ratios between operators of {like.source}"
        return cls(constant, costs, source, error, dtype)

    def at_clock(self, mhz: float, timed_at: float) -> "LatencyModel":
        """Returns a model of the same cycles at another clock: of another board with the same core.

        How long memory makes the core wait is not in it. Flash that needs more wait states, other
        caches, or weights in another memory make a board slower or faster than its clock says.

        Args:
            mhz: Clock of the other board in MHz.
            timed_at: Clock of the board that was timed, in MHz.

        Returns:
            The model with all times scaled by `timed_at / mhz`; its source says so, and its `error`
            is None, for it was not measured at that clock.

        Raises:
            TypeError: A clock that is no number.
            ValueError: One that is not positive or not finite.

        Example:

        >>> import kerasnas as kn
        >>> board = kn.hardware.LatencyModel(6.0, {}, source="my board at 120 MHz")
        >>> board.at_clock(60, timed_at=120).constant
        12.0
        """
        for name, clock in (("timed_at", timed_at), ("mhz", mhz)):
            check_number(name, clock, what="a clock in MHz", above=0, hint=", such as 64")
        factor = float(timed_at) / float(mhz)
        source = f"timings scaled by clock from {timed_at:g} to {mhz:g} MHz: {self.source}"
        return LatencyModel(
            factor * self.constant, scale_costs(self.costs, factor), source, None, self.dtype
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model to a JSON file.

        Args:
            path: The file; one that is there is overwritten.

        Example:

        ```python
        board.save("board.json")
        board = kn.hardware.LatencyModel.load("board.json")
        ```
        """
        state: dict[str, Any] = {
            "constant": self.constant,
            "costs": {kind: cost._asdict() for kind, cost in self.costs.items()},
            "source": self.source,
            "error": self.error and self.error._asdict(),
            "dtype": self.dtype,
        }
        write_atomic(path, json.dumps(state, indent=2) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "LatencyModel":
        """Reads a model that `save` has written.

        Args:
            path: The file.

        Returns:
            The model, equal to the one that was saved.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file holds no latency model.
        """
        try:
            state = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
            costs = {kind: Cost(**cost) for kind, cost in state["costs"].items()}
            error = state["error"] and HeldOut(**state["error"])
            return cls(state["constant"], costs, state["source"], error, state["dtype"])
        except (ValueError, KeyError, TypeError, AttributeError) as reason:
            raise ValueError(f"{path} holds no latency model: {reason}") from reason

    def __repr__(self) -> str:
        """Returns the files, the error and the beginning of the source; `print` shows all."""
        error = "not measured" if self.error is None else f"{self.error.median:.1%} in the median"
        source = textwrap.shorten(self.source, 90, placeholder=" ...")
        return f"LatencyModel({self.dtype} files, error {error}, of {source})"

    def __str__(self) -> str:
        lines = [
            f"latency of {self.dtype} files predicted by a linear model, fitted to {self.source}",
            f"  error: {self.error or 'not measured'}",
            f"  constant {self.constant:.3g} ms",
        ]
        units = {"macs": "a million MACs", "values": "a million values", "operator": "an operator"}
        for kind, cost in sorted(self.costs.items()):
            times = {unit: getattr(cost, field) for field, unit in units.items()}
            terms = [f"{ms:.3g} ms {unit}" for unit, ms in times.items() if ms]
            lines.append(f"  {kind}: {', '.join(terms) or 'nothing'}")
        return "\n".join(lines)


def scale_costs(costs: Mapping[str, Cost], factor: float) -> dict[str, Cost]:
    """Returns the costs of a board that takes `factor` times as long for everything."""
    return {kind: Cost(*(factor * ms for ms in cost)) for kind, cost in costs.items()}


def _timing(row: "Timing | tuple[Profile | bytes, float]", number: int) -> Timing:
    name = f"timing {number}"
    if isinstance(row, Timing):
        # Timings of whole models without a name are taken for different models.
        return dataclasses.replace(row, model=name) if row.whole and not row.model else row
    if not isinstance(row, tuple | list) or len(row) != 2:
        raise TypeError(
            f"Argument `timings`, {name} must be a Timing or a pair of a profile (or the bytes of "
            f"a `.tflite` file) and its milliseconds. Received: {row!r}"
        )
    try:
        return Timing.of(*row, name)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"Argument `timings`, {name}: {error}") from error


def _dtype_of(rows: Sequence[Timing], like: LatencyModel | None) -> str:
    """Returns the dtype of all timings; raises an error if they, or `like`, have several."""
    if like is not None and not isinstance(like, LatencyModel):
        raise TypeError(
            "Argument `like` must be a LatencyModel, such as kn.hardware.MICROCONTROLLER. "
            f"Received: like={like!r} of type {type(like).__name__}"
        )
    if not rows:
        raise ValueError("Argument `timings` is empty: pass timings of a few models at least")
    if not any(row.ms for row in rows):
        raise ValueError(
            "Argument `timings` are all 0 ms, which tells nothing: time with a finer clock, or "
            f"larger models. Received: {len(rows)} timings"
        )
    dtype = rows[0].dtype
    for number, row in enumerate(rows):
        if row.dtype != dtype:
            raise ValueError(
                "Argument `timings` must be of files of one dtype, and a model be fitted to each: "
                f"timing 0 is of {dtype} and timing {number} of {row.dtype}. Received: models "
                f"{rows[0].model!r} and {row.model!r}"
            )
    if like is not None and like.dtype != dtype:
        raise ValueError(
            f"Argument `like` is of {like.dtype} and `timings` are of {dtype} files, whose ratios "
            f"between operators are others. Time {like.dtype} files, or leave `like` out; pass "
            f"dataclasses.replace(like, dtype={dtype!r}) to take its ratios all the same"
        )
    return dtype


def _read_costs(costs: Any) -> dict[str, Cost]:
    if not isinstance(costs, Mapping):
        raise TypeError(
            "Argument `costs` must be a mapping from TFLite's names of operators to "
            f"kerasnas.hardware.Cost. Received: costs={costs!r}"
        )
    for kind, cost in costs.items():
        if not isinstance(kind, str):
            raise TypeError(f"Argument `costs` must have strings as its keys. Received: {kind!r}")
        if not isinstance(cost, tuple | list) or len(cost) > len(Cost._fields):
            raise TypeError(
                f"Argument `costs[{kind!r}]` must be a kerasnas.hardware.Cost. Received: {cost!r}"
            )
    return {kind: Cost(*cost) for kind, cost in costs.items()}
