import keras_tuner
import pytest
from keras_tuner.engine.trial import Trial

from kerasnas.oracles import RandomOracle
from kerasnas.tuners import Tuner
from kerasnas.tuners.foreign_oracle import ForeignOracle, answering


class Client:
    """What KerasTuner's client of an oracle in another process has, and no more."""

    objective = keras_tuner.Objective("val_loss", "min")
    max_trials = 3

    def create_trial(self, tuner_id):
        return f"a trial for {tuner_id}"


@pytest.fixture
def theirs(tmp_path):
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=3, seed=0)
    oracle.hyperparameters.Int("units", 1, 9)
    oracle._set_project_dir(str(tmp_path), "run")
    return oracle


def test_an_oracle_of_ours_answers_itself(tmp_path):
    ours = RandomOracle("val_loss", max_trials=1)
    assert answering(ours, str(tmp_path)) is ours


def test_an_adapter_has_an_answer_to_all_that_an_oracle_of_ours_is_asked(theirs, tmp_path):
    adapter, ours = answering(theirs, str(tmp_path)), RandomOracle("val_loss", max_trials=1)
    asked = {name for name in (*vars(ForeignOracle), *vars(adapter)) if not name.startswith("_")}
    assert asked - {"kind"} <= {name for name in dir(ours) if not name.startswith("_")}
    assert adapter.kind == "RandomSearchOracle"
    assert [one.name for one in adapter.objectives] == ["val_loss"]
    assert (adapter.chosen, adapter.stop_reason) == (None, None)
    assert (adapter.turned_away, adapter.repaired, adapter.max_epochs) == (0, 0, None)
    assert (adapter.reports, adapter.report("0", 1, {"val_loss": 1.0})) == (False, False)
    assert (adapter.fail_crashed(), adapter.retry_failed()) == ([], 0)
    with adapter.building({"units": 3}) as may_be_built:
        assert may_be_built


def test_what_an_adapter_does_not_know_the_oracle_answers(theirs, tmp_path):
    adapter = answering(theirs, str(tmp_path))
    trial = adapter.create_trial("tuner0")
    assert adapter.max_trials == 3
    assert adapter.trials == theirs.trials == {"0": trial}
    with pytest.raises(AttributeError):
        adapter.no_such_thing  # noqa: B018


def test_runs_of_a_trial_are_counted(theirs, tmp_path):
    theirs.max_retries_per_trial = 1
    adapter = answering(theirs, str(tmp_path))
    trial = adapter.create_trial("tuner0")
    assert adapter.runs(trial.trial_id) == 0
    trial.status = "INVALID"
    adapter.end_trial(trial)
    assert adapter.runs(trial.trial_id) == 1


def test_hyperband_of_keras_tuner_says_how_long_trials_train(tmp_path):
    hyperband = keras_tuner.oracles.HyperbandOracle("val_loss", max_epochs=7)
    assert answering(hyperband, str(tmp_path)).max_epochs == 7


def test_what_cannot_be_done_is_an_error_that_names_the_oracle(theirs, tmp_path):
    adapter = answering(theirs, str(tmp_path))
    with pytest.raises(TypeError, match=r"`enqueue` needs .* RandomSearchOracle"):
        adapter.enqueue({"units": 3})
    with pytest.raises(TypeError, match=r"`get_pareto_trials` needs .* RandomSearchOracle"):
        adapter.get_pareto_trials()


def test_an_oracle_in_another_process_shows_no_trials_and_keeps_its_own_files(tmp_path):
    adapter = answering(Client(), str(tmp_path))
    assert adapter.trials == {}
    assert adapter.runs("0") == 0
    assert adapter.create_trial("tuner1") == "a trial for tuner1"
    adapter.snapshot()
    assert not list(tmp_path.iterdir())


def test_files_are_saved_and_read_back(theirs, tmp_path):
    answering(theirs, str(tmp_path / "run")).create_trial("tuner0")
    answering(theirs, str(tmp_path / "run")).snapshot()
    again = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=3, seed=0)
    again._set_project_dir(str(tmp_path), "run")
    adapter = answering(again, str(tmp_path / "run"))
    adapter.reload()
    assert list(adapter.trials) == ["0"]


@pytest.mark.parametrize(
    "trial",
    [
        Trial(keras_tuner.HyperParameters(), "../../elsewhere", "COMPLETED"),
        Trial(
            keras_tuner.HyperParameters.from_config(
                {"space": [], "values": {"tuner/trial_id": "../elsewhere"}}
            ),
            "0",
            "COMPLETED",
        ),
    ],
)
def test_names_of_trials_that_lead_out_of_the_folder_are_refused(theirs, tmp_path, trial):
    theirs.save()
    theirs.trials[trial.trial_id] = trial
    with pytest.raises(ValueError, match=r"cannot be read.*overwrite=True"):
        answering(theirs, str(tmp_path / "run")).reload()


def test_a_worker_asks_the_client_of_the_chiefs_oracle(build, tmp_path, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "8000")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker")
    tuner = Tuner(build, RandomOracle("val_loss", max_trials=3), directory=tmp_path)
    assert type(tuner.oracle).__name__ == "OracleClient"
    assert tuner.results() == []
    with pytest.raises(TypeError, match=r"`enqueue` needs .* OracleClient"):
        tuner.enqueue({"units": 3})
    tuner.save()
    assert [path.name for path in tmp_path.rglob("*.json")] == ["worker.json"]
