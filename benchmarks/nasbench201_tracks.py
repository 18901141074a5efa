"""The other races on NAS-Bench-201: under a latency limit, with short trainings, for a trade-off.

`python benchmarks/nasbench201_tracks.py limited|fidelity|objectives` needs KERASNAS_DATA. Peers and
ours see the same table through their public ask and tell, in one run.
"""

import argparse
import functools
import os
import tempfile
from collections.abc import Callable
from typing import Any

import keras_tuner
import numpy as np
import race
from nasbench201 import Cells, read

from kerasnas import oracles
from kerasnas.oracles.engine import pareto

CHANCE = 10.0  # Accuracy of a search that found no cell within the limit.
SHORT, FULL = 12, 200  # Epochs of a short and of a full training.
ROUNDS = 17  # A full training in units of a short one, as a whole number.
WORST = np.array([-85.0, 12.0])  # Where a trade-off begins: 85 % accuracy, 12 ms.


class Limited(Cells):
    """Only cells under a latency that 3 % of them meet."""

    def __init__(self) -> None:
        super().__init__()
        self.latency = read()["latency_ms_pixel3"]
        self.limit = float(np.quantile(self.latency, 0.03))
        self.optimum = float(self.test[self.latency <= self.limit].max())

    def fits(self, values: race.Values) -> bool:
        """Whether a cell keeps the limit."""
        return bool(self.latency[self.place(values)] <= self.limit)


def limited(name: str, trials: int, seed: int, patience: int | None = None) -> float:
    """Regret to the best cell within the limit.

    Args:
        name: Strategy, ours or KerasTuner's.
        trials: Number of trainings.
        seed: Seed of the search and of the scores.
        patience: Proposals that may break the limit before one is repaired; None for the
            strategy's.

    Returns:
        The regret in points of accuracy.
    """
    problem = Limited()
    rng = np.random.default_rng([seed, 1])
    objective = race.TELL
    common = {"objective": objective, "max_trials": trials, "hyperparameters": problem.space()}
    best = (-np.inf, CHANCE)
    with tempfile.TemporaryDirectory(dir=race.MEMORY) as folder:
        if name.startswith("KerasTuner"):
            # Its check of the size is made on the built model, and the trial is spent.
            oracle = keras_tuner.oracles.RandomSearchOracle(
                seed=race.their_seed(seed), max_consecutive_failed_trials=10**6, **common
            )
            oracle._set_project_dir(folder, "theirs")
            oracle.verbose = 0
        else:
            oracle = oracles.make(race.resolve(name), seed=seed, **common)
            oracle.strategy.patience = patience or oracle.strategy.patience
            oracle.open(folder)

            def gate(values: race.Values) -> dict[str, Any]:
                over = float(problem.latency[problem.place(values)])
                return {} if problem.fits(values) else {"latency": Over(over, problem.limit)}

            oracle.attach(gate=gate)
        while (trial := oracle.create_trial("me")).status == "RUNNING":
            values = trial.hyperparameters.values
            trial.status = "FAILED"
            if problem.fits(values):
                observed = problem.observe(values, rng)
                oracle.update_trial(trial.trial_id, {objective.name: observed})
                trial.status = "COMPLETED"
                best = max(best, (observed, problem.truth(values)))
            oracle.end_trial(trial)
    return problem.optimum - best[1]


class Over:
    """A broken limit, as a gate reports it."""

    def __init__(self, value: float, limit: float):
        self.value, self.limit = value, limit


class Clock:
    """Trains cells on a simulated clock, and knows the best of those trained in full."""

    def __init__(self, budget: float, seed: int):
        self.cells, self.short = Cells(), Cells(SHORT)
        self.budget, self.spent = budget, 0.0
        self.best = (-np.inf, CHANCE)
        self.rng = np.random.default_rng([seed, 1])

    def is_over(self) -> bool:
        """Whether the budget of full trainings is spent."""
        return self.spent >= self.budget

    def train_short(self, values: race.Values) -> float:
        """The score after 12 epochs."""
        self.spent += SHORT / FULL
        return self.short.observe(values, self.rng)

    def train_on(self, values: race.Values) -> float:
        """The score after the rest of the 200 epochs."""
        self.spent += 1 - SHORT / FULL
        observed = self.cells.observe(values, self.rng)
        self.best = max(self.best, (observed, self.cells.truth(values)))
        return observed


