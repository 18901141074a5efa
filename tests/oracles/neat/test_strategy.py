"""Evolution of topologies: growth, crossover by name, and species that protect what is new."""

import math

import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hypermodels.graph import GraphHyperModel, GraphNames
from kerasnas.oracles import NEATOracle, genome
from kerasnas.oracles.neat import species
from kerasnas.testing import OracleConformance, search

NAMES = GraphNames("graph", 8)
OPERATIONS = GraphHyperModel((8, 8, 1), 3).operations


class TestNEAT(OracleConformance):
    def make_oracle(self, **kwargs):
        return NEATOracle(**kwargs)


def make(folder, space, **kwargs):
    objective = keras_tuner.Objective(*search.OBJECTIVE)
    oracle = NEATOracle(objective, hyperparameters=space, **{"seed": 0, **kwargs})
    oracle.open(folder)
    return oracle


def live(values):
    """The nodes and connections of what is built."""
    edges = NAMES.connections(values)
    hidden = {end for _, end in edges if end < 8}
    return {*edges, *((p, values[NAMES.node(p)]) for p in hidden)}


def nodes(values):
    return len(NAMES.nodes(values))


# ---------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("trials", "population", "species"), [(12, 4, 2), (30, 10, 3), (100, 10, 3), (1000, 20, 4)]
)
def test_defaults_follow_the_budget(trials, population, species):
    oracle = NEATOracle("val_loss", max_trials=trials)
    assert oracle.strategy.sizes(oracle.history) == (population, species)


