"""How a proposal is found, and how one that breaks the budget is repaired."""

import keras_tuner
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kerasnas as kn
from kerasnas.hardware.estimation import profile_graph
from kerasnas.hypermodels.hyperparameters import FixedHyperParameters
from kerasnas.oracles import Proposal, Random, RandomOracle, genome, make
from kerasnas.oracles.engine.proposal_filter import ProposalFilter
from kerasnas.oracles.engine.proposal_search import STEPS, find
from kerasnas.oracles.engine.repair import repair
from kerasnas.testing import search
from kerasnas.testing.search import Violation

SPACES = (search.conditional_space, search.separable_space, search.graph_space, search.small_space)


class Counted:
    """A made-up cost, the sum of the values' worths, under a limit; counts what it is asked."""

    def __init__(self, space, share):
        rng = np.random.default_rng(0)
        costs = [search.score(genome.sample(space, rng)) for _ in range(300)]
        self.limit = float(np.quantile(costs, share))
        self.asked = 0

    def __call__(self, values):
        self.asked += 1
        return {} if self.fits(values) else {"flash": Violation(search.score(values), self.limit)}

    def fits(self, values):
        return search.score(values) <= self.limit


def filter_of(gate):
    proposal_filter = ProposalFilter()
    proposal_filter.attach(gate, None)
    return proposal_filter


def broken(space, gate, rng):
    return next(
        (v for v in (genome.sample(space, rng) for _ in range(200)) if not gate.fits(v)), None
    )


@given(
    space=st.sampled_from(SPACES),
    share=st.sampled_from([0.0, 0.01, 0.1, 0.5]),
    steps=st.integers(1, 60),
    seed=st.integers(0, 2**32),
)
def test_what_is_repaired_fits_and_is_new_after_a_bounded_number_of_questions(
    space, share, steps, seed
):
    space = space()
    gate = Counted(space, share)
    rng = np.random.default_rng(seed)
    start = broken(space, gate, rng)
    tried = [genome.sample(space, rng) for _ in range(20)]

    def once():
        gate.asked = 0
        proposal_filter = filter_of(gate)
        for values in tried:
            proposal_filter.tried.update(proposal_filter.keys(values))
        found = repair(space, start, np.random.default_rng(seed), proposal_filter, steps)
        assert gate.asked <= steps + 1  # One more for the start, which is usually known.
        return found

    if start is None:
        return
    found = once()
    assert once() == found
    if found is not None:
        assert gate.fits(found)
        assert found not in tried
        assert genome.complete(space, found) == found


def test_repairs_stay_nearer_than_chance():
    """Half of the decisions of a repaired setting are still the proposal's."""
    space = search.separable_space()
    gate = Counted(space, 0.05)
    rng = np.random.default_rng(0)
    near, far = [], []
    for _ in range(50):
        start = broken(space, gate, rng)
        found = repair(space, start, rng, filter_of(gate), 100)
        near.append(genome.distance(space, start, found))
        far.append(genome.distance(space, start, genome.sample(space, rng)))
    assert np.mean(near) < 0.7 * np.mean(far)


def test_two_limits_that_only_two_changes_together_lower():
    """The peak is set by two layers: a change of one alone leaves the excess as it was."""
    hp = keras_tuner.HyperParameters()
    for layer in ("first", "second"):
        hp.Choice(layer, [1, 2, 3, 4])
    proposal_filter = filter_of(
        lambda v: {} if max(v.values()) < 3 else {"ram": Violation(max(v.values()), 2)}
    )
    rng = np.random.default_rng(0)
    found = repair(hp, {"first": 4, "second": 4}, rng, proposal_filter, 100)
    assert max(found.values()) < 3


def test_the_nearest_of_those_that_break_the_budget_is_repaired():
    """With its parents, and with what made it before the plus."""
    space = search.separable_space()
    gate = Counted(space, 0.0)
    rng = np.random.default_rng(1)
    proposals = [Proposal(broken(space, gate, rng), (str(n),), "mutation") for n in range(4)]
    coming = iter(proposals)
    proposal_filter = filter_of(gate)
    found, reason = find(lambda: next(coming), space, rng, proposal_filter, tries=1000, patience=4)
    assert reason is None
    nearest = min(proposals, key=lambda one: search.score(one.values))
    assert (found.parents, found.operator) == (nearest.parents, "mutation+repair")
    assert gate.fits(found.values)
    assert proposal_filter.repaired == 1
    assert proposal_filter.turned_away == proposal_filter.asked - 1
    assert list(coming) == []


