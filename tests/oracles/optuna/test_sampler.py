"""Optuna's samplers by name, with what they need, seeded and silent."""

import importlib.util
import os
import subprocess
import sys

import keras_tuner
import numpy as np
import optuna
import pytest

from kerasnas.oracles import OptunaOracle
from kerasnas.oracles.optuna.sampler import known_sampler, make_sampler, parts_of, quiet, reseed
from kerasnas.testing import search

SCORE = keras_tuner.Objective(*search.OBJECTIVE)


def test_an_unknown_sampler_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"cmaes, gp, nsgaii, .*Received: sampler='anneal'"):
        OptunaOracle(SCORE, sampler="anneal")
    with pytest.raises(ValueError, match="BaseSampler"):
        OptunaOracle(SCORE, sampler=3)


@pytest.mark.parametrize("name", ["TPE", "NSGA-II", "nsga_ii", "Random"])
def test_names_are_read_leniently(name):
    assert OptunaOracle(SCORE, sampler=name).settings()["sampler"].endswith("Sampler")


def test_a_missing_package_is_named_at_once(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in ("cmaes", "torch") else found(name, *rest),
    )
    for sampler in ("cmaes", optuna.samplers.CmaEsSampler()):
        with pytest.raises(ImportError, match="pip install cmaes"):
            OptunaOracle(SCORE, sampler=sampler)
    with pytest.raises(ImportError, match="'torch'"):
        OptunaOracle(SCORE, sampler="gp")


def test_without_optuna_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'kerasnas\[optuna\]'"):
        OptunaOracle(SCORE)


def test_importing_kerasnas_does_not_import_optuna():
    code = "import sys, kerasnas, kerasnas.oracles.optuna; sys.exit('optuna' in sys.modules)"
    # The lightest backend.
    env = {**os.environ, "KERAS_BACKEND": "numpy"}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [("TPE", "TPESampler"), ("nsga-iii", "NSGAIIISampler"), ("q_m_c", "QMCSampler")],
)
def test_a_sampler_is_made_by_its_name(name, kind):
    assert known_sampler(name) == kind
    made = make_sampler(known_sampler(name), seed=2**40)
    assert type(made) is getattr(optuna.samplers, kind)


def test_an_instance_is_taken_as_it_is():
    given = optuna.samplers.TPESampler(multivariate=True)
    assert make_sampler(known_sampler(given), seed=0) is given


def drawn(sampler):
    study = optuna.create_study(sampler=sampler)
    return [study.ask().suggest_float("x", 0, 1) for _ in range(3)]


@pytest.mark.parametrize("name", ["tpe", "random", "nsgaii"])
def test_after_seeding_anew_a_sampler_repeats_itself(name):
    def seeded(seed):
        sampler = make_sampler(known_sampler(name), seed=7)
        reseed(sampler, np.random.RandomState(seed))
        return drawn(sampler)

    with quiet():
        assert seeded(1) == seeded(1)
        assert seeded(1) != seeded(2)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_samplers_within_a_sampler_are_its_parts():
    inner = optuna.samplers.RandomSampler(seed=0)
    outer = optuna.samplers.PartialFixedSampler({"x": 2}, inner)
    assert any(part is inner for part in parts_of(outer))


def test_optuna_is_quiet_within_the_block_and_as_loud_as_before_after_it():
    before = optuna.logging.get_verbosity()
    with quiet():
        assert optuna.logging.get_verbosity() == optuna.logging.ERROR
    assert optuna.logging.get_verbosity() == before
