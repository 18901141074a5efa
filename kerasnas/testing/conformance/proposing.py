"""Proposals are complete, new, and better than chance."""

import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import keras_tuner
import numpy as np
import pytest

from kerasnas.oracles import genome
from kerasnas.testing import search
from kerasnas.testing.conformance.making import Make, Making, settings_of


class Proposing(Making):
    """Proposals are complete, new, and better than chance."""

    searches = True
    has_parents = True

    def check_child(self, operator: str, parents: list[dict], child: dict) -> None:
        """Asserts that a child differs from its parents as the operator says.

        Args:
            operator: What the trial's lineage names.
            parents: The parents' settings.
            child: The child's setting.
        """
        first = parents[0]
        both = [name for name in child if name in first]
        changed = [name for name in both if child[name] != first[name]]
        if operator in ("mutation", "step"):
            assert len(changed) == 1
        elif operator == "promotion":
            assert child == first
        else:
            assert child not in parents

    def test_no_architecture_is_tried_twice(self, make: Make) -> None:
        """Neither the same values nor the same key of the tuner is tried again."""
        space = search.conditional_space()
        settings = settings_of(search.run(make("values", hyperparameters=space, max_trials=60)))
        assert len(set(settings)) == len(settings)
        oracle = make("keys", max_trials=20)
        oracle.attach(key=_without_rate)
        keys = [_without_rate(dict(setting)) for setting in settings_of(search.run(oracle))]
        assert len(keys) > 10
        assert len(set(keys)) == len(keys)

    def test_ends_when_the_space_is_exhausted(self, make: Make) -> None:
        """Every setting of a small space is tried, once, and then the search ends."""
        oracle = make(hyperparameters=search.small_space(), max_trials=200)
        settings = settings_of(search.run(oracle))
        everything = genome.enumerate_settings(search.small_space())
        assert sorted(settings) == sorted(tuple(sorted(values.items())) for values in everything)
        assert oracle.create_trial("another").status == "STOPPED"
        assert "exhausted" in str(oracle.stop_reason)

    def test_a_space_of_one_point(self, make: Make) -> None:
        """The one setting is tried, and then the search ends."""
        hp = keras_tuner.HyperParameters()
        hp.Choice("op", ["conv"])
        hp.Fixed("units", 8)
        oracle = make(hyperparameters=hp, max_trials=20)
        assert len(settings_of(search.run(oracle))) == 1
        assert oracle.create_trial("another").status == "STOPPED"

    def test_a_space_of_free_topology(self, make: Make) -> None:
        """Connections between nodes that may not be there: settings are whole, new, and resumed."""
        space = search.graph_space()
        unbroken = search.run(make("unbroken", hyperparameters=space))
        settings = settings_of(unbroken)
        assert len(settings) >= 15
        assert len(set(settings)) == len(settings)
        assert all(genome.complete(space, dict(values)) == dict(values) for values in settings)
        search.run(make("resumed", hyperparameters=space), trials=11)
        assert search.run(make("resumed", hyperparameters=space)) == unbroken

    def test_conditional_values_are_complete_and_matter(self, make: Make) -> None:
        """Each trial has a value for each active hyperparameter, of a type that can be sent."""
        space = search.conditional_space()
        oracle = make(hyperparameters=space, max_trials=40)
        while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
            # As they are handed out: what is missing is filled at the trial's end.
            values = dict(trial.hyperparameters.values)
            assert {type(value) for value in values.values()} <= {int, float, str, bool}
            values = search.setting(values)
            assert genome.complete(space, values) == values
            search.finish(oracle, trial)

    def test_children_record_their_parents(self, make: Make) -> None:
        """A trial's lineage names earlier trials, and how it differs from them."""
        oracle = make(max_trials=40)
        search.run(oracle)
        children = 0
        for name, trial in oracle.trials.items():
            lineage = oracle.lineage[name]
            child = search.setting(trial.hyperparameters.values)
            parents = [oracle.trials[parent] for parent in lineage["parents"]]
            if not parents:
                continue
            children += 1
            settings = [search.setting(parent.hyperparameters.values) for parent in parents]
            assert all(parent.status == "COMPLETED" for parent in parents)
            names = {*settings[0], *child}
            changed = {name for name in names if settings[0].get(name) != child.get(name)}
            assert set(lineage["changed"]) == changed
            self.check_child(lineage["operator"], settings, child)
        assert (children > 0) == self.has_parents

    def test_searches_better_than_random(self, tmp_path: pathlib.Path) -> None:
        """On a separable space, 20 seeds and 100 asks: two standard errors ahead of random."""
        if not self.searches:
            pytest.skip("not meant to beat random search")
        ours, chance = [], []
        for seed in range(20):
            space = search.separable_space()
            oracle = self.make_oracle(
                objective=keras_tuner.Objective(*search.OBJECTIVE),
                max_trials=100,
                hyperparameters=space,
                seed=seed,
            )
            oracle.open(tmp_path / str(seed))
            ours.append(max(row.score or -math.inf for row in search.run(oracle)))
            rng = np.random.default_rng(seed)
            chance.append(max(search.score(genome.sample(space, rng)) for _ in range(100)))
        error = math.hypot(_standard_error(ours), _standard_error(chance))
        assert np.mean(ours) > np.mean(chance) + 2 * error


def _without_rate(values: Mapping[str, Any]) -> str:
    """Returns the key of an architecture, which does not depend on the learning rate."""
    kept = {name: value for name, value in values.items() if name != "learning_rate"}
    return json.dumps(search.setting(kept), sort_keys=True)


def _standard_error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))
