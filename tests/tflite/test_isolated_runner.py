"""A file in a process of its own."""

import subprocess

import numpy as np
import pytest

from kerasnas.export import verify


def test_a_crash_of_the_interpreter_is_an_error(monkeypatch, tmp_path, classifier_file, images):
    child = tmp_path / "child.py"
    child.write_text("import os\nos.abort()\n")
    monkeypatch.setattr("kerasnas.tflite.isolated_runner.RUNNER", child)
    with pytest.raises(RuntimeError, match=r"interpreter \(litert\) crashed \(SIGABRT\)"):
        verify(classifier_file, images, np.zeros(50, int))


def test_time_limit(classifier_file, images):
    with pytest.raises(TimeoutError, match=r"50 samples in `timeout`=0\.001 seconds"):
        verify(classifier_file, images, np.zeros(50, int), timeout=0.001)


def test_the_process_is_another_without_keras_and_tensorflow(monkeypatch, classifier_file, images):
    imported = []
    run = subprocess.run

    def spy(command, **given):
        done = run([command[0], "-X", "importtime", *command[1:]], **given)
        imported.extend(line.split("|")[-1].strip() for line in done.stderr.decode().splitlines())
        return done

    monkeypatch.setattr(subprocess, "run", spy)
    verify(classifier_file, images, np.zeros(50, int))
    assert "ai_edge_litert.interpreter" in imported
    assert not {"keras", "tensorflow", "kerasnas"} & set(imported)
