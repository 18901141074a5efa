"""The cost of one network, in total and layer by layer, and the table that shows it."""

import dataclasses
import textwrap
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kerasnas.hardware.graph import Shape

_WIDTH = 100
# A name is never cut to fewer characters than this, even if the table becomes wider.
_NAME = 12
_GAP = "  "


class Work(NamedTuple):
    """What all operators of one kind do together: their number, MACs and values written."""

    operators: int
    macs: int
    values: int


def total_work(done: Iterable[tuple[str, Work]]) -> dict[str, Work]:
    """Returns what operators do together, by TFLite's name of their kind.

    Args:
        done: The kind of each operator, and what it does.
    """
    total: dict[str, Work] = {}
    for kind, work in done:
        sums = zip(total.get(kind, Work(0, 0, 0)), work, strict=True)
        total[kind] = Work(*(a + b for a, b in sums))
    return total


@dataclasses.dataclass(frozen=True)
class LayerProfile:
    """The cost of one layer.

    Args:
        name: Name of the layer.
        kind: Class name of the layer.
        shape: Shape of its output, without the batch.
        params: Number of its weights.
        macs: Multiply-accumulates of one inference.
        flash_bytes: Its share of the file; 0 for a layer that is folded into the one before.
        ram_bytes: Activations that are alive while it runs, before placement in the arena.
        arena_bytes: Where the highest of them ends in the arena, the gaps of placement included;
            0 where that is not known.
    """

    name: str
    kind: str
    shape: Shape
    params: int
    macs: int
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Profile:
    """The cost of one network on a device.

    Args:
        dtype: What the costs hold for: "int8", "float32", "float16" or "dynamic".
        params: Number of weights, the untrained ones included.
        macs: Multiply-accumulates of one inference, in convolutions and dense layers.
        flash_bytes: Size of the post-training `.tflite` file.
        ram_bytes: Tensor arena of TensorFlow Lite Micro: `arena_head` and `arena_tail`.
        arena_head: Peak of the activations, placed as its planner places them.
        arena_tail: What the interpreter keeps for operators and tensors.
        layers: The same layer by layer, in the order of execution.
        work: What the file's operators do, by TFLite's name of their kind.
        arena_head_reordered: `arena_head` if the operators ran in the order that needs the least;
            None where that was not looked for, or there are too many orders.
        latency_ms: Milliseconds of one inference, as a latency model predicts them; None without.
    """

    dtype: str
    params: int
    macs: int
    flash_bytes: int
    ram_bytes: int
    arena_head: int
    arena_tail: int
    layers: tuple[LayerProfile, ...]
    work: Mapping[str, Work] = dataclasses.field(default_factory=dict)
    arena_head_reordered: int | None = None
    latency_ms: float | None = None

    def __repr__(self) -> str:
        """Returns the totals on one line; `summary()` has the layers."""
        latency = "" if self.latency_ms is None else f", latency_ms={self.latency_ms:.4g}"
        return (
            f"Profile({self.dtype}: params={self.params:,}, macs={self.macs:,}, "
            f"flash_bytes={self.flash_bytes:,}, ram_bytes={self.ram_bytes:,}{latency}, "
            f"{len(self.layers)} layers)"
        )

    @property
    def peak_layer(self) -> str | None:
        """Name of the layer that sets the peak of the memory; None where there are no layers.

        Where the arena reaches its head during several layers, it is the one with the most bytes
        alive.
        """
        layer = peak_of(self)
        return None if layer is None else layer.name

    def summary(self) -> str:
        """Returns a table of the layers with their shares of the totals, and what to shrink first.

        Returns:
            Text of at most 100 columns: a line a layer, the totals, the layer that sets the peak
            of the memory, and the one with the largest share of the flash.
        """
        # The shares of layers are rounded, so their sum may be a little above the total.
        flash = max(self.flash_bytes - sum(layer.flash_bytes for layer in self.layers), 0)
        columns: list[tuple[str, list[int] | list[str], list[int] | list[str]]] = [
            ("output", ["x".join(map(str, layer.shape)) for layer in self.layers], ["", "", ""]),
            ("params", [layer.params for layer in self.layers], [0, 0, self.params]),
            ("MACs", [layer.macs for layer in self.layers], [0, 0, self.macs]),
            ("flash", [layer.flash_bytes for layer in self.layers], [flash, 0, self.flash_bytes]),
            ("RAM", [x.ram_bytes for x in self.layers], [0, self.arena_tail, self.ram_bytes]),
        ]
        total = {"MACs": self.macs, "flash": self.flash_bytes, "RAM": self.ram_bytes}
        cells: list[list[str]] = []
        for head, values, ends in columns:
            cells.append(_right([head, *map(_text, [*values, *ends])]))
            if head in total:
                cells.append(_right(["%", *(_share(n, total[head]) for n in [*values, *ends])]))
        names = ["layer", *(layer.name for layer in self.layers)]
        names += ["the rest of the file", "the interpreter", f"total ({self.dtype})"]
        room = _WIDTH - sum(len(_GAP) + len(column[0]) for column in cells)
        width = max(_NAME, min(room, max(map(len, names))))
        lines = [
            _GAP.join([f"{_cut(name, width):<{width}}", *(column[i] for column in cells)]).rstrip()
            for i, name in enumerate(names)
        ]
        rule = "-" * max(map(len, lines))
        if not self.layers:
            return "\n".join([lines[0], rule, lines[-1]])
        return "\n".join([lines[0], rule, *lines[1:-3], rule, *lines[-3:], "", *_findings(self)])


