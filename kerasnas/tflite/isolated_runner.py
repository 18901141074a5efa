"""Runs a `.tflite` file in a process of its own, so that a crash does not end this one."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from kerasnas.runtime.child import Child
from kerasnas.tflite.inspection import ends, keeps_state
from kerasnas.tflite.reader import TFLiteFile, opened

RUNNER = Path(__file__).with_name("runner.py")


def run_file(
    file: str | os.PathLike[str] | bytes | TFLiteFile,
    arrays: list[np.ndarray],
    runtime: str,
    timeout: float,
    child: Child | None = None,
) -> list[np.ndarray]:
    """Runs a file on samples in another process, which reads the file from the disk.

    Args:
        file: Path of a `.tflite` file, its bytes, or the file parsed.
        arrays: One array of shape (samples, ...) for each input.
        runtime: "litert", "reference" (LiteRT with its reference kernels) or "micro".
        timeout: Seconds after which it is given up.
        child: Where it runs; None for a process of its own.

    Returns:
        List with one array of shape (samples, ...) for each output, float for quantized ones.

    Raises:
        ValueError: If the interpreter refuses the file.
        RuntimeError: If the file ends its process.
        TimeoutError: If it takes longer than `timeout`.
    """
    with tempfile.TemporaryDirectory(prefix="kerasnas-") as name:
        folder = Path(name)
        path = folder / "model.tflite"
        parsed = opened(file)
        if isinstance(file, bytes | TFLiteFile):
            path.write_bytes(parsed.data)
        else:
            path = Path(file).absolute()
        job = {
            "file": str(path),
            "runtime": runtime,
            "outputs": len(ends(parsed, "output")),
            "stateful": keeps_state(parsed),
        }
        (folder / "job.json").write_text(json.dumps(job))
        np.savez(folder / "x.npz", *arrays)
        how, said = _by(child, folder, timeout) if child else _alone(folder, timeout)
        if how == "late":
            raise TimeoutError(
                f"The interpreter did not finish {len(arrays[0])} samples in `timeout`={timeout} "
                "seconds; give it fewer, or more time"
            )
        if (folder / "refused.txt").exists():
            raise ValueError(
                f"The interpreter ({runtime}) cannot run `file`: "
                + (folder / "refused.txt").read_text()
            )
        if how != "done":
            raise RuntimeError(
                f"The interpreter ({runtime}) {how} on `file`. It said last: {_last_words(said)}"
            )
        with np.load(folder / "y.npz") as found:
            return [found[key] for key in found.files]


def _alone(folder: Path, timeout: float) -> tuple[str, str]:
    """Does a job in a fresh process, and returns how it ended and what it printed last."""
    try:
        # -P keeps the script's folder out of sys.path.
        child = subprocess.run(
            [sys.executable, "-P", str(RUNNER), str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "late", ""
    status, said = child.returncode, child.stderr.decode(errors="replace")
    if status < 0:
        return f"crashed ({signal.Signals(-status).name})", said
    return ("failed" if status else "done"), said


def _by(child: Child, folder: Path, timeout: float) -> tuple[str, str]:
    """Does a job in a process that is kept, and returns the same as `_alone`."""
    how = child.run(folder, timeout)
    log = folder / "log.txt"
    return how, log.read_text(errors="replace") if log.exists() else ""


def _last_words(said: str) -> str:
    """Returns the end of what an interpreter printed, without the lines of a Python traceback."""
    own = [
        line.strip()
        for line in said.splitlines()
        if line.strip() and not line.startswith((" ", "Traceback"))
    ]
    return " ".join(own[-4:])
