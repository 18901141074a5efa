import subprocess
import sys

import pytest


@pytest.mark.parametrize("before", [None, "0"])
def test_importing_tfmot_leaves_keras_as_it_was(before):
    code = f"""
import os
if {before!r} is not None: os.environ["TF_USE_LEGACY_KERAS"] = {before!r}
from kerasnas.compression.tfmot import import_tfmot
assert "tensorflow_model_optimization" in import_tfmot().__name__
assert os.environ.get("TF_USE_LEGACY_KERAS") == {before!r}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_compression_and_export_imports_no_tensorflow():
    code = """
import os, sys
os.environ["KERAS_BACKEND"] = "jax"
import kerasnas.compression, kerasnas.export
names = ("tensorflow", "tf_keras", "tensorflow_model_optimization", "ai_edge_litert")
assert not [name for name in names if name in sys.modules]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
