"""Runs the Python of a page while the site is built, and shows what it printed.

A page writes its code in blocks that begin with three backticks and `{run}`. The blocks of one page
run in order in one fresh process, in an empty folder, and share their variables. Each becomes a
block of Python with what it printed below it. Drawings that it writes (`.svg`) are copied to
`_figures/`, from where the page shows them. An error in a block ends the build. While writing,
`sphinx-build -D run_blocks=0` shows the code without running it.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

BLOCK = re.compile(r"^```\{run\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 600  # No page may take longer.

logger = logging.getLogger(__name__)

# Runs in the page's own process. Only what the code prints itself is shown: lines about progress
# that libraries write to the standard error are not.
CHILD = """
import contextlib, io, json, sys
printed, names = [], {"__name__": "__main__"}
for number, code in enumerate(json.load(sys.stdin), 1):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, f"block {number}", "exec"), names)
    printed.append(out.getvalue())
with open("printed.json", "w") as file:
    json.dump(printed, file)
"""


def run_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Replaces each `{run}` block of a page by its code and what that printed."""
    blocks = BLOCK.findall(source[0])
    if not blocks:
        return
    if not app.config.run_blocks:
        source[0] = BLOCK.sub(r"```python\n\1```", source[0])
        return
    start = time.perf_counter()
    printed = iter(run(page, blocks, pathlib.Path(app.srcdir) / "_figures"))
    logger.info(f"{page}: {len(blocks)} blocks run in {time.perf_counter() - start:.0f} s")

    def shown(block: re.Match[str]) -> str:
        text = f"```python\n{block[1]}```"
        output = next(printed).strip("\n")
        return f"{text}\n\n```text\n{output}\n```" if output else text

    source[0] = BLOCK.sub(shown, source[0])


def run(page: str, blocks: list[str], figures: pathlib.Path) -> list[str]:
    """Runs code blocks in one process.

    Args:
        page: Name of the page, for the error.
        blocks: The code of each block.
        figures: Folder that drawings are copied to.

    Returns:
        What each block printed.

    Raises:
        ExtensionError: A block failed. The message ends with the traceback.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            input=json.dumps(blocks),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        if done.returncode != 0:
            raise ExtensionError(f"The code of {page} failed:\n{done.stderr[-4000:]}")
        figures.mkdir(exist_ok=True)
        for drawing in pathlib.Path(folder).glob("*.svg"):
            shutil.copy(drawing, figures)
        return json.loads(pathlib.Path(folder, "printed.json").read_text())


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_config_value("run_blocks", True, "env")
    app.connect("source-read", run_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