def fidelity(name: str, trials: int, seed: int) -> float:
    """Regret after so many full trainings' worth of epochs, on a simulated clock."""
    clock = Clock(trials, seed)
    strategy, _, with_it = name.partition(" + ")
    if strategy == "Optuna TPE":
        _race_optuna(with_it, clock, seed)
        return clock.cells.optimum - clock.best[1]
    common: dict[str, Any] = {
        "objective": race.TELL,
        "hyperparameters": clock.cells.space(),
        "seed": seed,
    }
    with tempfile.TemporaryDirectory(dir=race.MEMORY) as folder:
        rounds = {"max_epochs": ROUNDS, "factor": ROUNDS, "max_trials": None}
        if strategy == "KerasTuner Hyperband":
            common["seed"] = race.their_seed(seed)
            oracle = keras_tuner.oracles.HyperbandOracle(
                hyperband_iterations=1000,
                max_epochs=ROUNDS,
                factor=ROUNDS,
                **common,
            )
            oracle._set_project_dir(folder, "theirs")
            oracle.verbose = 0
        elif strategy == "Hyperband":
            oracle = oracles.HyperbandOracle(
                searcher=race.resolve(with_it),
                min_epochs=1,
                hyperband_iterations=None,
                **rounds,
                **common,
            )
            oracle.open(folder)
        elif strategy == "ASHA":
            # About a quarter goes on, so that each network costs about 0.3 full trainings.
            oracle = oracles.ASHAOracle(
                searcher=race.resolve(with_it),
                rungs=[SHORT],
                max_epochs=FULL,
                factor=4,
                max_trials=4 * trials,
                **common,
            )
            oracle.open(folder)
        else:
            oracle = oracles.make(race.resolve(name), max_trials=trials, **common)
            oracle.open(folder)
        _race_oracle(oracle, clock)
    return clock.cells.optimum - clock.best[1]


def strategy(name: str) -> str:
    """The type of `--strategies`, which may name a searcher: "ASHA + evolution"."""
    rounds, _, searcher = name.partition(" + ")
    if not searcher or rounds not in ("ASHA", "Hyperband"):
        return race.strategy(name)
    try:
        oracles.ASHAOracle(race.TELL, searcher=race.resolve(searcher))
    except Exception as error:
        raise argparse.ArgumentTypeError(f"{searcher!r} is no searcher: {error}") from error
    return name


def _race_oracle(oracle: keras_tuner.Oracle, clock: Clock) -> None:
    while not clock.is_over():
        trial = oracle.create_trial("me")
        if trial.status != "RUNNING":
            break
        values = trial.hyperparameters.values
        goes_on = True
        if not values.get("tuner/initial_epoch"):
            score = clock.train_short(values)
            # Hyperband says at the start how long, ASHA on the way.
            if isinstance(oracle, oracles.Oracle) and oracle.reports:
                goes_on = not oracle.report(trial.trial_id, SHORT, {race.TELL.name: score})
            else:
                goes_on = values.get("tuner/epochs") != 1
        if goes_on:
            score = clock.train_on(values)
        oracle.update_trial(trial.trial_id, {race.TELL.name: score})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


def _race_optuna(pruner: str, clock: Clock, seed: int) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruners = {
        "halving": optuna.pruners.SuccessiveHalvingPruner(SHORT, reduction_factor=4),
        "median": optuna.pruners.MedianPruner(),
        "nothing": optuna.pruners.NopPruner(),
    }
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=pruners[pruner],
    )
    space = clock.cells.space()
    while not clock.is_over():
        trial = study.ask()
        values = race.suggest(trial, space)
        trial.report(clock.train_short(values), SHORT)
        if trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, clock.train_on(values))


