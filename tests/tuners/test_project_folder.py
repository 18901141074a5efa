"""The folder of a run: what is deleted there, what is refused, what is kept, whose it is."""

import warnings

import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hypermodels import LayerwiseHyperModel
from kerasnas.oracles import EvolutionOracle
from kerasnas.tuners import Evolution, Tuner
from kerasnas.tuners.project_folder import (
    ProjectFolder,
    check_data,
    difference,
    read_state,
    same_seed,
)


def evolution(build, tmp_path, **kwargs):
    settings = {"objective": "val_loss", "max_trials": 3, "seed": 0, "project_name": "run"}
    return Evolution(build, directory=tmp_path, **{**settings, **kwargs})


def table(tuner):
    return [(r["trial_id"], r["values"], r["score"]) for r in tuner.results()]


def snapshot_of(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def random_search(build, tmp_path, **kwargs):
    """The same with an oracle of KerasTuner's."""
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=1, seed=0)
    return Tuner(build, oracle, directory=tmp_path, **kwargs)


def test_overwrite_deletes_the_old_run_when_the_search_begins(build, fit, tmp_path):
    evolution(build, tmp_path).search(**fit)
    new = evolution(build, tmp_path, overwrite=True, max_trials=1)
    assert (tmp_path / "run" / "tuner0.json").exists()
    assert new.results() == []
    new.search(**fit)
    assert len(new.results()) == 1
    assert len(list((tmp_path / "run").glob("trial_*"))) == 1


@pytest.mark.parametrize("tuner_of", [evolution, random_search])
def test_overwrite_deletes_only_runs_of_this_directory(build, fit, tmp_path, tuner_of):
    runs, victim = tmp_path / "runs", tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis.txt").write_text("mine")
    elsewhere = evolution(build, tmp_path, project_name="elsewhere", max_trials=1)
    elsewhere.search(**fit)
    runs.mkdir()
    (runs / "link").symlink_to(tmp_path / "elsewhere")
    (runs / "photos").mkdir()
    (runs / "photos" / "me.jpg").write_text("mine")
    (runs / "study" / "trial_01").mkdir(parents=True)
    (runs / "study" / "trial_01" / "recording.csv").write_text("mine")
    before = snapshot_of(tmp_path)
    for name, message in {
        "../victim": "project_name",
        str(victim): "project_name",
        ".": "project_name",
        "link": "symbolic link",
        "photos": "holds files but no run",
        "study": "holds files but no run",
    }.items():
        with pytest.raises(ValueError, match=message):
            tuner_of(build, runs, project_name=name, overwrite=True)
    assert snapshot_of(tmp_path) == before


def test_overwrite_keeps_what_is_not_of_the_run(build, fit, tmp_path):
    evolution(build, tmp_path).search(**fit)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    new = evolution(build, tmp_path, overwrite=True, max_trials=1)
    new.search(**fit)
    assert len(new.results()) == 1
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_overwrite_that_cannot_delete_ends_the_search(build, fit, tmp_path, monkeypatch):
    evolution(build, tmp_path).search(**fit)
    new = evolution(build, tmp_path, overwrite=True, max_trials=1)
    link = tmp_path / "runs"

    def busy(*args, **kwargs):
        raise OSError(16, "busy")

    with monkeypatch.context() as patch:
        patch.setattr("os.rmdir", busy)
        with pytest.raises(OSError, match=r"The old run in .* cannot be deleted \(busy\)"):
            new.search(**fit)
    assert len(evolution(build, tmp_path).results()) == 3
    new.search(**fit)
    assert len(new.results()) == 1
    # A link that appears after the tuner was made.
    late = evolution(build, link, overwrite=True)
    link.mkdir()
    (link / "run").symlink_to(tmp_path / "run")
    with pytest.raises(ValueError, match="symbolic link"):
        late.search(**fit)
    assert len(evolution(build, tmp_path).results()) == 1


def test_a_tuner_file_that_cannot_be_read_is_named_and_the_trials_are_kept(build, fit, tmp_path):
    first = evolution(build, tmp_path)
    first.search(**fit)
    for content in (b"", b'{"identity": {"hyp', b"\xff\xfe", b"[]"):
        (tmp_path / "run" / "tuner0.json").write_bytes(content)
        with pytest.warns(UserWarning, match=r"tuner0\.json cannot be read"):
            again = evolution(build, tmp_path)
        assert table(again) == table(first)


def test_a_run_of_another_hypermodel_or_objective_is_refused_and_left_alone(build, fit, tmp_path):
    evolution(build, tmp_path).search(**fit)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def renamed(hp):
        return build(hp)

    def build_tiny(hp):
        hp.Boolean("extra")
        return build(hp)

    build_tiny.__qualname__ = build.__qualname__
    with pytest.raises(ValueError, match="renamed") as caught:
        evolution(renamed, tmp_path)
    assert "overwrite=True" in str(caught.value)
    assert str(tmp_path / "run") in str(caught.value)
    with pytest.raises(ValueError, match="extra"):
        evolution(build_tiny, tmp_path)
    with pytest.raises(ValueError, match="val_accuracy"):
        evolution(build, tmp_path, objective="val_accuracy")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_run_of_the_same_names_with_other_values_is_refused(build, fit, tmp_path):
    evolution(build, tmp_path).search(**fit)

    def build_tiny(hp):
        hp.Int("units", 2, 700)
        return build(hp)

    build_tiny.__qualname__ = build.__qualname__
    with pytest.raises(ValueError, match="max_value: 700"):
        evolution(build_tiny, tmp_path)


