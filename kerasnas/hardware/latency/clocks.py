"""Scales the latency model of a board to others with the same core: same cycles, another clock.

The error of this was measured on boards whose timings with one runtime are published, each left out
in turn; `python benchmarks/latency.py clocks` prints the numbers.
"""

import dataclasses
from typing import NamedTuple

from kerasnas.hardware.latency.boards import BOARDS
from kerasnas.hardware.latency.fitting import HeldOut
from kerasnas.hardware.latency.model import LatencyModel


class _Timed(NamedTuple):
    """A core on a board with a latency model, and what scaling that to others misses.

    Args:
        board: Name of the board.
        mhz: The clock at which it was timed.
        runtime: What it was timed with; it stands in the name of the model, too.
        chips: What the names of the chips begin with that the runtime is for.
        scaling: Median and largest error of a time that is scaled to another board, and how many
            published timings were told so.
        between: The boards of those timings.
        error: The error of this model for networks that its fit did not see, scaled so.
    """

    board: str
    mhz: float
    runtime: str
    chips: str
    scaling: tuple[float, float, int]
    between: str
    error: HeldOut


_CORES = {
    "Cortex-M4F": _Timed(
        "nucleo-l4r5zi",
        120,
        "TFLM reference kernels",
        "",
        (0.19, 0.414, 24),
        "a NUCLEO-L4R5ZI, a CY8CPROTO-062-4343W and a NuMaker-M467HJ",
        HeldOut(0.201, 0.547, 24, 4),
    ),
    "Cortex-M7": _Timed(
        "nucleo-h7a3zi",
        280,
        "X-CUBE-AI 8.0",
        "STM32",
        (0.021, 0.053, 16),
        "a NUCLEO-H7A3ZI and an STM32F746G-DISCO, both with caches on",
        HeldOut(0.057, 0.53, 16, 4),
    ),
}


def scaled_latency(core: str, mhz: float | None, chip: str) -> LatencyModel | None:
    """Returns the latency model of a board that nobody has timed, from one with the same core.

    Args:
        core: Name of the board's core, such as "Cortex-M4F".
        mhz: Its clock in MHz; None where it is not known.
        chip: Name of its chip.

    Returns:
        The scaled model, whose source and error say from where and how far it may be off; None
        where no board with this core has a latency model, or one whose runtime is not for the chip.
    """
    timed = _CORES.get(core)
    if timed is None or mhz is None or not chip.lower().startswith(timed.chips.lower()):
        return None
    scaled = BOARDS[f"{timed.board}, {timed.runtime}"].at_clock(mhz, timed_at=timed.mhz)
    median, worst, timings = timed.scaling
    source = (
        f"{scaled.source}. Both boards have a {core}. Scaling alone is off by {median:.1%} "
        f"in the median and {worst:.1%} at worst, of {timings} published timings between "
        f"{timed.between}: wait states of the flash, caches and the memory of the weights differ"
    )
    return dataclasses.replace(scaled, source=source, error=timed.error)


def why_not_scaled(core: str, mhz: float | None, chip: str) -> str:
    """Returns why the latency of a board is not scaled from another's, though its core was timed.

    Args:
        core: Name of the board's core.
        mhz: Its clock in MHz; None where it is not known.
        chip: Name of its chip.

    Returns:
        A sentence with a space before it; empty where no board with this core was timed.
    """
    timed = _CORES.get(core)
    if timed is None:
        return ""
    if mhz is None:
        return f" {timed.board} has the same core: with `clock_mhz=` its timings are scaled."
    return (
        f" {timed.board} has the same core, but was timed with {timed.runtime}, which is for "
        f"{timed.chips} chips alone, and its chip is {chip!r}."
    )
