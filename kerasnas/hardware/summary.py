"""A profile as a table: what each layer costs, and which to shrink first."""

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasnas.hardware.profile import LayerProfile, Profile

_WIDTH = 100
# Names are cut to no less than this, whatever the width.
_NAME = 12
_GAP = "  "


def peak_of(profile: "Profile") -> "LayerProfile | None":
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
    # Buffers begin at multiples of 16 bytes: only what ends less than 16 below reaches the head.
    at_head = [layer for layer in profile.layers if layer.arena_bytes > profile.arena_head - 16]
    running = [layer for layer in at_head or profile.layers if layer.ram_bytes]
    return max(running, key=lambda layer: layer.ram_bytes, default=None)


def summary_of(profile: "Profile") -> str:
    """Writes a profile as a table by layer and what stands out in it.

    Args:
        profile: The cost of a network.

    Returns:
        Lines of at most 100 columns.
    """
    # Each layer's share is rounded.
    flash = max(profile.flash_bytes - sum(layer.flash_bytes for layer in profile.layers), 0)
    columns: list[tuple[str, list[int] | list[str], list[int] | list[str]]] = [
        ("output", ["x".join(map(str, layer.shape)) for layer in profile.layers], ["", "", ""]),
        ("params", [layer.params for layer in profile.layers], [0, 0, profile.params]),
        ("MACs", [layer.macs for layer in profile.layers], [0, 0, profile.macs]),
        ("flash", [x.flash_bytes for x in profile.layers], [flash, 0, profile.flash_bytes]),
        (
            "RAM",
            [layer.ram_bytes for layer in profile.layers],
            [0, profile.arena_tail, profile.ram_bytes],
        ),
    ]
    total = {"MACs": profile.macs, "flash": profile.flash_bytes, "RAM": profile.ram_bytes}
    cells: list[list[str]] = []
    for head, values, ends in columns:
        written = [head, *map(_text, [*values, *ends])]
        cells.append(_right(written))
        if head in total:
            cells.append(_right(["%", *(_share(n, total[head]) for n in [*values, *ends])]))
    names = [layer.name for layer in profile.layers]
    names = ["layer", *names, "the rest of the file", "the interpreter", f"total ({profile.dtype})"]
    room = _WIDTH - sum(len(_GAP) + len(column[0]) for column in cells)
    width = max(_NAME, min(room, max(map(len, names))))
    lines = [
        _GAP.join([f"{_cut(names[i], width):<{width}}", *(column[i] for column in cells)]).rstrip()
        for i in range(len(names))
    ]
    rule = "-" * max(map(len, lines))
    if not profile.layers:
        return "\n".join([lines[0], rule, lines[-1]])
    return "\n".join([lines[0], rule, *lines[1:-3], rule, *lines[-3:], "", *_findings(profile)])


def _findings(profile: "Profile") -> list[str]:
    peak = peak_of(profile)
    if peak is None:
        return []
    placed = (
        f"The arena reaches {profile.arena_head:,} bytes there, {peak.ram_bytes:,} of them in use"
    )
    if not peak.arena_bytes:
        placed = f"{peak.ram_bytes:,} bytes are in use there, of an arena of {profile.arena_head:,}"
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
            f"{profile.arena_head:,}"
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
