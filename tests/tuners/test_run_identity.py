"""What tells one run from another, and what is told when they differ."""

import warnings

import pytest

import kerasnas as kn
from kerasnas.tuners import run_identity


def test_a_run_keeps_the_seed_that_it_was_begun_with(build, fit, tmp_path):
    def tuner_of(max_trials, **seed):
        return kn.Evolution(build, "val_loss", max_trials, directory=tmp_path / "a", **seed)

    unbroken = kn.Evolution(build, "val_loss", 4, seed=0, directory=tmp_path / "b")
    unbroken.search(**fit)
    tuner_of(2, seed=0).search(**fit)
    with pytest.warns(RuntimeWarning, match=r"begun with seed=0, and goes on .* seed=7"):
        other = tuner_of(4, seed=7)
    other.search(**fit)
    assert [r["score"] for r in other.results()] == [r["score"] for r in unbroken.results()]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        tuner_of(4), tuner_of(4, seed=0)


def test_a_seed_of_the_training_beside_an_oracle_is_kept_too(build, fit, tmp_path):
    def tuner_of(max_trials, seed):
        oracle = kn.oracles.RandomOracle("val_loss", max_trials=max_trials, seed=1)
        return kn.Tuner(build, oracle, seed=seed, directory=tmp_path)

    tuner_of(1, 5).search(**fit)
    with pytest.warns(RuntimeWarning, match=r"begun with seed=5, and goes on .* seed=6"):
        tuner_of(2, 6)


def test_a_file_that_is_missing_is_empty_and_one_that_is_damaged_is_named(tmp_path):
    path = tmp_path / "tuner0.json"
    assert run_identity.read(str(path)) == {}
    for content in (b"", b"[]", b'{"identity": 7}'):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match=r"tuner0\.json cannot be read"):
            assert run_identity.read(str(path)) == {}


def test_the_first_difference_is_told_and_of_long_lists_a_part():
    here = {"hypermodel": "Net", "space": list("abcdefg")}
    there = {"hypermodel": "Net", "space": ["a"]}
    told = run_identity.difference(there, here)
    assert told == "space there [], here b, c, d and 3 more"
    assert run_identity.difference({**there, "hypermodel": "Old"}, here).startswith("hypermodel")
    assert run_identity.difference(here, here) == "of another version"


def test_a_run_keeps_its_seed():
    assert run_identity.same_seed(3, None) == run_identity.same_seed(3, 3) == 3
    with pytest.warns(RuntimeWarning, match=r"begun with seed=5, .* Received: seed=3"):
        assert run_identity.same_seed(3, 5) == 5


def test_other_data_is_named():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_identity.check_data({"x": "1"}, {"x": "1"}, "runs/a")
        run_identity.check_data({"x": "1"}, {}, "runs/a")
    with pytest.warns(RuntimeWarning, match="runs/a were trained .* other data: x, y are not"):
        run_identity.check_data({"x": "2"}, {"x": "1", "y": "3"}, "runs/a")