def test_what_fits_before_patience_ends_is_not_repaired():
    space = search.separable_space()
    gate = Counted(space, 0.5)
    rng = np.random.default_rng(0)
    proposal_filter = filter_of(gate)
    for _ in range(30):
        found, _ = find(
            lambda: Proposal(genome.sample(space, rng)),
            space,
            rng,
            proposal_filter,
            1000,
            patience=20,
        )
        assert found.operator == "random"
    assert proposal_filter.repaired == 0


@pytest.mark.parametrize("tries", [1, 20, 250])
def test_a_budget_that_nothing_meets_is_found_out_in_a_bounded_number_of_tries(tries):
    space = search.separable_space()
    gate = Counted(space, 0.5)
    gate.limit = -1.0
    rng = np.random.default_rng(0)
    proposal_filter = filter_of(gate)
    found, reason = find(
        lambda: Proposal(genome.sample(space, rng)), space, rng, proposal_filter, tries, patience=3
    )
    assert found is None
    assert f"no proposal in {proposal_filter.asked} tries met the budget" in reason
    assert proposal_filter.asked <= 4 * tries
    assert proposal_filter.repaired == 0


def choice(count):
    hp = keras_tuner.HyperParameters()
    hp.Int("units", 1, count)
    return hp


def test_a_setting_that_is_turned_away_counts_once_a_trial():
    proposal_filter = filter_of(lambda values: {"ram": Violation(2, 1)})
    for trial in (1, 2):
        proposal_filter.begin()
        for _ in range(5):
            proposal_filter.judge({"units": 1})
            proposal_filter.judge({"units": 2})
        assert proposal_filter.turned_away == 2 * trial
        assert (proposal_filter.asked, proposal_filter.known) == (10, 8)


@pytest.mark.parametrize(("count", "most"), [(4, 60), (40, 700)])
@pytest.mark.parametrize("fitting", [0, 2])
def test_an_exhausted_space_ends_the_search_soon(count, most, fitting):
    """Each setting is asked about once, and few more are proposed than it takes to draw all."""
    space, rng = choice(count), np.random.default_rng(0)
    asked = []

    def gate(values):
        asked.append(values["units"])
        return {} if values["units"] <= fitting else {"ram": Violation(2, 1)}

    proposal_filter = filter_of(gate)
    propose = lambda: Proposal(genome.sample(space, rng))  # noqa: E731
    for _ in range(fitting):
        found, _ = find(propose, space, rng, proposal_filter, 1000)
        assert found.values["units"] <= fitting
        proposal_filter.tried.update(proposal_filter.keys(found.values))
    found, reason = find(propose, space, rng, proposal_filter, 1000)
    assert found is None
    assert f"({count} in all)" in reason
    assert sorted(asked) == list(range(1, count + 1))
    assert proposal_filter.asked < most
    assert proposal_filter.turned_away <= (count - fitting) * (fitting + 1)


@given(tried=st.integers(0, 20), refused=st.integers(0, 20), seed=st.integers(0, 2**32))
def test_a_space_is_exhausted_when_all_of_it_is_ruled_out(tried, refused, seed):
    space, rng = choice(5), np.random.default_rng(seed)
    proposal_filter = filter_of(lambda values: {"ram": Violation(2, 1)})
    for _ in range(tried):
        proposal_filter.tried.update(
            ["an architecture", *proposal_filter.keys(genome.sample(space, rng))]
        )
    for _ in range(refused):
        proposal_filter.judge(genome.sample(space, rng))
        left = [v for v in genome.enumerate_settings(space) if not proposal_filter.ruled_out(v)]
        assert proposal_filter.exhausted(space, 10) == (not left)
    proposal_filter.begin()
    left = [v for v in genome.enumerate_settings(space) if not proposal_filter.ruled_out(v)]
    assert proposal_filter.exhausted(space, 10) == (not left)


def test_a_large_space_is_not_listed():
    proposal_filter = filter_of(None)
    proposal_filter.tried.update(str(number) for number in range(100))
    assert not proposal_filter.exhausted(choice(5), 4)