def peak_of(profile: Profile) -> LayerProfile | None:
    """Finds the layer that sets the peak of the memory.

    Args:
        profile: The cost of a network.

    Returns:
        Of the layers during which the arena reaches its head, the one with the most bytes alive;
        of all layers, where it is not known where the arena ends; None where there are none.

    Example:

    >>> import keras, kerasnas as kn
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, name="conv")])
    >>> kn.profile(model).peak_layer
    'conv'
    """
    # Buffers begin at multiples of 16 bytes, so a layer is at the peak if its end is within
    # 16 bytes.
    at_head = [layer for layer in profile.layers if layer.arena_bytes > profile.arena_head - 16]
    running = [layer for layer in at_head or profile.layers if layer.ram_bytes]
    return max(running, key=lambda layer: layer.ram_bytes, default=None)


def _findings(profile: Profile) -> list[str]:
    peak = peak_of(profile)
    if peak is None:
        return []
    head, used = f"{profile.arena_head:,}", f"{peak.ram_bytes:,}"
    placed = f"The arena reaches {head} bytes there, {used} of them in use"
    if not peak.arena_bytes:
        placed = f"{used} bytes are in use there, of an arena of {head}"
    found = [f"Peak of the RAM: {peak.name}. {placed}"]
    largest = max(profile.layers, key=lambda layer: layer.flash_bytes)
    found.append(
        f"Most of the flash: {largest.name}, {largest.flash_bytes:,} bytes "
        f"({_share(largest.flash_bytes, profile.flash_bytes)} %)"
    )
    best = profile.arena_head_reordered
    if best is not None and best < profile.arena_head:
        found.append(
            f"With the operators in the best order the arena would reach {best:,} bytes instead of "
            f"{head}"
        )
    return [line for text in found for line in textwrap.wrap(text, _WIDTH, subsequent_indent=_GAP)]


def _text(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:,}" if value else "-"


def _share(value: int | str, total: int) -> str:
    if isinstance(value, str) or not value:
        return ""
    return f"{100 * value / total:.0f}" if 200 * value >= total else "<1"


def _right(cells: list[str]) -> list[str]:
    width = max(map(len, cells))
    return [f"{cell:>{width}}" for cell in cells]


def _cut(name: str, width: int) -> str:
    """Leaves out the middle of a long name: the ends tell layers apart."""
    if len(name) <= width:
        return name
    kept = width - 3
    return f"{name[: kept // 2]}...{name[len(name) - (kept - kept // 2) :]}"
