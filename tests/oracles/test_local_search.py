import keras_tuner

from kerasnas.oracles import LocalSearchOracle, genome
from kerasnas.testing import search


def make(folder, space=None, **kwargs):
    oracle = LocalSearchOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        hyperparameters=space or search.separable_space(),
        seed=0,
        **kwargs,
    )
    oracle.open(folder)
    return oracle


def test_each_step_changes_one_decision_of_the_best(tmp_path):
    oracle = make(tmp_path, max_trials=30, initial_samples=5)
    for number in range(25):
        trial = oracle.create_trial("a")
        lineage = oracle.lineage[trial.trial_id]
        if number >= 5:
            best = max(oracle.completed, key=lambda t: t.score)
            assert (lineage["parents"], lineage["operator"]) == ([best.trial_id], "step")
            assert len(lineage["changed"]) == 1
        search.finish(oracle, trial)


def test_every_neighbour_is_tried_before_a_restart(tmp_path):
    """All scores are equal: the first setting is a local optimum with 30 neighbours."""
    oracle = make(tmp_path, max_trials=40, initial_samples=1)
    rows = search.run(oracle, lambda values: 1.0)
    operators = [oracle.lineage[row.trial_id]["operator"] for row in rows]
    assert operators[:32] == ["random", *["step"] * 30, "random"]
    space = search.separable_space()
    start = dict(rows[0].values)
    tried = {tuple(sorted(dict(row.values).items())) for row in rows[1:31]}
    assert tried == {tuple(sorted(n.items())) for n in genome.neighbours(space, start)}


def test_the_order_is_random_over_all_decisions(tmp_path):
    """Unlike greedy, it does not stay with one part."""
    oracle = make(tmp_path, max_trials=20, initial_samples=1)
    rows = search.run(oracle, lambda values: 1.0)
    changed = [oracle.lineage[row.trial_id]["changed"][0] for row in rows[1:12]]
    assert len(set(changed)) > 5
