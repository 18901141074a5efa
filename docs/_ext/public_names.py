"""Prepares docstrings for the API reference, and warns of public names that it lacks."""

import importlib
import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

# The rooms whose `__all__` is public.
ROOMS = (
    "kerasnas.bridge",
    "kerasnas.compression",
    "kerasnas.export",
    "kerasnas.hardware",
    "kerasnas.hypermodels",
    "kerasnas.oracles",
    "kerasnas.report",
    "kerasnas.testing",
    "kerasnas.training.augment",
    "kerasnas.tuners",
)
FENCE = re.compile(r"^(\s*)```(\w*)\s*$")

logger = logging.getLogger(__name__)


def fences_to_directives(
    app: Sphinx, kind: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Docstrings fence their examples as Markdown does; Sphinx reads them as reStructuredText."""
    result: list[str] = []
    inside = False
    for line in lines:
        fence = FENCE.match(line)
        if fence is None:
            result.append(f"   {line}" if inside and line.strip() else line)
            continue
        inside = not inside
        if inside:
            result += ["", f"{fence[1]}.. code-block:: {fence[2] or 'text'}"]
        result.append("")
    lines[:] = result


def check_all_described(app: Sphinx, env: BuildEnvironment) -> None:
    """Warns of each public name that no page of the API reference describes or lists."""
    described = {name.rpartition(".")[2] for name in env.get_domain("py").objects}
    # Names that belong to KerasTuner stand in a table, without their docstrings.
    listed = env.doc2path("api/kerasnas").read_text()
    for room in ("kerasnas", *ROOMS):
        for name in importlib.import_module(room).__all__:
            if name not in described and f"`{name}`" not in listed:
                logger.warning(f"{room}.{name} is not in the API reference")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    # Before napoleon, which indents what belongs to a section.
    app.connect("autodoc-process-docstring", fences_to_directives, priority=100)
    app.connect("env-check-consistency", check_all_described)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
