"""Test functions of optimisation, as losses. Surjanovic and Bingham, "Virtual Library of
Simulation Experiments", https://www.sfu.ca/~ssurjano/optimization.html."""

from collections.abc import Callable

import numpy as np

_A6 = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
_A3 = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
_P3 = 1e-4 * np.array(
    [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]
)
_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_BETA = 0.1 * np.array([1, 2, 2, 4, 4, 6, 3, 7, 5, 5])
_C = np.array(
    [
        [4, 1, 8, 6, 3, 2, 5, 8, 6, 7],
        [4, 1, 8, 6, 7, 9, 3, 1, 2, 3.6],
        [4, 1, 8, 6, 3, 2, 5, 8, 6, 7],
        [4, 1, 8, 6, 7, 9, 3, 1, 2, 3.6],
    ]
).T


def hartmann6(x: np.ndarray) -> float:
    """On the unit cube; least -3.32237."""
    return -float(_WEIGHTS @ np.exp(-(_A6 * (x - _P6) ** 2).sum(axis=1)))


def hartmann3(x: np.ndarray) -> float:
    """On the unit cube; least -3.86278."""
    return -float(_WEIGHTS @ np.exp(-(_A3 * (x - _P3) ** 2).sum(axis=1)))


def shekel(x: np.ndarray) -> float:
    """On the unit cube, for 0 to 10; least -10.5364."""
    return -float((1 / (((10 * x - _C) ** 2).sum(axis=1) + _BETA)).sum())


def branin(x: np.ndarray) -> float:
    """On the unit square, for -5 to 10 and 0 to 15; least 0.397887."""
    a, b = 15 * x[0] - 5, 15 * x[1]
    inner = b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6
    return float(inner**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10)


def ackley(x: np.ndarray) -> float:
    """Least 0, at 0."""
    wide, narrow = np.sqrt((x**2).mean()), np.cos(2 * np.pi * x).mean()
    return float(20 + np.e - 20 * np.exp(-0.2 * wide) - np.exp(narrow))


def rosenbrock(x: np.ndarray) -> float:
    """Least 0, at 1; the logarithm of one more than the usual form."""
    return float(np.log1p((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()))


def levy(x: np.ndarray) -> float:
    """Least 0, at 1."""
    w = 1 + (x - 1) / 4
    middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
    end = (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return float(np.sin(np.pi * w[0]) ** 2 + middle + end)


def styblinski(x: np.ndarray) -> float:
    """Least -39.16617 a dimension, at -2.903534."""
    return float((x**4 - 16 * x**2 + 5 * x).sum() / 2)


def griewank(x: np.ndarray) -> float:
    """Least 0, at 0."""
    waves = np.cos(x / np.sqrt(np.arange(1, len(x) + 1))).prod()
    return float(1 + (x**2).sum() / 4000 - waves)


def rastrigin(x: np.ndarray) -> float:
    """Least 0, at 0; a tenth of the usual form."""
    return float((10 + x**2 - 10 * np.cos(2 * np.pi * x)).sum() / 10)


def bumps(number: int) -> tuple[Callable[[np.ndarray], float], float]:
    """Four bumps of random widths at random places of the six-dimensional unit cube.

    Args:
        number: Another number is another function.

    Returns:
        The function, made like hartmann6, and its least value.
    """
    from scipy.optimize import minimize

    rng = np.random.default_rng([number, 77])
    widths = np.exp(rng.uniform(np.log(0.3), np.log(17), (4, 6)))
    places = rng.random((4, 6))

    def function(x: np.ndarray) -> float:
        return -float(_WEIGHTS @ np.exp(-(widths * (x - places) ** 2).sum(axis=1)))

    found = [minimize(function, x, method="L-BFGS-B", bounds=[(0, 1)] * 6) for x in places]
    return function, float(min(one.fun for one in found))


def waves(number: int) -> Callable[[np.ndarray], float]:
    """A product of waves of random lengths on the six-dimensional unit cube; least 0.

    Args:
        number: Another number is another function.

    Returns:
        The function, made like griewank: no single decision says anything far from an optimum.
    """
    rng = np.random.default_rng([number, 31])
    turns = np.exp(rng.uniform(np.log(2), np.log(30), 6))
    place = rng.uniform(0.2, 0.8, 6)

    def function(x: np.ndarray) -> float:
        return float(1 - np.cos(turns * (x - place)).prod() + 0.5 * ((x - place) ** 2).sum())

    return function


def wells(number: int) -> tuple[Callable[[np.ndarray], float], float]:
    """Eight narrow wells at random places of the four-dimensional unit cube.

    Args:
        number: Another number is another function.

    Returns:
        The function, made like shekel, and about its least value: that of the deepest centre.
    """
    rng = np.random.default_rng([number, 32])
    places, widths = rng.uniform(0.1, 0.9, (8, 4)), rng.uniform(0.1, 0.7, 8)

    def function(x: np.ndarray) -> float:
        return -float((1 / ((100 * (x - places) ** 2).sum(axis=1) + widths)).sum())

    return function, min(map(function, places))


def michalewicz(x: np.ndarray) -> float:
    """On the unit cube, for 0 to pi; least -4.687658 in five dimensions."""
    place = np.arange(1, len(x) + 1)
    return -float((np.sin(np.pi * x) * np.sin(place * np.pi * x**2) ** 20).sum())


def schwefel(x: np.ndarray) -> float:
    """On the unit cube, for -500 to 500; least 0; a hundredth of the usual form."""
    x = 1000 * x - 500
    return float((418.9829 - x * np.sin(np.sqrt(np.abs(x)))).sum() / 100)


def alpine(x: np.ndarray) -> float:
    """Least 0, at 0."""
    return float(np.abs(x * np.sin(x) + 0.1 * x).sum())


# Each with its range and its least value (of one dimension for styblinski).
KNOWN: dict[str, tuple[Callable[[np.ndarray], float], float, float, float]] = {
    "ackley": (ackley, -5.0, 5.0, 0.0),
    "rosenbrock": (rosenbrock, -2.0, 3.0, 0.0),
    "levy": (levy, -8.0, 8.0, 0.0),
    "styblinski": (styblinski, -5.0, 5.0, -39.16617),
    "griewank": (griewank, -12.0, 12.0, 0.0),
    "alpine": (alpine, -10.0, 10.0, 0.0),
    "rastrigin": (rastrigin, -2.0, 2.0, 0.0),
}
