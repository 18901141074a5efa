"""What a fresh process writes to its standard error while TensorFlow is loaded."""

import os
import re
import subprocess
import sys

import pytest

from kerasnas.runtime.quiet_start import without_start_up_lines

pytest.importorskip("tensorflow")


def errors_of(code: str, **variables: str) -> str:
    """Runs code in a process that knows no variables of TensorFlow but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


@pytest.mark.parametrize(
    "variables",
    # The second are those that a process of ours hands to its children.
    [{}, {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}],
)
def test_tensorflow_starts_without_a_word(variables):
    assert errors_of("import kerasnas, tensorflow; tensorflow.constant(1)", **variables) == ""


def test_the_users_own_variable_wins():
    text = errors_of("import kerasnas", TF_CPP_MIN_LOG_LEVEL="0")
    assert re.search(r"\bI(0000|\b) ?.*\.cc:\d+\]", text)


def test_nothing_is_changed_where_tensorflow_was_loaded_before():
    errors_of(
        "import os, sys, tensorflow; before = dict(os.environ), list(sys.meta_path)\n"
        "import kerasnas.runtime.quiet_start\n"
        "assert (dict(os.environ), list(sys.meta_path)) == before"
    )


def test_what_others_write_meanwhile_is_kept(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os, sys, warnings\n"
        "os.write(2, b'I0000 00:00:1796078471.660291   17624 port.cc:153] oneDNN is on\\n')\n"
        "print('by a module', file=sys.stderr)\n"
        "os.write(2, b'F0000 00:00:1796078471.660291   17624 cpu.cc:15] cannot run here\\n')\n"
        "raise ImportError('of another machine')\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "try:\n    import kerasnas\n"
        "except ImportError as error:\n    print(error, file=sys.stderr)"
    )
    text = errors_of(code)
    assert re.sub(r"F0000.*\] ", "", text) == "by a module\ncannot run here\nof another machine\n"


def test_lines_are_judged_by_their_severity():
    lines = [f"{s}0000 00:00:1796078471.660291   17624 port.cc:153] x\n".encode() for s in "IWEF"]
    for level in range(4):
        assert without_start_up_lines(b"".join(lines), level) == b"".join(lines[level:])
