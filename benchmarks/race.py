"""Races search strategies over tables of known scores: ours and the peers', in one run.

A problem is a search space with a score for every setting. Every search sees noisy scores through
the public ask and tell of its library, and is judged by the true score of what it would choose.
"""

import argparse
import concurrent.futures
import importlib
import json
import math
import os
import pathlib
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

os.environ.setdefault("KERAS_BACKEND", "numpy")
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # Each search has one core of its own.

import keras_tuner  # noqa: E402
import numpy as np  # noqa: E402

from kerasnas import oracles  # noqa: E402
from kerasnas.oracles.named import ORACLES  # noqa: E402
from kerasnas.oracles.registry import find  # noqa: E402

Values = Mapping[str, Any]
# The flush of every trial is not what is raced.
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
TELL = keras_tuner.Objective("score", "max")


class Problem(Protocol):
    """What is raced on; made anew in every process from its name."""

    optimum: float

    def space(self) -> keras_tuner.HyperParameters:
        """The search space, declared."""

    def observe(self, values: Values, rng: np.random.Generator) -> float:
        """What training the setting once would score; larger is better, NaN is a failure."""

    def truth(self, values: Values) -> float:
        """What the setting is worth."""


class Query(NamedTuple):
    """One trained setting."""

    observed: float
    truth: float


def run_oracle(
    oracle: keras_tuner.Oracle,
    problem: Problem,
    seed: int,
    gate: Callable[[Values], Mapping[str, Any]] | None = None,
) -> list[Query]:
    """Searches with any KerasTuner oracle, ours or theirs."""
    rng = np.random.default_rng([seed, 1])
    queries = []
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        if isinstance(oracle, oracles.Oracle):
            oracle.open(folder)
            oracle.attach(gate=gate)
        else:
            oracle._set_project_dir(folder, "theirs")
            oracle.verbose = 0
        while (trial := oracle.create_trial("me")).status == "RUNNING":
            values = trial.hyperparameters.values
            observed = problem.observe(values, rng)
            if math.isnan(observed):
                trial.status = "INVALID"
            else:
                oracle.update_trial(trial.trial_id, {TELL.name: observed})
                trial.status = "COMPLETED"
            oracle.end_trial(trial)
            queries.append(Query(observed, problem.truth(values)))
    return queries


def run_optuna(sampler: Any, problem: Problem, trials: int, seed: int) -> list[Query]:
    """Searches with a sampler of Optuna, in Optuna's own loop."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = np.random.default_rng([seed, 1])
    study = optuna.create_study(direction="maximize", sampler=sampler)
    queries = []
    for _ in range(trials):
        trial = study.ask()
        values = suggest(trial, problem.space())
        observed = problem.observe(values, rng)
        if math.isnan(observed):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, observed)
        queries.append(Query(observed, problem.truth(values)))
    return queries


def suggest(trial: Any, space: keras_tuner.HyperParameters) -> dict[str, Any]:
    """The usual define-by-run function of Optuna, for a space of KerasTuner's."""
    values: dict[str, Any] = {}
    for hp in space.space:
        if not all(condition.is_active(values) for condition in hp.conditions):
            continue
        if isinstance(hp, keras_tuner.engine.hyperparameters.Int):
            values[hp.name] = _suggest_number(trial, hp, trial.suggest_int)
        elif isinstance(hp, keras_tuner.engine.hyperparameters.Float):
            values[hp.name] = _suggest_number(trial, hp, trial.suggest_float)
        else:
            values[hp.name] = trial.suggest_categorical(hp.name, list(hp.values))
    return values


def _suggest_number(trial: Any, hp: Any, suggest: Callable[..., Any]) -> Any:
    """A number under the nearest of Optuna's priors that a user would write."""
    if hp.sampling == "reverse_log":
        # As learning rates are given for momentum: a logarithm of what is missing.
        ends = hp.min_value + hp.max_value
        return ends - trial.suggest_float(hp.name, hp.min_value, hp.max_value, log=True)
    if hp.sampling == "log" and hp.step:
        count = int(math.log(hp.max_value / hp.min_value, hp.step) + 1e-8)
        return hp.min_value * hp.step ** trial.suggest_int(hp.name, 0, count)
    log = hp.sampling == "log"
    step = {} if log or not hp.step else {"step": hp.step}
    return suggest(hp.name, hp.min_value, hp.max_value, log=log, **step)


def resolve(name: str) -> str | type[oracles.Strategy | oracles.Oracle]:
    """Finds a strategy in any process, for a job knows it by name.

    Args:
        name: One of ours, or "package.module:Class" for a strategy or an oracle of the user's;
            modules of the folder in which the command was given are found, too.

    Returns:
        "auto", the class of the oracle that is named after one of ours, or the user's class.

    Raises:
        ValueError: There is none of this name.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        return name if name == "auto" else ORACLES[find(name, "auto", "package.module:Class")]
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # A module of the user's may raise anything.
        raise ValueError(
            f"{attribute!r} cannot be imported from {module!r} ({type(error).__name__}: {error})"
        ) from error
    if not (isinstance(found, type) and issubclass(found, (oracles.Strategy, oracles.Oracle))):
        raise ValueError(
            "It must be a subclass of kerasnas.oracles.Strategy, or a subclass of "
            f"kerasnas.oracles.Oracle. Received: {found!r}"
        )
    return found


def strategy(name: str) -> str:
    """The type of `--strategies`: an error where a job would fail later, in another process."""
    try:
        oracles.make(resolve(name), objective=TELL, max_trials=1, seed=0)
    except Exception as error:
        raise argparse.ArgumentTypeError(f"{name!r} is no strategy: {error}") from error
    return name


def ours(name: str, trials: int, seed: int, problem: Problem) -> list[Query]:
    """Searches with one of our strategies, or one of the user's, by name."""
    oracle = oracles.make(
        resolve(name), objective=TELL, max_trials=trials, hyperparameters=problem.space(), seed=seed
    )
    return run_oracle(oracle, problem, seed)


