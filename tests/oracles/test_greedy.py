import itertools

import keras_tuner
import pytest

from kerasnas.oracles import GreedyOracle, genome
from kerasnas.testing import search


def make(folder, space=None, **kwargs):
    oracle = GreedyOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        hyperparameters=space or search.separable_space(),
        seed=0,
        **kwargs,
    )
    oracle.open(folder)
    return oracle


def test_initial_samples_must_be_positive():
    with pytest.raises(ValueError, match="`initial_samples` must be"):
        GreedyOracle("val_loss", initial_samples=0)


def test_every_step_is_from_the_best_so_far_until_a_local_optimum(tmp_path):
    oracle = make(tmp_path, max_trials=60, initial_samples=4)
    for number in range(30):
        trial = oracle.create_trial("a")
        lineage = oracle.lineage[trial.trial_id]
        if number < 4:
            assert lineage == {"parents": [], "operator": "random"}
        else:
            best = max(oracle.completed, key=lambda t: t.score)
            assert (lineage["parents"], lineage["operator"]) == ([best.trial_id], "step")
        search.finish(oracle, trial)


def test_a_separable_space_is_solved_in_one_walk(tmp_path):
    """10 choices of 4: at most 30 steps from any start lead to the best of a million settings."""
    space = search.separable_space()
    best = 0.0
    for parameter in space.space:
        best += max(search.score({parameter.name: value}) for value in parameter.values)
    rows = search.run(make(tmp_path, space, max_trials=31, initial_samples=1))
    assert max(row.score for row in rows) == pytest.approx(best)


def test_it_starts_anew_at_a_local_optimum(tmp_path):
    """The first part that is walked decides nothing else: after all neighbours comes a restart."""
    space = keras_tuner.HyperParameters()
    for place in range(12):
        space.Boolean(f"h{place}")
    oracle = make(tmp_path, space, max_trials=40, initial_samples=1)
    rows = search.run(oracle, lambda values: 1.0)
    operators = [oracle.lineage[row.trial_id]["operator"] for row in rows]
    # All neighbours score the same, so the first setting is an optimum with 12 of them.
    assert operators[:14] == ["random", *["step"] * 12, "random"]
    assert operators[14] == "step"
    assert oracle.lineage[rows[14].trial_id]["parents"] == [rows[13].trial_id]


def test_a_part_is_walked_to_its_end_before_the_next(tmp_path):
    oracle = make(tmp_path, search.separable_space(), max_trials=31, initial_samples=1)
    rows = search.run(oracle, lambda values: 1.0)
    walked = [oracle.lineage[row.trial_id]["changed"] for row in rows[1:]]
    assert [walked[place : place + 3] for place in range(0, 30, 3)] == [
        [changed] * 3 for changed in walked[::3]
    ]
    assert len({tuple(changed) for changed in walked}) == 10


def test_parts_hold_what_belongs_together(tmp_path):
    space = search.conditional_space()
    oracle = make(tmp_path, space, max_trials=25, initial_samples=1)
    rows = search.run(oracle, lambda values: 1.0)
    part_of = {name: part for part, names in genome.parts(space).items() for name in names}
    first = itertools.takewhile(
        lambda lineage: lineage["operator"] == "step",
        (oracle.lineage[row.trial_id] for row in rows[1:]),
    )
    order = [part_of[lineage["changed"][0]] for lineage in first]
    assert len(order) > 10
    changes = sum(first != second for first, second in itertools.pairwise(order))
    assert changes == len(set(order)) - 1


def test_workers_that_wait_for_the_last_neighbours_look_further(tmp_path):
    space = keras_tuner.HyperParameters()
    for place in range(4):
        space.Boolean(f"h{place}")
    oracle = make(tmp_path, space, max_trials=16, initial_samples=1)
    search.run(oracle, trials=1)
    asked = [oracle.create_trial(str(worker)) for worker in range(6)]
    operators = [oracle.lineage[trial.trial_id]["operator"] for trial in asked]
    assert operators == [*["step"] * 4, "jump", "jump"]
