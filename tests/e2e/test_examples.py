"""Every example runs as a reader would run it, on a small setting."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str, cwd: pathlib.Path) -> str:
    done = subprocess.run(
        [sys.executable, str(FOLDER / name), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def figure(label: str, text: str) -> float:
    found = re.search(rf"{label}\s+([\d,.]+)", text)
    assert found, f"{label!r} is not in:\n{text[-3000:]}"
    return float(found[1].replace(",", ""))


def test_the_demo_on_a_small_setting_and_its_file_scored_anew(tmp_path):
    text = run("quickstart.py", "--trials", "4", "--epochs", "6", cwd=tmp_path)
    assert figure("proposals trained", text) == 4
    assert figure("proposals turned away by the budget", text) >= 0
    assert figure("sparsity of the pruned weights", text) > 40

    # An interpreter that the package did not make, on the test images as the demo splits them.
    from ai_edge_litert.interpreter import Interpreter
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32").reshape(-1, 8, 8, 1)
    _, x, _, y = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    path = tmp_path / "digits.tflite"
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert source["dtype"] == target["dtype"] == np.int8
    scale, zero = source["quantization"]
    right = 0
    for image, label in zip(x, y, strict=True):
        quantized = np.clip(np.round(image / scale + zero), -128, 127).astype(np.int8)
        interpreter.set_tensor(source["index"], quantized[None])
        interpreter.invoke()
        right += interpreter.get_tensor(target["index"])[0].argmax() == label
    assert figure("int8 accuracy on the test set", text) == pytest.approx(
        100 * right / len(y), abs=0.006
    )
    assert figure("file", text) == path.stat().st_size
    assert 100 * right / len(y) > 60


@pytest.mark.slow
def test_the_demo_on_fashion_mnist(tmp_path, data_folder):
    arguments = ("--dataset", "fashion_mnist", "--trials", "2", "--epochs", "1")
    text = run("quickstart.py", *arguments, cwd=tmp_path)
    assert (tmp_path / "fashion_mnist.tflite").exists()
    assert figure("int8 accuracy on the test set", text) > 50


def test_a_script_for_keras_tuner(tmp_path):
    text = run("keras_tuner_script.py", "--epochs", "3", cwd=tmp_path)
    assert figure("accuracy on the test set:", text) > 50


def test_a_space_and_an_operation_of_ones_own(tmp_path):
    text = run("own_space.py", "--trials", "3", "--epochs", "1", cwd=tmp_path)
    assert text.count("COMPLETED") == 3
    assert "head_dense" in text


def test_any_model_compressed(tmp_path):
    text = run("compress_model.py", "--epochs", "2", cwd=tmp_path)
    assert (tmp_path / "model.tflite").stat().st_size > 1000
    assert "accuracy" in text


def test_a_random_forest_evolves(tmp_path):
    text = run("random_forest.py", "--trials", "6", cwd=tmp_path)
    assert figure("accuracy in 5-fold cross-validation:", text) > 90


def test_a_trade_off_has_a_front(tmp_path):
    text = run("trade_off.py", "--trials", "5", "--epochs", "1", cwd=tmp_path)
    front = re.findall(r"^ +\d+ +([\d.]+)% +([\d.]+) KB$", text, re.MULTILINE)
    assert front
    accuracies, sizes = zip(*((float(a), float(b)) for a, b in front), strict=True)
    assert list(accuracies) == sorted(accuracies, reverse=True)
    assert list(sizes) == sorted(sizes, reverse=True)