def peer(name: str, trials: int, seed: int, problem: Problem) -> list[Query]:
    """Searches with a strategy of KerasTuner or Optuna."""
    import optuna

    space = problem.space()
    theirs = {
        "KerasTuner random": keras_tuner.oracles.RandomSearchOracle,
        "KerasTuner Bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
    }
    if name in theirs:
        oracle = theirs[name](
            objective=TELL, max_trials=trials, hyperparameters=space, seed=their_seed(seed)
        )
        return run_oracle(oracle, problem, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samplers = {
            "Optuna TPE": optuna.samplers.TPESampler,
            "Optuna NSGA-II": optuna.samplers.NSGAIISampler,
            "Optuna GP": optuna.samplers.GPSampler,
        }
        return run_optuna(samplers[name](seed=seed), problem, trials, seed)


def their_seed(seed: int) -> int:
    """A seed for KerasTuner, which counts up from it: near ones give the same trials, 0 none."""
    return 1 + 1_000_003 * seed


def regrets(queries: Sequence[Query], optimum: float) -> np.ndarray:
    """How far from the optimum the best observed setting is, after each query."""
    chosen, curve = 0, []
    for place, query in enumerate(queries):
        best = queries[chosen].observed
        if query.observed > best or (math.isnan(best) and not math.isnan(query.observed)):
            chosen = place
        curve.append(optimum - queries[chosen].truth)
    return np.array(curve)


class Job(NamedTuple):
    """One search: what runs it, on which problem, how long, and the row that it counts for."""

    runner: Callable[[str, int, int, Problem], list[Query]]
    strategy: str
    problem: Callable[[], Problem]
    trials: int
    seed: int
    row: str = ""


def run(job: Job) -> list[float]:
    """Runs one search: its regret after each query."""
    problem = job.problem()
    queries = job.runner(job.strategy, job.trials, job.seed, problem)
    return list(regrets(queries, problem.optimum))


def race(jobs: Sequence[Job], processes: int) -> dict[tuple[str, int], np.ndarray]:
    """Runs all searches.

    Args:
        jobs: The searches.
        processes: How many at once.

    Returns:
        By row and number of trials, an array (seeds, trials) of regrets after each query.
    """
    curves = parallel(run, jobs, processes)
    found: dict[tuple[str, int], list[list[float]]] = {}
    for job, curve in zip(jobs, curves, strict=True):
        # A search that has exhausted its space stays with what it has.
        padded = curve + curve[-1:] * (job.trials - len(curve))
        found.setdefault((job.row or job.strategy, job.trials), []).append(padded)
    return {key: np.array(value) for key, value in found.items()}


def parallel(call: Callable[[Any], Any], jobs: Sequence[Any], processes: int) -> list[Any]:
    """Calls a function on every job, in processes of their own."""
    with concurrent.futures.ProcessPoolExecutor(processes) as pool:
        return list(pool.map(call, jobs))


class Score(NamedTuple):
    """A mean over seeds and its standard error."""

    mean: float
    error: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.error:.3f}"


def score(values: np.ndarray) -> Score:
    """Mean and standard error."""
    spread = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return Score(float(np.mean(values)), float(spread))


def ratio(ours: np.ndarray, theirs: np.ndarray) -> Score:
    """Ratio of two means over the same seeds, with its standard error by the jackknife."""
    count = min(len(ours), len(theirs))
    ours, theirs = ours[:count], theirs[:count]
    left_out = [
        np.delete(ours, place).mean() / max(np.delete(theirs, place).mean(), 1e-12)
        for place in range(count)
    ]
    whole = ours.mean() / max(theirs.mean(), 1e-12)
    error = np.sqrt((count - 1) * np.var(left_out)) if count > 1 else np.nan
    return Score(float(whole), float(error))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Writes rows as a Markdown table; the first is the head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def best_of(
    strategies: Sequence[str], counts: Sequence[int], final: Mapping[tuple[str, int], np.ndarray]
) -> str:
    """The strategy with the least regret, as a mean over the counts of its share of the largest.

    Only the seeds that choose are looked at.
    """

    def share(name: str) -> float:
        shares = []
        for count in counts:
            regrets = {one: final[f"choosing {one}", count].mean() for one in strategies}
            shares.append(regrets[name] / max(*regrets.values(), 1e-12))
        return float(np.mean(shares))

    return min(strategies, key=share)


def write_json(path: str, final: Mapping[tuple[str, int], np.ndarray]) -> None:
    """Writes the regret of every search."""
    found: dict[str, dict[int, list[float]]] = {}
    for (name, count), values in final.items():
        found.setdefault(name, {})[count] = [float(value) for value in values]
    pathlib.Path(path).write_text(json.dumps(found, indent=1), encoding="utf-8")


def plot(path: str, curves: Mapping[tuple[str, int], np.ndarray]) -> None:
    """Draws the mean regret after each query, a line a strategy."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for (name, _), curve in sorted(curves.items()):
        if not name.startswith("choosing"):
            theirs = name.startswith(("KerasTuner", "Optuna"))
            places = np.arange(1, curve.shape[1] + 1)
            axes.plot(places, curve.mean(axis=0), "--" if theirs else "-", label=name)
    axes.set(xlabel="trainings", ylabel="mean test regret", xscale="log", yscale="log")
    axes.legend(fontsize="small", ncols=2)
    figure.savefig(path, dpi=120)
