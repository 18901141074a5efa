import keras_tuner
import pytest

from kerasnas.oracles import EvolutionOracle
from kerasnas.testing import search


def make(folder, **kwargs):
    oracle = EvolutionOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        hyperparameters=search.conditional_space(),
        seed=0,
        **kwargs,
    )
    oracle.open(folder)
    return oracle


@pytest.mark.parametrize(
    ("trials", "population", "sample"),
    [(12, 4, 3), (30, 10, 3), (100, 20, 5), (1000, 50, 12), (None, 20, 5)],
)
def test_defaults_follow_the_budget(trials, population, sample):
    oracle = EvolutionOracle("val_loss", max_trials=trials)
    assert oracle.strategy.sizes(oracle.history) == (population, sample)


@pytest.mark.parametrize(
    "argument", [{"population_size": 1}, {"sample_size": 0}, {"crossover": 1.5}]
)
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))}` must be"):
        EvolutionOracle("val_loss", **argument)


def test_parents_are_of_the_living_and_fit(tmp_path):
    """The whole population competes: the parent is always the best of those that ended last."""
    oracle = make(tmp_path, max_trials=30, population_size=5, sample_size=5)
    for number in range(30):
        trial = oracle.create_trial("a")
        lineage = oracle.lineage[trial.trial_id]
        if number < 5:
            assert lineage["operator"] == "random"
        else:
            alive = oracle.completed[-5:]
            assert lineage["parents"] == [max(alive, key=lambda t: t.score).trial_id]
        search.finish(oracle, trial)


def test_the_old_die_even_if_they_are_the_best(tmp_path):
    oracle = make(tmp_path, max_trials=20, population_size=4, sample_size=4)
    scores = iter([100.0, *range(1, 20)])
    search.run(oracle, lambda values: float(next(scores)))
    children = [oracle.lineage[name]["parents"] for name in oracle.start_order]
    assert children[4] == ["00"]
    assert ["00"] not in children[5:]


def test_failed_trials_do_not_breed(tmp_path):
    oracle = make(tmp_path, max_trials=40, population_size=5)
    search.run(oracle, lambda v: None if search.score(v) % 1 < 0.4 else search.score(v))
    parents = {name for lineage in oracle.lineage.values() for name in lineage["parents"]}
    assert parents
    assert {oracle.trials[name].status for name in parents} == {"COMPLETED"}


def test_a_minimised_objective_breeds_from_the_smallest(tmp_path):
    oracle = EvolutionOracle(
        keras_tuner.Objective(search.OBJECTIVE[0], "min"),
        max_trials=12,
        population_size=4,
        sample_size=4,
        hyperparameters=search.conditional_space(),
        seed=0,
    )
    oracle.open(tmp_path)
    search.run(oracle, trials=4)
    smallest = min(oracle.completed, key=lambda trial: trial.score).trial_id
    assert oracle.lineage[oracle.create_trial("a").trial_id]["parents"] == [smallest]


def test_crossover_mixes_two_parents_and_changes_one_more_decision(tmp_path):
    oracle = make(tmp_path, max_trials=60, population_size=8, crossover=0.5)
    search.run(oracle)
    operators, mixed = set(), 0
    for name, trial in oracle.trials.items():
        lineage = oracle.lineage[name]
        operators.add(lineage["operator"])
        if lineage["operator"] != "crossover":
            continue
        child = trial.hyperparameters.values
        first, second = (oracle.trials[p].hyperparameters.values for p in lineage["parents"])
        known = [name for name in child if name in first or name in second]
        new = [n for n in known if child[n] not in (first.get(n), second.get(n))]
        assert len(new) <= 1
        only = [
            {n for n in known if child[n] == one.get(n) != other.get(n)}
            for one, other in ((first, second), (second, first))
        ]
        mixed += all(only)
    assert operators == {"random", "mutation", "crossover"}
    assert mixed >= 5


def test_a_population_larger_than_the_space_is_refused(tmp_path):
    oracle = EvolutionOracle(
        keras_tuner.Objective(*search.OBJECTIVE),
        max_trials=50,
        population_size=11,
        hyperparameters=search.small_space(),
        seed=0,
    )
    oracle.open(tmp_path)
    with pytest.raises(ValueError, match=r"at most the 10 settings .*population_size=11"):
        oracle.create_trial("a")
    assert not oracle.trials
