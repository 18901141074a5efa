"""What identifies a search in its folder."""

import json

import pytest

from kerasnas.oracles import NSGA2, Evolution, Hyperband, Oracle
from kerasnas.oracles.engine import run_header
from kerasnas.oracles.engine.fidelity import Fidelity

HERE = {
    "oracle": "EvolutionOracle",
    "objective": [["val_loss", "min"]],
    "settings": {"limits": (1, 2), "size": 3},
    "identity": {"model": "A", "data": "B"},
    "seed": 0,
}
# As it comes back from the folder.
SAVED = json.loads(json.dumps(HERE))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"oracle": "NSGA2Oracle"}, r"its oracle is 'NSGA2Oracle'.*Received: 'EvolutionOracle'"),
        ({"objective": [["val_loss", "max"]]}, "its objective is"),
        # Of many settings, those that differ.
        ({"settings": {"limits": [1, 2], "size": 4}}, r"\{'size': 4\}\..*Received: \{'size': 3\}"),
        ({"identity": {"model": "C", "data": "B"}}, r"\{'model': 'C'\}.*overwrite=True"),
    ],
)
def test_another_search_is_refused_by_what_differs(change, message):
    with pytest.raises(ValueError, match=rf"The folder runs/x holds another search.*{message}"):
        run_header.check({**SAVED, **change}, HERE, "runs/x")


@pytest.mark.parametrize(
    "saved",
    [
        None,
        SAVED,
        {**SAVED, "seed": 5},
        {**SAVED, "identity": {}},
    ],
)
def test_the_same_search_is_gone_on_with(saved):
    run_header.check(saved, HERE, "runs/x")


def test_the_oracle_is_named_after_its_part():
    assert run_header.name_of(Evolution()) == "EvolutionOracle"
    assert run_header.name_of(Hyperband()) == "HyperbandOracle"


def test_a_subclass_of_version_0_1_keeps_its_name():
    class Mine(Oracle):
        def propose(self, rng):
            return None

    with pytest.warns(DeprecationWarning, match="Mine defines propose"):
        oracle = Mine("val_loss")
    assert run_header.name_of(oracle.strategy) == "Mine"


def test_settings_of_a_fidelity_hold_those_of_its_strategy():
    strategy = NSGA2(limits={"flash": 5})
    assert run_header.settings_of(strategy, Fidelity()) == {"limits": {"flash": 5.0}}
    short = run_header.settings_of(strategy, Hyperband(max_epochs=9))
    assert short["max_epochs"] == 9
    assert short["searcher"] == ["NSGA2Oracle", {"limits": {"flash": 5.0}}]


def test_files_that_make_no_sense_are_named():
    def read():
        with run_header.blaming_files("runs/x"):
            return {}["score"]

    with pytest.raises(ValueError, match=r"run in runs/x cannot be read.*KeyError: 'score'"):
        read()