@pytest.mark.parametrize("change", [{"input_shape": (6, 6, 1)}, {"stages": [(2, 4)]}])
def test_a_run_of_a_space_for_other_data_or_widths_is_refused(tmp_path, change):
    arguments = {"input_shape": (8, 8, 1), "num_classes": 2, "stages": [(2, 8)], "blocks": (1, 1)}
    x, y = np.zeros((4, 8, 8, 1)), np.zeros(4)
    first = evolution(LayerwiseHyperModel(**arguments), tmp_path, objective="loss", max_trials=1)
    first.search(x, y, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="another search"):
        evolution(LayerwiseHyperModel(**{**arguments, **change}), tmp_path, objective="loss")
    same = evolution(LayerwiseHyperModel(**arguments), tmp_path, objective="loss")
    assert len(same.results()) == 1


def test_tuners_with_other_names_share_a_folder(build, fit, tmp_path):
    tuner = evolution(build, tmp_path, tuner_id="left")
    tuner.search(**fit)
    assert (tmp_path / "run" / "left.json").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(evolution(build, tmp_path, tuner_id="left").results()) == 3


def test_a_run_of_a_tuner_with_another_name_goes_on_with_its_seed(build, fit, tmp_path):
    def tuner_of(seed):
        oracle = EvolutionOracle("val_loss", max_trials=1, seed=1)
        return Tuner(build, oracle, seed=seed, directory=tmp_path, tuner_id="left")

    tuner_of(5).search(**fit)
    with pytest.warns(RuntimeWarning, match=r"begun with seed=5, and goes on"):
        tuner_of(6)


def test_what_is_written_is_read_back(tmp_path):
    first = ProjectFolder(tmp_path, "run", None, overwrite=False)
    assert not first.has_run()
    first.identity = {"space": ["a"]}
    first.note_data((np.zeros(3),), {}, completed=False)
    first.write({"mine": 7}, seed=5)
    first.note_trial("0", {"epochs": 3})
    again = ProjectFolder(tmp_path, "run", None, overwrite=False)
    assert again.has_run()
    again.identity = {"space": ["a"]}
    assert again.read() == {"mine": 7}
    assert again.seed == 5
    assert (again.record_of("0"), again.record_of("1")) == ({"epochs": 3}, {})
    with pytest.warns(RuntimeWarning, match="other data: x is not"):
        again.note_data((np.ones(3),), {}, completed=True)


def test_another_search_is_refused_by_what_differs(tmp_path):
    first = ProjectFolder(tmp_path, None, None, overwrite=False)
    first.identity = {"space": ["a"]}
    first.write({}, seed=0)
    again = ProjectFolder(tmp_path, None, None, overwrite=False)
    again.identity = {"space": ["b"]}
    with pytest.raises(ValueError, match=r"another search: space there \['a'\], here \['b'\]"):
        again.read()


def test_the_old_run_is_deleted_once(tmp_path):
    first = ProjectFolder(tmp_path, "run", None, overwrite=False)
    first.write({}, seed=0)
    new = ProjectFolder(tmp_path, "run", None, overwrite=True)
    assert not new.has_run()
    new.clear()
    assert not list((tmp_path / "run").iterdir())
    new.write({}, seed=0)
    new.clear()
    assert new.has_run()


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
    assert read_state(str(path)) == {}
    for content in (b"", b"[]", b'{"identity": 7}'):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match=r"tuner0\.json cannot be read"):
            assert read_state(str(path)) == {}


def test_the_first_difference_is_told_and_of_long_lists_a_part():
    here = {"hypermodel": "Net", "space": list("abcdefg")}
    there = {"hypermodel": "Net", "space": ["a"]}
    told = difference(there, here)
    assert told == "space there [], here b, c, d and 3 more"
    assert difference({**there, "hypermodel": "Old"}, here).startswith("hypermodel")
    assert difference(here, here) == "of another version"


def test_a_run_keeps_its_seed():
    assert same_seed(3, None) == same_seed(3, 3) == 3
    with pytest.warns(RuntimeWarning, match=r"begun with seed=5, .* Received: seed=3"):
        assert same_seed(3, 5) == 5


def test_other_data_is_named():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_data({"x": "1"}, {"x": "1"}, "runs/a")
        check_data({"x": "1"}, {}, "runs/a")
    with pytest.warns(RuntimeWarning, match="runs/a were trained .* other data: x, y are not"):
        check_data({"x": "2"}, {"x": "1", "y": "3"}, "runs/a")