@pytest.mark.parametrize(
    "argument",
    [
        *({"population_size": 1}, {"num_species": 0}, {"crossover": 1.5}, {"growth": -0.1}),
        {"shrinkage": 2},
    ],
)
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))}` must be"):
        NEATOracle("val_loss", **argument)
    with pytest.raises(ValueError, match="growth and shrinkage"):
        NEATOracle("val_loss", growth=0.7, shrinkage=0.7)


# ---------------------------------------------------------------------- growth


def test_it_starts_with_the_smallest_network_and_what_is_one_change_away(tmp_path, space):
    oracle = make(tmp_path, space, max_trials=30, population_size=12)
    rows = search.run(oracle, trials=12)
    smallest = genome.settle(space, {})
    assert dict(rows[0].values) == smallest
    operators = [oracle.lineage[row.trial_id]["operator"] for row in rows]
    assert operators == ["minimal", *["extension"] * 11]
    assert {name for row in rows[1:] for name in oracle.lineage[row.trial_id]["parents"]} == {"00"}
    # A second step is taken only where all first ones are taken.
    assert max(nodes(dict(row.values)) for row in rows) <= 2
    assert sum(nodes(dict(row.values)) == 1 for row in rows) >= 4


@pytest.mark.parametrize("sign", [1, -1])
def test_networks_grow_where_it_pays_and_only_there(tmp_path, space, sign):
    oracle = make(tmp_path, space, max_trials=100)
    rows = search.run(oracle, lambda values: sign * len(live(values)))
    sizes = [len(live(dict(row.values))) for row in rows]
    assert sizes[0] == 1
    if sign > 0:
        assert np.mean(sizes[-20:]) > 14
        assert max(nodes(dict(row.values)) for row in rows) == 7
    else:
        assert np.mean(sizes[-20:]) < 7
        assert len(live(oracle.get_best_trials(1)[0].hyperparameters.values)) == 1


def test_what_is_fixed_stays(tmp_path, space):
    fixed = keras_tuner.HyperParameters()
    fixed.Fixed("graph/node_4", "zero")
    fixed.merge(space, overwrite=False)
    oracle = make(tmp_path, fixed, max_trials=40)
    rows = search.run(oracle, lambda values: len(NAMES.nodes(values)))
    assert {dict(row.values)["graph/node_4"] for row in rows} == {"zero"}
    assert max(nodes(dict(row.values)) for row in rows) >= 3


# ---------------------------------------------------------------------- crossover


def test_the_fitter_parent_comes_first(tmp_path, space):
    oracle = make(tmp_path, space, max_trials=60, crossover=1.0)
    search.run(oracle)
    crossed = [one for one in oracle.lineage.values() if one["operator"] == "crossover"]
    assert len(crossed) > 15
    for lineage in crossed:
        first, second = (oracle.trials[name].score for name in lineage["parents"])
        assert first >= second


# ---------------------------------------------------------------------- species


def test_every_completed_trial_has_one_species_and_there_are_a_few(tmp_path, space):
    oracle = make(tmp_path, space, max_trials=120, population_size=16)
    search.run(oracle, lambda values: None if search.score(values) % 1 < 0.1 else len(live(values)))
    species = oracle.strategy.species(oracle.history)
    members = sorted(name for trials in species.values() for name in trials)
    assert members == sorted(trial.trial_id for trial in oracle.completed)
    assert len(species) > 3
    living = oracle.strategy.population(oracle.history).species
    assert 2 <= len(living) <= 8
    assert sum(len(one.members) for one in living) == 16


def test_a_larger_network_that_is_the_worst_has_children_all_the_same(tmp_path, space, monkeypatch):
    """Most of them from the time when its species is young: without that, next to none."""
    large = genome.complete(space, {NAMES.node(p): "conv3x3" for p in (1, 2, 3, 5, 6)})
    children = {0.5: 0, 0.0: 0}
    for share in children:
        monkeypatch.setattr(species, "_YOUNG", share)
        for seed in range(20):
            oracle = make(tmp_path / f"{share} {seed}", space, max_trials=100, seed=seed)
            search.run(oracle, lambda values: -nodes(values), trials=14)
            oracle.enqueue(large)
            rows = search.run(oracle, lambda values: -nodes(values), trials=6)
            assert min(row.score for row in rows[:15]) == rows[14].score == -5
            (own,) = [
                ids
                for ids in oracle.strategy.species(oracle.history).values()
                if rows[14].trial_id in ids
            ]
            parents = [oracle.lineage[row.trial_id]["parents"] for row in rows[15:]]
            children[share] += sum(bool({*ids} & {*own}) for ids in parents)
    assert children[0.5] > 3 * children[0.0]
    assert children[0.5] >= 4


# ---------------------------------------------------------------------- whole searches


def test_it_finds_a_topology_better_than_chance(tmp_path, space):
    """A network of five nodes, by what is shared with it: 20 seeds, two standard errors."""
    ops = {1: "conv3x3", 3: "conv3x3", 4: "sepconv3x3", 6: "conv3x3", 7: "identity"}
    edges = [(0, 1), (1, 3), (1, 4), (3, 6), (4, 6), (6, 7), (0, 7), (7, 8)]
    target = {*edges, *ops.items()}

    def shared(values):
        return len(live(values) & target) / len(live(values) | target)

    ours, chance = [], []
    for seed in range(20):
        oracle = make(tmp_path / str(seed), space, max_trials=60, seed=seed)
        ours.append(max(row.score for row in search.run(oracle, shared)))
        rng = np.random.default_rng(seed)
        chance.append(max(shared(genome.sample(space, rng)) for _ in range(60)))
    error = math.hypot(*(np.std(one, ddof=1) / math.sqrt(20) for one in (ours, chance)))
    assert np.mean(ours) > np.mean(chance) + 2 * error


def test_a_search_of_real_networks_resumes(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")

    def run(name, *lives):
        for trials in lives:
            tuner = kn.Tuner(
                GraphHyperModel((4,), 2, depth=2, stages=1, filters=4),
                NEATOracle("val_loss", max_trials=trials, population_size=2, seed=0),
                directory=tmp_path,
                project_name=name,
                seed=0,
            )
            tuner.search(x, y, validation_data=(x, y), epochs=1, batch_size=24, verbose=0)
        return [(row["values"], row["parents"], row["operator"]) for row in tuner.results()]

    resumed, unbroken = run("resumed", 3, 5), run("unbroken", 5)
    assert resumed == unbroken
    assert resumed[0][2] == "minimal"
    assert all(row[1] for row in resumed[2:])


def test_a_space_without_structure_begins_at_random(tmp_path):
    """From a corner of a flat region, changes of one number would lead nowhere."""
    hp = keras_tuner.HyperParameters()
    for place in range(6):
        hp.Float(f"x{place}", 0.0, 1.0)
    oracle = make(tmp_path, hp, max_trials=100)
    rows = search.run(
        oracle, lambda values: -max(abs(values[f"x{place}"] - 0.6) for place in range(6))
    )
    first = np.array([[value for _, value in row.values] for row in rows[1:10]])
    assert (first.std(axis=0) > 0.1).all()
    assert max(row.score for row in rows) > -0.25