def objectives(name: str, trials: int, seed: int) -> float:
    """Share of the enumerated trade-off's hypervolume that is not found."""
    problem, latency = Cells(), read()["latency_ms_pixel3"]
    rng = np.random.default_rng([seed, 1])
    observed, true = [], []

    def train(values: race.Values) -> tuple[float, float]:
        place = problem.place(values)
        score, cost = problem.observe(values, rng), float(latency[place])
        observed.append([-score, cost])
        true.append([-float(problem.test[place]), cost])
        return score, cost

    if name.startswith("Optuna"):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        samplers = {
            "Optuna NSGA-II": optuna.samplers.NSGAIISampler,
            "Optuna TPE": optuna.samplers.TPESampler,
        }
        study = optuna.create_study(
            directions=["maximize", "minimize"], sampler=samplers[name](seed=seed)
        )
        for _ in range(trials):
            trial = study.ask()
            study.tell(trial, train(race.suggest(trial, problem.space())))
    else:
        wanted = [keras_tuner.Objective("score", "max"), keras_tuner.Objective("cost", "min")]
        strategy = race.resolve(name)
        one = oracles.make(strategy, objective=wanted[0]).strategy
        several = name == "auto" or one.multi_objective
        with tempfile.TemporaryDirectory(dir=race.MEMORY) as folder:
            oracle = oracles.make(
                strategy,
                objective=wanted if several else wanted[0],
                max_trials=trials,
                hyperparameters=problem.space(),
                seed=seed,
            )
            oracle.open(folder)
            while (trial := oracle.create_trial("me")).status == "RUNNING":
                score, cost = train(trial.hyperparameters.values)
                oracle.update_trial(trial.trial_id, {"score": score, "cost": cost})
                trial.status = "COMPLETED"
                oracle.end_trial(trial)
    chosen = np.array(true)[pareto.non_dominated(np.array(observed))]
    whole = np.stack([-problem.test, latency], axis=1)
    front = whole[pareto.non_dominated(whole)]
    return 1.0 - pareto.hypervolume(chosen, WORST) / pareto.hypervolume(front, WORST)


TRACKS = {
    "limited": (
        limited,
        "regret to the best cell within the limit, points",
        ["auto", "evolution", "local_search", "random"],
        ["KerasTuner random, failing"],
        [25, 50, 100],
    ),
    "fidelity": (
        fidelity,
        "regret by full trainings' worth of epochs, points",
        ["Hyperband + predictor", "ASHA + predictor", "ASHA + evolution", "ASHA + random", "auto"],
        [
            "KerasTuner Hyperband",
            "Optuna TPE + nothing",
            "Optuna TPE + halving",
            "Optuna TPE + median",
        ],
        [10, 25, 50, 100],
    ),
    "objectives": (
        objectives,
        "share of the hypervolume that is missed",
        ["auto", "random"],
        ["Optuna NSGA-II", "Optuna TPE"],
        [50, 100, 300],
    ),
}


def main() -> None:
    """Runs one race and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("track", choices=TRACKS)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--counts", type=int, nargs="+")
    parser.add_argument("--strategies", nargs="+", type=strategy)
    parser.add_argument("--peers", nargs="+")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    run, title, ours, peers, counts = TRACKS[options.track]
    counts = options.counts or counts
    ours, peers = options.strategies or ours, options.peers or peers
    keys = [(name, count) for name in [*ours, *peers] for count in counts]
    jobs = [(name, count, seed) for name, count in keys for seed in range(options.seeds)]
    values = race.parallel(functools.partial(_call, run), jobs, options.processes)
    final = {key: np.array([]) for key in keys}
    for (name, count, _), value in zip(jobs, values, strict=True):
        final[name, count] = np.append(final[name, count], value)
    rows = [[title, *map(str, counts)]]
    for name in [*ours, *peers]:
        rows.append([name, *(str(race.score(final[name, count])) for count in counts)])
    for name in ours[:1]:
        ratios = []
        for count in counts:
            peer = min(peers, key=lambda p, count=count: final[p, count].mean())
            ratios.append(str(race.ratio(final[name, count], final[peer, count])))
        rows.append([f"{name} / best peer", *ratios])
    print(race.table(rows))


def _call(run: Callable[[str, int, int], float], job: tuple[str, int, int]) -> float:
    return run(*job)


if __name__ == "__main__":
    main()
