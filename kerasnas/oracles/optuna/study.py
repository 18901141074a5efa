"""An Optuna study in memory that follows the trials of a search.

Everything in it follows from the trials, and from the attributes that the sampler has set on them
and on the study. The lineages of the trials keep these.

Private parts of Optuna, as read in 5.0.0: `Study._storage`, `Study._study_id`, `Trial._trial_id`,
and, in `forget_asked`, the lists of `InMemoryStorage`, which cannot delete a trial.
"""

import copy
from collections.abc import Sequence
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas.oracles import genome
from kerasnas.oracles.engine.history import History
from kerasnas.oracles.genome.decision import Decision
from kerasnas.oracles.optuna.cmaes import PREFIXES, Replay, without_pickles
from kerasnas.oracles.optuna.sampler import make_sampler, parts_of, quiet, reseed
from kerasnas.oracles.optuna.space import Parameter, parameters_of

# Attributes of a running trial that repeat its parameters.
_REPEATED = ":relative_params:"


class Study:
    """A study of the search space as it is now.

    Args:
        sampler: The result of `known_sampler`.
        history: The view of the search.
        pending: Attributes of the study that are not in any trial's lineage.
        common: The parameters that CMA-ES searches; None for another sampler.

    Attributes:
        parameters: The parameter of each decision that is open.
        common: As given.
    """

    def __init__(
        self,
        sampler: Any,
        history: History,
        pending: dict[str, Any],
        common: list[str] | None = None,
    ):
        self.common = common
        self._space, self._size = history.space, len(history.space.space)
        self.parameters: dict[Decision, Parameter] = parameters_of(history.space)
        self._objectives = len(history.objectives)
        self._sampler = make_sampler(sampler, history.seed)
        self._study = _new_study(self._objectives)
        self._study.sampler = self._sampler
        self._storage = self._study._storage
        # Optuna's numbers of the trials by their ids, and of the ended ones in the order of ends.
        self._numbers: dict[str, int] = {}
        self._told: list[int] = []
        self._replay = Replay()
        # Attributes of the study that are in some trial's lineage.
        self._saved: dict[str, Any] = {}
        for trial in history.started:
            self._saved.update(_noted(history, trial).get("study", {}))
        for name, value in {**self._saved, **pending}.items():
            self._storage.set_study_system_attr(self._study._study_id, name, value)

    def is_of(self, space: keras_tuner.HyperParameters) -> bool:
        """Returns whether the study was made for a space, and it has not grown since."""
        return self._space is space and self._size == len(space.space)

    def forget_asked(self) -> None:
        """Drops the trials that were asked for and turned away."""
        kept = len(self._numbers)
        trials = self._storage._studies[self._study._study_id].trials
        for trial in trials[kept:]:
            del self._storage._trial_id_to_study_id_and_number[trial._trial_id]
        del trials[kept:]
        self._storage._max_trial_id = kept - 1

    def follow(self, history: History) -> None:
        """Adds the trials that have begun, and tells the results of those that have ended."""
        for trial in history.started[len(self._numbers) :]:
            self._add(history, trial)
            self._numbers[trial.trial_id] = len(self._numbers)
        for trial in history.ended[len(self._told) :]:
            number = self._numbers[trial.trial_id]
            self._tell(history, number, trial)
            self._told.append(number)

    def common_to_cmaes(self) -> list[str] | None:
        """Returns the parameters that CMA-ES searches: the numbers that all settings have."""
        import optuna

        if not isinstance(self._sampler, optuna.samplers.CmaEsSampler):
            return None
        sampler = copy.deepcopy(self._sampler)
        return sorted(sampler.infer_relative_search_space(self._study, None))

    def ask(self, rng: np.random.Generator) -> Any:
        """Returns a new running trial of the study, of which nothing is suggested yet."""
        import optuna

        sampler = copy.deepcopy(self._sampler)
        reseed(sampler, np.random.RandomState(int(rng.integers(2**32))))
        for part in parts_of(sampler):
            if isinstance(part, optuna.samplers.CmaEsSampler):
                self._replay.lend(part, self._completed())
        self._study.sampler = sampler
        return self._study.ask()

    def attributes_of(self, trial: Any) -> dict[str, Any]:
        """Returns what the sampler noted about a trial that it was asked for."""
        attributes = self._storage.get_trial(trial._trial_id).system_attrs
        return {name: value for name, value in attributes.items() if _REPEATED not in name}

    def attributes_of_another(self, rng: np.random.Generator) -> dict[str, Any]:
        """Returns what the sampler would note about a trial whose values are not its own."""
        trial = self.ask(rng)
        _ = trial.relative_params
        attributes = self.attributes_of(trial)
        # With this attribute, CMA-ES with margin would take the trial for its own last draw.
        return {} if "x_for_tell" in attributes else attributes

    def unsaved(self) -> dict[str, Any]:
        """Returns the attributes of the study that no trial's lineage has yet."""
        now = self._storage.get_study_system_attrs(self._study._study_id)
        return {name: value for name, value in now.items() if self._saved.get(name) != value}

    def note_saved(self) -> None:
        """Notes that a trial's lineage has all attributes of the study."""
        self._saved = self._storage.get_study_system_attrs(self._study._study_id)

    def _completed(self) -> list[Any]:
        """Returns the study's completed trials, in the order of their ends."""
        trials = self._study.get_trials(deepcopy=False)
        ended = (trials[number] for number in self._told)
        return [trial for trial in ended if trial.state.name == "COMPLETE"]

    def _add(self, history: History, trial: Trial) -> None:
        import optuna

        values = history.values(trial)
        noted = _noted(history, trial)
        attributes = without_pickles(noted.get("trial", {}))
        if noted.get("common") != self.common:
            # When other hyperparameters have become common to all settings, CMA-ES would draw at
            # random for ever, or fail; without these attributes it begins again.
            attributes = {
                name: value for name, value in attributes.items() if not name.startswith(PREFIXES)
            }
        params, distributions = {}, {}
        for decision in genome.decisions_of(history.space, values):
            parameter = self.parameters.get(decision)
            encoded = None if parameter is None else parameter.encode(values[decision.hp.name])
            if parameter is not None and encoded is not None:
                params[parameter.name] = encoded
                distributions[parameter.name] = parameter.distribution
        self._study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.RUNNING,
                params=params,
                distributions=distributions,
                system_attrs=attributes,
            )
        )

    def _tell(self, history: History, number: int, trial: Trial) -> None:
        import optuna

        if trial.status != TrialStatus.COMPLETED:
            self._study.tell(number, state=optuna.trial.TrialState.FAIL)
        elif self._objectives > 1:
            self._study.tell(number, list(history.losses(trial)))
        else:
            self._study.tell(number, history.loss(trial))


def check_takes_several(sampler: Any, names: Sequence[str]) -> None:
    """Refuses several objectives for a sampler that takes one, by trying the sampler.

    Args:
        sampler: The result of `known_sampler`.
        names: Names of the objectives.

    Raises:
        ValueError: The sampler takes one objective only.
    """
    with quiet():
        study = _new_study(len(names))
        study.sampler = make_sampler(sampler, 0)
        try:
            # Reading the attribute makes the sampler draw.
            _ = study.ask().relative_params
        except ValueError as error:
            raise ValueError(
                f"The sampler {type(study.sampler).__name__} searches for one objective. Use "
                f"sampler='tpe' or 'nsgaii' for several. Received: objective={list(names)}"
            ) from error


def _noted(history: History, trial: Trial) -> dict[str, Any]:
    found: dict[str, Any] = history.lineage(trial.trial_id).get("optuna", {})
    return found


def _new_study(objectives: int) -> Any:
    import optuna

    # All are minimised: the oracle turns their signs.
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), directions=["minimize"] * objectives
    )
    # Some samplers stop the study, which Optuna refuses outside of its own loop.
    study.stop = lambda: None
    return study
