"""Names that tell things apart."""

import itertools
from collections.abc import Sequence


def distinct(names: Sequence[str]) -> list[str]:
    """Numbers the names that are there more than once, as Keras numbers metrics.

    Args:
        names: Names, such as those of the layers that make the outputs of a model.

    Returns:
        As many names, all different: the first of each as it is, the others with the first number
        that gives a name which nothing else has.

    Example:

    >>> distinct(["scores", "scores", "scores_1"])
    ['scores', 'scores_2', 'scores_1']
    """
    found: list[str] = []
    for name in names:
        free = (f"{name}_{n}" for n in itertools.count(1) if f"{name}_{n}" not in (*names, *found))
        found.append(next(free) if name in found else name)
    return found
