"""CMA-ES goes on from what the trials say, and executes nothing of a run's folder."""

import importlib.util
import os
import pickle

import keras_tuner
import pytest

from kerasnas.oracles import OptunaOracle
from kerasnas.oracles.engine import journal
from kerasnas.testing import search

SCORE = keras_tuner.Objective(*search.OBJECTIVE)


class Payload:
    """A pickle that makes a folder when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.skipif(importlib.util.find_spec("cmaes") is None, reason="cmaes is not installed")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("nested", [False, True])
def test_the_pickles_of_cmaes_are_not_read(tmp_path, nested):
    """Version 0.1.0 had them; without them the search goes on as the unbroken one."""
    optuna = pytest.importorskip("optuna")

    def run(name, trials):
        space = keras_tuner.HyperParameters()
        for rate in ("a", "b"):
            space.Float(rate, 0.0, 1.0)
        sampler = optuna.samplers.CmaEsSampler(popsize=4)
        if nested:
            sampler = optuna.samplers.PartialFixedSampler({}, sampler)
        oracle = OptunaOracle(SCORE, 24, sampler, hyperparameters=space, seed=3)
        oracle.open(tmp_path / name)
        return search.run(oracle, trials=trials)

    unbroken = run("unbroken", None)
    run("half", 13)
    project = tmp_path / "half" / "search"
    assert "optimizer" not in (project / "journal.jsonl").read_text()
    (project / "oracle.json").unlink()
    text = pickle.dumps(Payload(tmp_path / "executed")).hex()
    generations = []

    path = project / "journal.jsonl"
    events, _ = journal.read(path)
    path.unlink()
    book = journal.Journal(path)
    for event in events:
        noted = event.get("lineage", {}).get("optuna", {}).get("trial")
        if noted:
            generations.append(noted["cma:generation"])
            noted["cma:optimizer:0"] = text
        book.append(event)
    book.close()
    assert max(generations) >= 2
    assert run("half", None) == unbroken
    assert not (tmp_path / "executed").exists()
