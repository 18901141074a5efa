"""The lengths of training that fidelities share: from short to full, each a factor longer."""

import math
from typing import Any

from kerasnas.runtime.arguments import check_integer

# Of 12 epochs, a first rung of 1 found better networks than one of 2, 4 or 12 on all three data
# sets of benchmarks/short_trainings.py; shorter ones were not measured.
_LEAST_SHARE = 12


def check_rungs(max_epochs: Any, factor: Any, min_epochs: Any) -> tuple[int, int, int]:
    """Checks the three numbers that fix the rungs.

    Args:
        max_epochs: Epochs of a full training.
        factor: One of `factor` trials goes on to the next rung, with `factor` times the epochs.
        min_epochs: Least epochs of the first rung; None for a twelfth of `max_epochs`.

    Returns:
        The three as integers.

    Raises:
        ValueError: A number out of its range.
    """
    check_integer("max_epochs", max_epochs, least=1)
    check_integer("factor", factor, least=2)
    check_integer("min_epochs", min_epochs, least=1, optional=True)
    if min_epochs is not None and min_epochs > max_epochs:
        raise ValueError(
            "min_epochs must be at most max_epochs. "
            f"Received: min_epochs={min_epochs}, max_epochs={max_epochs}"
        )
    # JSON cannot hold integers of numpy.
    return int(max_epochs), int(factor), int(min_epochs or math.ceil(max_epochs / _LEAST_SHARE))
