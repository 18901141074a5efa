"""Memory over time: what is alive while each operator runs, as a drawing."""

import os
import pathlib
from xml.sax.saxutils import escape

from kerasnas.hardware.budget import Budget
from kerasnas.hardware.profile import LayerProfile, Profile, peak_of
from kerasnas.runtime.files import write_atomic

_WIDTH, _HEIGHT = 960, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, _WIDTH - 24, 64, _HEIGHT - 60  # The edges of the plot.
_UNITS = ((1024**2, "MB"), (1024, "KB"), (1, "bytes"))
_LEGEND = (("alive", "in use"), ("arena", "end in the arena"), ("interpreter", "interpreter"))
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222; paint-order: stroke; stroke: #fff8;
  stroke-width: 4px }
.title { font-size: 17px; font-weight: 600 }
.interpreter { fill: #b8bec8 }
.alive { fill: #4c86c6 }
.arena { fill: none; stroke: #1f3f66; stroke-width: 1.5 }
.axis, .grid { stroke: #222; stroke-width: 1 }
.grid { stroke: #e3e5e8 }
.peak { stroke: #b3261e; stroke-width: 1.5 }
.peak-name { fill: #b3261e }
.head { stroke: #1f3f66; stroke-dasharray: 6 4 }
.budget { stroke: #b3261e; stroke-dasharray: 2 3; stroke-width: 2 }
.step { fill: transparent }
.step:hover { fill: #0002 }
"""


def memory(profile: Profile, path: str | os.PathLike[str], budget: Budget | None = None) -> None:
    """Draws the memory of a network over time, one step an operator.

    The file is one SVG that needs no other: the interpreter's own part of the arena, on it what is
    alive while each operator runs and where that ends in the arena (the gaps of placement are
    between the two), the size of the whole arena, and the operator at its peak. Each step says its
    layer and bytes under the mouse.

    Args:
        profile: From `kerasnas.profile` or `kerasnas.hardware.profile_tflite`.
        path: Where to write the file, `.svg`. What is there is replaced.
        budget: Whose RAM is drawn as a line, where it limits that.

    Raises:
        TypeError: `profile` is no profile, such as a model, or `budget` no `kerasnas.Budget`.
        ValueError: The profile has no layers.
        FileNotFoundError: The folder of `path` does not exist.

    Example:

    ```python
    kn.report.memory(kn.profile(model), "memory.svg", budget=kn.Budget(ram="64KB"))
    ```
    """
    if not isinstance(profile, Profile):
        raise TypeError(
            "Argument `profile` must be the cost of a network: kerasnas.profile(model), or "
            "kerasnas.hardware.profile_tflite(data) for a file. "
            f"Received: an object of type {type(profile).__name__}"
        )
    if budget is not None and not isinstance(budget, Budget):
        raise TypeError(
            "Argument `budget` must be a kerasnas.Budget or None; for a limit of RAM alone write "
            f'kerasnas.Budget(ram="64KB"). Received: budget={budget!r}'
        )
    steps = [layer for layer in profile.layers if layer.ram_bytes]
    if not steps:
        raise ValueError(
            "Argument `profile` has no layers, so that there is no time to draw over. Take it from "
            "kerasnas.profile(model), or from kerasnas.hardware.profile_tflite(data). Received: "
            f"a profile with {len(profile.layers)} layers, none of which needs memory"
        )
    file = pathlib.Path(path)
    if not file.parent.is_dir():
        raise FileNotFoundError(
            f"Argument `path` must be in a folder that exists; make {str(file.parent)!r} first. "
            f"Received: path={str(path)!r}"
        )
    limit = None if budget is None else budget.ram
    write_atomic(file, _Drawing(profile, steps, limit).text())


class _Drawing:
    """The parts of the file, in the plot's coordinates."""

    def __init__(self, profile: Profile, steps: list[LayerProfile], limit: int | None):
        self.profile, self.steps, self.limit = profile, steps, limit
        peak = peak_of(profile)
        self.peak = next(place for place, layer in enumerate(steps) if layer is peak)
        # What is above the arena's size needs room for its label as well.
        self.most = 1.12 * max(profile.ram_bytes, limit or 0)
        self.scale, self.unit = next(
            unit for unit in _UNITS if unit[0] == 1 or profile.ram_bytes >= 10 * unit[0]
        )

    def text(self) -> str:
        """The whole file."""
        profile = self.profile
        title = f"Memory of {len(self.steps)} operators ({profile.dtype})"
        described = (
            f"The arena takes {profile.ram_bytes:,} bytes: {profile.arena_head:,} for activations "
            f"at their peak, in {profile.peak_layer}, and {profile.arena_tail:,} for the "
            "interpreter."
        )
        if self.limit is not None:
            kept = "kept" if profile.ram_bytes <= self.limit else "exceeded"
            described += f" The budget of {self.limit:,} bytes is {kept}."
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            f'width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-labelledby="title desc">',
            f'<title id="title">{_escaped(title)}</title>',
            f'<desc id="desc">{_escaped(described)}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
            _label(_LEFT, 26, title, 'class="title"'),
            *self._legend(),
            *self._axes(),
            *self._areas(),
            *self._lines(),
            *self._hovers(),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def x(self, step: float) -> float:
        """Where a step begins."""
        return round(_LEFT + (_RIGHT - _LEFT) * step / len(self.steps), 2)

    def y(self, size: float) -> float:
        """Where a number of bytes is."""
        return round(_BOTTOM - (_BOTTOM - _TOP) * size / self.most, 2)

    def _axes(self) -> list[str]:
        parts = []
        step = _round_step(self.most / self.scale / 8)
        for number in range(int(self.most / self.scale / step) + 1):
            at = self.y(number * step * self.scale)
            parts.append(_line(_LEFT, at, _RIGHT, at, "grid"))
            parts.append(_label(_LEFT - 8, at + 4, f"{number * step:,g}", 'text-anchor="end"'))
        every = max(1, round(_round_step(len(self.steps) / 12)))
        for operator in range(every, len(self.steps) + 1, every):
            middle = self.x(operator - 0.5)
            parts.append(_label(middle, _BOTTOM + 18, str(operator), 'text-anchor="middle"'))
        parts.append(_line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis"))
        parts.append(_line(_LEFT, _TOP, _LEFT, _BOTTOM, "axis"))
        middle = (_LEFT + _RIGHT) / 2
        parts.append(_label(middle, _HEIGHT - 16, "operator", 'text-anchor="middle"'))
        middle = (_TOP + _BOTTOM) / 2
        turned = f'text-anchor="middle" transform="rotate(-90 24 {middle})"'
        parts.append(_label(24, middle, f"RAM, {self.unit}", turned))
        return parts

    def _areas(self) -> list[str]:
        tail = self.profile.arena_tail
        alive = [tail + layer.ram_bytes for layer in self.steps]
        ends = [tail + max(layer.arena_bytes, layer.ram_bytes) for layer in self.steps]
        height = _BOTTOM - self.y(tail)
        return [
            f'<rect class="interpreter" x="{_LEFT}" y="{self.y(tail)}" '
            f'width="{_RIGHT - _LEFT}" height="{height:g}"/>',
            f'<path class="alive" d="M{_LEFT},{self.y(tail)}{self._stairs(alive)}'
            f'V{self.y(tail)}Z"/>',
            f'<path class="arena" d="M{_LEFT},{self.y(ends[0])}{self._stairs(ends)}"/>',
        ]

    def _legend(self) -> list[str]:
        parts = []
        for i, (kind, said) in enumerate(_LEGEND):
            x = _RIGHT - 390 + 130 * i
            parts.append(f'<rect class="{kind}" x="{x}" y="15" width="12" height="12"/>')
            parts.append(_label(x + 18, 26, said))
        return parts

    def _stairs(self, sizes: list[int]) -> str:
        return "".join(f"V{self.y(size)}H{self.x(i + 1)}" for i, size in enumerate(sizes))

    def _lines(self) -> list[str]:
        size = self.profile.ram_bytes
        arena = self.y(size)
        parts = [
            _line(_LEFT, arena, _RIGHT, arena, "head"),
            _label(_RIGHT, arena - 6, f"arena {self._said(size)}", 'text-anchor="end"'),
        ]
        middle = self.x(self.peak + 0.5)
        # A label beside the edge would be cut off there.
        anchor = "start" if self.peak < len(self.steps) / 2 else "end"
        layer = self.steps[self.peak]
        said = f"peak: {_cut(layer.name)}, {self._said(layer.ram_bytes)} in use"
        attributes = f'class="peak-name" text-anchor="{anchor}"'
        parts.append(_line(middle, _TOP - 12, middle, arena, "peak"))
        parts.append(_label(middle, _TOP - 18, said, attributes))
        if self.limit is not None:
            budget = self.y(self.limit)
            parts.append(_line(_LEFT, budget, _RIGHT, budget, "budget"))
            said = f"budget {self._said(self.limit)}"
            # On the other side of the arena's label, should both lines be near.
            parts.append(_label(_LEFT + 6, budget - 6, said, 'class="peak-name"'))
        return parts

    def _hovers(self) -> list[str]:
        """A transparent column for each step, with what it is."""
        parts = []
        for i, layer in enumerate(self.steps):
            said = f"{i + 1}: {layer.name} ({layer.kind}), {layer.ram_bytes:,} bytes in use"
            parts.append(
                f'<rect class="step" x="{self.x(i)}" y="{_TOP}" '
                f'width="{self.x(i + 1) - self.x(i):.2f}" height="{_BOTTOM - _TOP}">'
                f"<title>{_escaped(said)}</title></rect>"
            )
        return parts

    def _said(self, size: int) -> str:
        number = size / self.scale
        return f"{number:,.0f} {self.unit}" if number >= 100 else f"{number:.3g} {self.unit}"


def _label(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" {attributes}>{_escaped(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def _escaped(text: str) -> str:
    """Text as XML takes it: control characters are not even allowed when written as numbers."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def _cut(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:18]}...{name[-19:]}"


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10 ... times a power of ten."""
    power = 10.0 ** (len(f"{int(step)}") - 1)
    while power > step:
        power /= 10
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step)
