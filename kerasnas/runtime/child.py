"""A child process that is kept and given one job after another, because a job can crash or hang."""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

# The converter leaks some megabytes with each call, so the child is replaced after so many jobs.
_MOST_JOBS = 20


class Child:
    """A script that runs as long as its jobs succeed, and is started again when it ends or is late.

    Starting Python and importing TensorFlow takes longer than most jobs, so the process is kept.

    Args:
        script: Reads folders from its standard input, one a line, and answers each with a line.
    """

    def __init__(self, script: Path) -> None:
        self._script = script
        self._child: subprocess.Popen[str] | None = None
        self._jobs = 0
        self._owner = os.getpid()
        self._lock = threading.Lock()
        atexit.register(self.close)

    def run(self, folder: Path, timeout: float) -> str:
        """Does the job in a folder.

        Args:
            folder: As the script describes it.
            timeout: Seconds.

        Returns:
            The answer, "late", or how the child ended.
        """
        with self._lock:
            child = self._ready()
            stdin, stdout = child.stdin, child.stdout
            # `_ready` asks for both pipes.
            assert stdin
            assert stdout
            answers: list[str] = []
            reader = threading.Thread(target=lambda: answers.append(stdout.readline()), daemon=True)
            try:
                # If the child has ended, the answer will say so.
                with contextlib.suppress(BrokenPipeError):
                    stdin.write(f"{folder}\n")
                    stdin.flush()
                reader.start()
                reader.join(timeout)
                if answers and answers[0]:
                    self._jobs += 1
                    return answers[0].strip()
                late = reader.is_alive()
            except BaseException:
                self.close()
                raise
            if late:
                self.close()
                return "late"
            status = child.wait()
            self.close()
            if status < 0:
                return f"crashed ({signal.Signals(-status).name})"
            return f"failed (exit status {status})"

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self._child is not None and self._owner == os.getpid():
            self._child.kill()
            # It waits for the process and closes the pipes.
            with contextlib.suppress(BrokenPipeError), self._child:
                pass
        self._child, self._jobs = None, 0

    def _ready(self) -> "subprocess.Popen[str]":
        if self._owner != os.getpid():  # A fork must not share the pipes.
            self._child, self._owner = None, os.getpid()
        if self._child is None or self._child.poll() is not None or self._jobs >= _MOST_JOBS:
            self.close()
            # -P keeps the script's folder out of sys.path. The GPU is hidden: no job needs it.
            self._child = subprocess.Popen(
                [sys.executable, "-P", str(self._script)],
                env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self._child
