"""The suite finds what it claims to find: each of these oracles breaks one promise."""

import inspect
import os
import random

import pytest

from kerasnas.oracles import Evolution, Proposal, Random, RandomOracle, genome
from kerasnas.testing import OracleConformance


class Unseeded(Random):
    def propose(self, history, rng):
        return Proposal({**genome.sample(history.space, rng), "bias": random.random() < 0.5})


class Hashing(Random):
    def propose(self, history, rng):
        values = genome.sample(history.space, rng)
        return Proposal({**values, "bias": hash(str(sorted(values))) % 2 == 0})


class Forgetful(Random):
    """Keeps state between proposals that it does not save."""

    asked = 0

    def propose(self, history, rng):
        self.asked += 1
        return Proposal({**genome.sample(history.space, rng), "bias": self.asked % 2 == 0})


class Mislabelled(Evolution):
    def propose(self, history, rng):
        proposal = super().propose(history, rng)
        if not proposal.parents:
            return proposal
        twice = genome.mutate(history.space, proposal.values, rng)
        return Proposal(twice, proposal.parents, "mutation")


class Lucky(Random):
    """Only chance finds anything here."""


class Repeating(RandomOracle):
    """Begins anew at its end."""

    def populate_space(self, trial_id):
        response = super().populate_space(trial_id)
        if response["status"] == "STOPPED" and len(self.trials) < 15:
            first = next(iter(self.trials.values()))
            return {"status": "RUNNING", "values": dict(first.hyperparameters.values)}
        return response


class Spendthrift(RandomOracle):
    """Looks at no budget."""

    def attach(self, gate=None, key=None):
        super().attach(key=key)


class Padded(RandomOracle):
    def get_best_trials(self, num_trials=1):
        return list(self.trials.values())[:num_trials]


@pytest.mark.parametrize(
    ("oracle", "test"),
    [
        (Unseeded, "test_global_generators_are_left_alone"),
        (Hashing, "test_same_seed_gives_the_same_trials_in_another_process"),
        (Forgetful, "test_resumes_in_the_middle_as_if_unbroken"),
        (Forgetful, "test_kills_lose_repeat_and_corrupt_nothing"),
        (Repeating, "test_ends_when_the_space_is_exhausted"),
        (Mislabelled, "test_children_record_their_parents"),
        (Lucky, "test_searches_better_than_random"),
        (Spendthrift, "test_every_trial_meets_the_budget"),
        (Spendthrift, "test_a_budget_that_nothing_meets_ends_with_a_reason"),
        (Padded, "test_only_finite_scores_are_best"),
    ],
)
def test_a_broken_promise_is_found(tmp_path, capsys, oracle, test):
    # In a file of its own, as a third party's would be.
    source = inspect.getsource(inspect.getmodule(oracle)).partition("@pytest.mark")[0]
    path = tmp_path / f"{oracle.__name__}_{test}.py"
    is_strategy = issubclass(oracle, Random | Evolution)
    made = f"Oracle({oracle.__name__}, **kwargs)" if is_strategy else f"{oracle.__name__}(**kwargs)"
    path.write_text(f"""{source}
from kerasnas.oracles import Oracle

class TestBroken(OracleConformance):
    def make_oracle(self, **kwargs):
        return {made}
""")
    arguments = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    code = pytest.main([*arguments, f"{path}::TestBroken::{test}"])
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "1 failed" in capsys.readouterr().out


def test_an_oracle_must_be_made():
    with pytest.raises(NotImplementedError, match="must define `strategy`, or make_oracle"):
        OracleConformance().make_oracle()