def costs_of(hypermodel, values):
    found = profile_graph(hypermodel.sketch(FixedHyperParameters(values)), by_layer=False)
    return found.flash_bytes, found.ram_bytes


def test_a_tight_limit_on_networks_takes_a_fraction_of_the_questions():
    """About 1 of 300 networks fits: redrawing asks some 300 times for each."""
    hypermodel = kn.LayerwiseHyperModel((32, 32, 3), 10)
    space = keras_tuner.HyperParameters()
    hypermodel.declare(space)
    rng = np.random.default_rng(0)
    costs = [costs_of(hypermodel, genome.sample(space, rng))[0] for _ in range(300)]
    limit = min(costs)
    asked = []

    def gate(values):
        asked.append(values)
        flash = costs_of(hypermodel, values)[0]
        return {} if flash <= limit else {"flash": Violation(flash, limit)}

    trials = 8
    proposal_filter = filter_of(gate)
    for _ in range(trials):
        found, _ = find(
            lambda: Proposal(genome.sample(space, rng)), space, rng, proposal_filter, 1000
        )
        assert costs_of(hypermodel, found.values)[0] <= limit
    assert proposal_filter.repaired >= trials - 2
    assert len(asked) / trials < STEPS


def gated(folder, name, trials=20):
    oracle = make(
        name,
        objective=keras_tuner.Objective(*search.OBJECTIVE),
        max_trials=trials,
        hyperparameters=search.separable_space(),
        seed=0,
    )
    oracle.open(folder)
    oracle.attach(gate=Counted(search.separable_space(), 0.0))
    return oracle


@pytest.mark.parametrize("name", ["evolution", "cross_entropy", "local_search", "nsga2"])
def test_a_repaired_search_resumes_as_if_unbroken(tmp_path, name):
    whole = gated(tmp_path / "whole", name)
    rows = search.run(whole)
    assert whole.repaired > 0
    search.run(gated(tmp_path / "broken", name), trials=9)
    again = gated(tmp_path / "broken", name)
    assert search.run(again) == rows
    assert again.lineage == whole.lineage
    assert (again.repaired, again.turned_away) == (whole.repaired, whole.turned_away)


def test_waiting_leaves_no_count_of_repairs(tmp_path, monkeypatch):
    """A proposal that does not become a trial is not counted."""
    oracle = gated(tmp_path, "evolution")
    monkeypatch.setattr(oracle.ledger, "start", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        oracle.create_trial("me")
    assert oracle.repaired == oracle.turned_away == 0


def test_random_search_stays_uniform_over_what_fits(tmp_path):
    """Of 10 settings that fit among 64, each is drawn about as often as any other."""
    hp = keras_tuner.HyperParameters()
    for name in "abc":
        hp.Choice(name, [0, 1, 2, 3])

    def gate(values):
        total = sum(values.values())
        return {} if total <= 2 else {"ram": Violation(total, 2)}

    counts = {}
    for seed in range(300):
        oracle = RandomOracle("val_loss", 1, hyperparameters=hp, seed=seed)
        oracle.open(tmp_path, str(seed))
        oracle.attach(gate=gate)
        values = oracle.create_trial("me").hyperparameters.values
        counts[tuple(values.values())] = counts.get(tuple(values.values()), 0) + 1
        assert oracle.repaired == 0
    assert len(counts) == 10
    error = sum((count - 30) ** 2 / 30 for count in counts.values())
    assert error < 27.9  # Chi-squared, 9 degrees of freedom, 1 in 1,000.


@pytest.mark.parametrize("name", ["hyperband", "asha"])
def test_the_searcher_says_how_long_it_redraws(name):
    assert make(name, objective="val_loss", searcher="random").strategy.patience == Random.patience
    assert make(name, objective="val_loss", searcher="evolution").strategy.patience == 10


def test_the_grid_keeps_its_order(tmp_path):
    oracle = make(
        "grid",
        objective=keras_tuner.Objective(*search.OBJECTIVE),
        seed=0,
        hyperparameters=search.small_space(),
    )
    oracle.open(tmp_path)
    oracle.attach(gate=lambda v: {} if v.get("kernel") == 7 else {"ram": Violation(2, 1)})
    search.run(oracle)
    assert oracle.repaired == 0
    assert {one["operator"] for one in oracle.lineage.values()} == {"grid"}
