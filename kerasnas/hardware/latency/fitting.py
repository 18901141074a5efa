"""Non-negative least squares from timings to coefficients."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from kerasnas.hardware.latency.grouping import what
from kerasnas.hardware.latency.timings import Timing
from kerasnas.hardware.profile import Work

# Stands for every kind of operator without MACs that has no cost of its own.
OTHER = "OTHER"
# Distinct timings for each coefficient: with fewer, the fit would follow the noise.
_ROWS_EACH = 3
# Up to 20 models are held out one by one; more of them in 10 groups.
_ALONE, _FOLDS = 20, 10
_NOTHING = Work(0, 0, 0)


class HeldOut(NamedTuple):
    """The error of predictions for models that a fit did not see.

    Args:
        median: Median of the relative errors: 0.05 for 5 %.
        worst: The largest of them.
        timings: Number of timings that were held out, each once. The operators of a model, and
            repeated timings of it, count as one.
        fits: Number of fits that this took.
    """

    median: float
    worst: float
    timings: int
    fits: int

    def __str__(self) -> str:
        return (
            f"{self.median:.1%} in the median and {self.worst:.1%} at worst, of {self.timings} "
            f"timings held out in {self.fits} fits"
        )


class _Column(NamedTuple):
    """One coefficient: what it multiplies, and in which kinds' costs it stands, as which field."""

    feature: Callable[[Timing], float]
    kinds: tuple[str, ...] = ()
    field: str = ""


def fit_costs(
    rows: Sequence[Timing], given: int
) -> tuple[float, dict[str, dict[str, float]], HeldOut | None]:
    """Fits as many coefficients as the number of timings allows; see `LatencyModel.fit`.

    Args:
        rows: Timings, of `merge_repeats`.
        given: How many there were before, for the error.

    Returns:
        The milliseconds of the constant, those by kind of operator and field of a cost, and the
        error on held-out timings.

    Raises:
        ValueError: Too few distinct timings.
    """
    columns = _choose_columns(rows, given)
    matrix = np.array([[column.feature(row) for column in columns] for row in rows])
    constant = 0.0
    costs: dict[str, dict[str, float]] = {}
    for column, found in zip(columns, _solve(matrix, rows), strict=True):
        if not column.kinds:
            constant = float(found)
        for kind in column.kinds:
            costs.setdefault(kind, {})[column.field] = float(found)
    if OTHER in costs and "values" not in costs[OTHER]:
        # An operator that was never timed is assumed to cost as much as the slowest similar one.
        light = [cost.get("values", 0.0) for cost in costs.values() if "macs" not in cost]
        costs[OTHER]["values"] = max(light, default=0.0)
    return constant, costs, _held_out(matrix, rows)


def fit_scale(
    rows: Sequence[Timing], predict: Callable[[Mapping[str, Work]], float], constant: float
) -> tuple[float, float, HeldOut | None]:
    """Fits a factor to predictions without their constant, and a new constant where it shows.

    Returns:
        The factor, the new constant, and the error on held-out timings.
    """
    whole = np.array([float(row.whole) for row in rows])
    variable = np.array([predict(row.work) for row in rows])
    if whole.all() and len(rows) >= _ROWS_EACH:
        matrix = np.stack([variable, whole], axis=1)
        scale, fitted = _solve(matrix, rows)
    else:
        # With few timings, one factor is assumed to hold for everything, the constant included.
        matrix = (variable + constant * whole)[:, None]
        (scale,) = _solve(matrix, rows)
        fitted = scale * constant * whole.max()
    return float(scale), float(fitted), _held_out(matrix, rows)


def _choose_columns(rows: Sequence[Timing], given: int) -> list[_Column]:
    distinct = len({what(row) for row in rows})
    for columns in _possible_columns(rows):
        if distinct >= _ROWS_EACH * len(columns):
            return columns
    kind = "model" if rows[0].whole else "operator"
    raise ValueError(
        f"Argument `timings` must hold {_ROWS_EACH} distinct ones for each of at least "
        f"{len(columns)} coefficients, {_ROWS_EACH * len(columns)} in all; with fewer, pass "
        "like=kn.hardware.MICROCONTROLLER, or another model whose ratios between operators are "
        f"to be kept. Received: {given} timings of {distinct} distinct {kind}{'s' * (distinct > 1)}"
    )


def _possible_columns(rows: Sequence[Timing]) -> list[list[_Column]]:
    """Returns the sets of coefficients that may be fitted, the largest first."""
    kinds = sorted({kind for row in rows for kind in row.work})
    heavy = sorted({kind for row in rows for kind, done in row.work.items() if done.macs})
    light = [kind for kind in kinds if kind not in heavy]
    macs = [_column("macs", [kind]) for kind in heavy]
    if any(row.whole for row in rows):
        macs.append(_Column(lambda row: float(row.whole)))
    each = _column("operator", [*kinds, OTHER])
    pooled = _column("values", [*light, OTHER])
    apart = [_column("values", [kind]) for kind in kinds]
    return [[*macs, each, *apart], [*macs, each, pooled], macs]


def _column(field: str, kinds: Sequence[str]) -> _Column:
    """Returns one coefficient for the operators, MACs or values of some kinds."""
    place = ("operator", "macs", "values").index(field)
    unit = 1.0 if field == "operator" else 1e-6

    def feature(row: Timing) -> float:
        return unit * sum(row.work.get(kind, _NOTHING)[place] for kind in kinds)

    return _Column(feature, tuple(kinds), field)


def _solve(matrix: np.ndarray, rows: Sequence[Timing]) -> np.ndarray:
    from scipy.optimize import nnls

    ms = np.array([row.ms for row in rows])
    total: dict[str, float] = {}
    for row in rows:
        total[row.model] = total.get(row.model, 0.0) + (0.0 if row.whole else row.ms)
    inference = [row.ms if row.whole else total[row.model] or 1.0 for row in rows]
    # Relative errors: each model counts the same, however long a whole inference takes.
    weight = 1 / np.array(inference)
    size = np.abs(matrix).max(axis=0)
    size[size == 0] = 1
    found, _ = nnls(matrix / size * weight[:, None], ms * weight, maxiter=100 * len(size))
    return np.asarray(found / size)


def _held_out(matrix: np.ndarray, rows: Sequence[Timing]) -> HeldOut | None:
    place = {name: i for i, name in enumerate(dict.fromkeys(row.model for row in rows))}
    model = np.array([place[row.model] for row in rows])
    if len(place) == 1:
        # With a single model, its operators are held out, equal ones together, and the
        # sum is compared.
        of = {key: i for i, key in enumerate(dict.fromkeys(what(row) for row in rows))}
        unit = np.array([of[what(row)] for row in rows])
    else:
        unit = model
    count = int(unit.max()) + 1
    if count < 2:
        return None
    fold = unit if count <= _ALONE else unit % _FOLDS
    predicted = np.empty(len(rows))
    for out in np.unique(fold):
        kept = [row for row, of in zip(rows, fold, strict=True) if of != out]
        predicted[fold == out] = matrix[fold == out] @ _solve(matrix[fold != out], kept)
    ms = np.array([row.ms for row in rows])
    whole = np.array([row.whole for row in rows])
    errors = list(np.abs(predicted[whole] / ms[whole] - 1))
    for one in np.unique(model[~whole]):
        operators = (model == one) & ~whole
        if ms[operators].sum():
            errors.append(abs(predicted[operators].sum() / ms[operators].sum() - 1))
    fits = len(np.unique(fold))
    return HeldOut(float(np.median(errors)), float(np.max(errors)), len(errors), fits)
