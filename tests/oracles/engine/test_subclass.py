"""Oracles of version 0.1, where a strategy was a subclass that defines propose(self, rng)."""

import keras_tuner
import pytest

from kerasnas.oracles import EvolutionOracle, HyperbandOracle, Oracle, Proposal, genome
from kerasnas.oracles.engine.strategy import Strategy
from kerasnas.testing import search

OBJECTIVE = keras_tuner.Objective(*search.OBJECTIVE)


class NearTheBest(Oracle):
    """As the tutorial of 0.1 had it, with state and settings of its own."""

    patience = 5

    def __init__(self, *args, share=0.2, **kwargs):
        super().__init__(*args, **kwargs)
        self.share, self.asked = share, 0

    def propose(self, rng):
        self.asked += 1
        space = self.hyperparameters
        if len(self.completed) < self.share_of_trials(10, 3, 5) or rng.random() < self.share:
            return Proposal(genome.sample(space, rng), operator=f"random {self.asked % 2}")
        best = min(self.completed, key=self.loss)
        values = genome.mutate(space, self.trials[best.trial_id].hyperparameters.values, rng)
        if self.ruled_out(values):
            values = genome.mutate(space, values, rng)
        return Proposal(values, (best.trial_id,), "jump")

    def strategy_state(self):
        return {"asked": self.asked}

    def set_strategy_state(self, state):
        self.asked = state["asked"]

    def settings(self):
        return {"share": self.share}


class Same(NearTheBest):
    pass


class TheSame(Strategy):
    """The same as a strategy of today."""

    patience = 5

    def __init__(self):
        self.asked = 0

    def propose(self, history, rng):
        self.asked += 1
        if len(history.completed) < history.share_of_trials(10, 3, 5) or rng.random() < 0.2:
            return Proposal(genome.sample(history.space, rng), operator=f"random {self.asked % 2}")
        best = history.best(1)[0]
        values = genome.mutate(history.space, history.values(best), rng)
        if history.ruled_out(values):
            values = genome.mutate(history.space, values, rng)
        return Proposal(values, (best.trial_id,), "jump")

    def state(self):
        return {"asked": self.asked}

    def set_state(self, state):
        self.asked = state["asked"]


def settings(**others):
    return {"hyperparameters": search.conditional_space(), "seed": 0, "max_trials": 20, **others}


def old(*args, **kwargs):
    with pytest.warns(DeprecationWarning, match=r"NearTheBest defines propose\(self, rng\).*0\.4"):
        return NearTheBest(*args, **kwargs)


def test_it_searches_as_the_strategy_that_takes_its_place(tmp_path):
    before, now = old(OBJECTIVE, **settings()), Oracle(TheSame(), OBJECTIVE, **settings())
    before.open(tmp_path / "before")
    now.open(tmp_path / "now")
    assert search.run(before) == search.run(now)
    assert [one["operator"] for one in before.lineage.values()] == [
        one["operator"] for one in now.lineage.values()
    ]
    assert {"jump", "random 0", "random 1"} <= {one["operator"] for one in now.lineage.values()}


def test_it_resumes_and_knows_its_settings(tmp_path):
    whole = old(OBJECTIVE, **settings())
    whole.open(tmp_path / "whole")
    rows = search.run(whole)
    for trials in (4, 7):
        broken = old(OBJECTIVE, **settings())
        broken.open(tmp_path / "broken")
        search.run(broken, trials=trials)
    broken = old(OBJECTIVE, **settings())
    broken.open(tmp_path / "broken")
    assert search.run(broken) == rows
    with pytest.raises(ValueError, match="share"):
        old(OBJECTIVE, share=0.5, **settings()).open(tmp_path / "broken")


def test_arguments_by_position_are_those_of_before():
    space = search.small_space()
    for given in ((OBJECTIVE, 7, space), (OBJECTIVE, 7), (OBJECTIVE,), ()):
        oracle = old(*given)
        assert str(oracle.objective) == (
            str(OBJECTIVE) if given else str(keras_tuner.Oracle().objective)
        )
        assert oracle.max_trials == (7 if len(given) > 1 else None)
        assert len(oracle.hyperparameters.space) == (3 if len(given) > 2 else 0)
    assert old(objective=OBJECTIVE, max_trials=5).max_trials == 5


def test_it_proposes_for_another_oracle(tmp_path):
    def run(folder, searcher, trials=None):
        oracle = HyperbandOracle(OBJECTIVE, 9, searcher=searcher, **settings(max_trials=None))
        oracle.open(tmp_path / folder)
        return search.run(oracle, trials=trials)

    with pytest.warns(DeprecationWarning, match="NearTheBest"):
        whole = run("class", NearTheBest)
    assert whole == run("object", old(OBJECTIVE))
    assert whole == run("now", TheSame())
    with pytest.warns(DeprecationWarning, match="Same"), pytest.raises(ValueError, match=r"'Same'"):
        run("class", Same)


def test_it_may_go_on_from_the_strategy_that_it_derives_from(tmp_path):
    class Counted(EvolutionOracle):
        asked = 0

        def propose(self, rng):
            self.asked += 1
            return super().propose(rng)

    with pytest.warns(DeprecationWarning, match="Counted") as warned:
        counted = Counted(OBJECTIVE, population_size=5, **settings())
    # Python shows such warnings only where the line that causes them is the user's.
    assert [one.filename for one in warned] == [__file__]
    plain = EvolutionOracle(OBJECTIVE, population_size=5, **settings())
    counted.open(tmp_path / "counted")
    plain.open(tmp_path / "plain")
    assert search.run(counted) == search.run(plain)
    assert counted.asked >= 20


def test_it_may_take_the_place_of_a_searcher(tmp_path):
    """It then proposes the networks of Hyperband, whose trials stay its own."""

    class Sampling(HyperbandOracle):
        def propose(self, rng):
            return Proposal(genome.sample(self.hyperparameters, rng))

    class PassingOn(HyperbandOracle):
        def propose(self, rng):
            return super().propose(rng)

    def run(cls, **kwargs):
        oracle = cls(OBJECTIVE, 9, **settings(max_trials=None), **kwargs)
        oracle.open(tmp_path / f"{cls.__name__}{len(kwargs)}")
        return search.run(oracle)

    with pytest.warns(DeprecationWarning, match="Sampling"):
        assert run(Sampling) == run(HyperbandOracle)
    with pytest.warns(DeprecationWarning, match="PassingOn"):
        assert run(PassingOn, searcher="evolution") == run(HyperbandOracle, searcher="evolution")


def test_the_signature_of_a_strategy_is_not_that_of_an_oracle():
    class New(Oracle):
        def propose(self, history, rng):
            return None

    with pytest.raises(TypeError, match=r"New is an oracle.*derive it from kerasnas\.oracles\.Str"):
        New(OBJECTIVE)
