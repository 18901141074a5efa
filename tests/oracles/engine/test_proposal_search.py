"""How a proposal is found that is new and within the budget."""

import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hardware.estimation import profile_graph
from kerasnas.hypermodels.hyperparameters import FixedHyperParameters
from kerasnas.oracles import Proposal, Random, RandomOracle, genome, make
from kerasnas.oracles.engine.proposal_search import STEPS, find
from kerasnas.testing import search
from kerasnas.testing.search import Violation


def test_the_nearest_of_those_that_break_the_budget_is_repaired(counted, filter_of, broken):
    """With its parents, and with what made it before the plus."""
    space = search.separable_space()
    gate = counted(space, 0.0)
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


def test_what_fits_before_patience_ends_is_not_repaired(counted, filter_of):
    space = search.separable_space()
    gate = counted(space, 0.5)
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
def test_a_budget_that_nothing_meets_is_found_out_in_a_bounded_number_of_tries(
    counted, filter_of, tries
):
    space = search.separable_space()
    gate = counted(space, 0.5)
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


@pytest.mark.parametrize(("count", "most"), [(4, 60), (40, 700)])
@pytest.mark.parametrize("fitting", [0, 2])
def test_an_exhausted_space_ends_the_search_soon(filter_of, count, most, fitting):
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


def costs_of(hypermodel, values):
    found = profile_graph(hypermodel.sketch(FixedHyperParameters(values)), by_layer=False)
    return found.flash_bytes, found.ram_bytes


def test_a_tight_limit_on_networks_takes_a_fraction_of_the_questions(filter_of):
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


@pytest.fixture
def gated(counted):
    """Opens a search under a budget that hardly anything meets."""

    def make_gated(folder, name, trials=20):
        oracle = make(
            name,
            objective=keras_tuner.Objective(*search.OBJECTIVE),
            max_trials=trials,
            hyperparameters=search.separable_space(),
            seed=0,
        )
        oracle.open(folder)
        oracle.attach(gate=counted(search.separable_space(), 0.0))
        return oracle

    return make_gated


@pytest.mark.parametrize("name", ["evolution", "cross_entropy", "local_search", "nsga2"])
def test_a_repaired_search_resumes_as_if_unbroken(tmp_path, gated, name):
    whole = gated(tmp_path / "whole", name)
    rows = search.run(whole)
    assert whole.repaired > 0
    search.run(gated(tmp_path / "broken", name), trials=9)
    again = gated(tmp_path / "broken", name)
    assert search.run(again) == rows
    assert again.lineage == whole.lineage
    assert (again.repaired, again.turned_away) == (whole.repaired, whole.turned_away)


def test_waiting_leaves_no_count_of_repairs(tmp_path, gated, monkeypatch):
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
