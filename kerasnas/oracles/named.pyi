# Written by `make stubs` from kerasnas/oracles/registry.py.
import collections.abc
import inspect
import keras_tuner
import kerasnas.oracles.engine.fidelity
from typing import Any, ClassVar, Literal
from kerasnas.oracles.engine.oracle import Oracle
from kerasnas.oracles.engine.strategy import Strategy
from kerasnas.oracles.registry import Entry
from kerasnas.oracles.fidelity.asha import ASHA as ASHA
from kerasnas.oracles.bayesian import Bayesian as Bayesian
from kerasnas.oracles.cross_entropy import CrossEntropy as CrossEntropy
from kerasnas.oracles.evolution import Evolution as Evolution
from kerasnas.oracles.greedy import Greedy as Greedy
from kerasnas.oracles.grid import Grid as Grid
from kerasnas.oracles.fidelity.hyperband import Hyperband as Hyperband
from kerasnas.oracles.local_search import LocalSearch as LocalSearch
from kerasnas.oracles.neat.strategy import NEAT as NEAT
from kerasnas.oracles.nsga2 import NSGA2 as NSGA2
from kerasnas.oracles.optuna.strategy import Optuna as Optuna
from kerasnas.oracles.predictor.strategy import Predictor as Predictor
from kerasnas.oracles.random import Random as Random
from kerasnas.oracles.fidelity.short_then_best import ShortThenBest as ShortThenBest
from kerasnas.oracles.simulated_annealing import SimulatedAnnealing as SimulatedAnnealing

class NamedOracle(Oracle):
    entry: ClassVar[Entry]
    signature: ClassVar[inspect.Signature]

class ASHAOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        min_epochs: int | None = None,
        rungs: collections.abc.Sequence[int] | None = None,
        searcher: str | Strategy | type[Strategy] | Oracle | type[Oracle] = 'random',
        max_trials: int | None = 10,
        *,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class BayesianOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        num_initial_points: int | None = None,
        alpha: float = 0.0001,
        beta: float = 2.6,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        *,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class CrossEntropyOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        batch_size: int | None = None,
        elite: float = 0.2,
        smoothing: float = 0.7,
        *,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class EvolutionOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        population_size: int | None = None,
        sample_size: int | None = None,
        crossover: float = 0.0,
        *,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class GreedyOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        initial_samples: int | None = None,
        grow: bool = False,
        extensions: int | None = None,
        *,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class GridOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = None,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        *,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 50000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class HyperbandOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        hyperband_iterations: int | None = 1,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        *,
        min_epochs: int | None = None,
        searcher: str | Strategy | type[Strategy] | Oracle | type[Oracle] = 'random',
        max_trials: int | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class LocalSearchOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        initial_samples: int | None = None,
        *,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class NEATOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        population_size: int | None = None,
        num_species: int | None = None,
        crossover: float = 0.25,
        growth: float = 0.4,
        shrinkage: float = 0.1,
        *,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class NSGA2Oracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        population_size: int | None = None,
        crossover: float = 0.9,
        limits: collections.abc.Mapping[str, float] | None = None,
        *,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class OptunaOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        sampler: Any = 'tpe',
        *,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class PredictorOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        initial_samples: int | None = None,
        exploration: float = 0.1,
        *,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class RandomOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        *,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class ShortThenBestOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        epochs: int = 1,
        keep: int = 3,
        searcher: str | Strategy | type[Strategy] | Oracle | type[Oracle] = 'random',
        max_trials: int | None = 10,
        *,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

class SimulatedAnnealingOracle(NamedOracle):
    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        initial_samples: int | None = None,
        temperature: float = 0.25,
        *,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        fidelity: kerasnas.oracles.engine.fidelity.Fidelity | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_proposals: int = 1000,
        warm_start: collections.abc.Iterable[collections.abc.Mapping[str, Any]] = (),
    ) -> None: ...

BayesianOptimizationOracle = BayesianOracle
GridSearchOracle = GridOracle
RandomSearchOracle = RandomOracle
ORACLES: dict[str, type[NamedOracle]]
__all__ = [
    "ASHA",
    "Bayesian",
    "CrossEntropy",
    "Evolution",
    "Greedy",
    "Grid",
    "Hyperband",
    "LocalSearch",
    "NEAT",
    "NSGA2",
    "Optuna",
    "Predictor",
    "Random",
    "ShortThenBest",
    "SimulatedAnnealing",
    "ASHAOracle",
    "BayesianOracle",
    "CrossEntropyOracle",
    "EvolutionOracle",
    "GreedyOracle",
    "GridOracle",
    "HyperbandOracle",
    "LocalSearchOracle",
    "NEATOracle",
    "NSGA2Oracle",
    "OptunaOracle",
    "PredictorOracle",
    "RandomOracle",
    "ShortThenBestOracle",
    "SimulatedAnnealingOracle",
    "BayesianOptimizationOracle",
    "GridSearchOracle",
    "RandomSearchOracle",
]
