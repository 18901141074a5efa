"""The other races on NAS-Bench-201: under a latency limit, with short trainings, for a trade-off.

`python benchmarks/nasbench201_tracks.py limited|fidelity|objectives` needs KERASNAS_DATA. Peers and
ours see the same table through their public ask and tell, in one run.
"""

import argparse
import functools
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import keras_tuner
import numpy as np
import race
from nasbench201 import Cells, read

from kerasnas import oracles
from kerasnas.oracles import pareto

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


def limited(name: str, trials: int, seed: int) -> float:
    """Regret to the best cell within the limit."""
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
            oracle = oracles.make(name, seed=seed, **common)
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


def fidelity(name: str, trials: int, seed: int) -> float:
    """Regret after so many full trainings' worth of epochs, on a simulated clock."""
    problem, short = Cells(), Cells(SHORT)
    rng = np.random.default_rng([seed, 1])
    spent, best = 0.0, (-np.inf, CHANCE)
    for values, run_on in _fidelity_runs(name, trials, seed, problem):
        observed = short.observe(values, rng)
        spent += SHORT / FULL
        full = run_on(observed)
        if full is not None:
            spent += 1 - SHORT / FULL
            observed = problem.observe(values, rng)
            full(observed)
            best = max(best, (observed, problem.truth(values)))
        if spent >= trials:
            break
    return problem.optimum - best[1]


Full = Callable[[float], None]
Run = tuple[race.Values, Callable[[float], Full | None]]


def _fidelity_runs(name: str, trials: int, seed: int, problem: Cells) -> Iterator[Run]:
    """Settings, each with a callable that takes the short score and says whether to go on."""
    searcher = name.partition(" + ")[2]
    if name.startswith("Optuna"):
        yield from _optuna_runs(searcher, seed, problem)
        return
    objective, space = race.TELL, problem.space()
    common: dict[str, Any] = {"objective": objective, "hyperparameters": space, "seed": seed}
    with tempfile.TemporaryDirectory(dir=race.MEMORY) as folder:
        if name.startswith("ASHA"):
            # About a quarter goes on, so that each network costs about 0.3 full trainings.
            rungs = {"rungs": [SHORT], "max_epochs": FULL, "factor": 4}
            oracle = oracles.ASHAOracle(max_trials=4 * trials, searcher=searcher, **rungs, **common)
        else:
            oracle = oracles.make(name, max_trials=trials, **common)
        oracle.open(folder)
        while (trial := oracle.create_trial("me")).status == "RUNNING":
            number = trial.trial_id

            def end(score: float, number: str = number) -> None:
                trial = oracle.trials[number]
                oracle.update_trial(number, {objective.name: score})
                trial.status = "COMPLETED"
                oracle.end_trial(trial)

            def go_on(score: float, number: str = number, end: Full = end) -> Full | None:
                report = getattr(oracle, "report", None)
                if report is not None and report(number, SHORT, {objective.name: score}):
                    end(score)
                    return None
                return end

            yield trial.hyperparameters.values, go_on


def _optuna_runs(pruner: str, seed: int, problem: Cells) -> Iterator[Run]:
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
    while True:
        trial = study.ask()
        values = race.suggest(trial, problem.space())

        def go_on(score: float, trial: Any = trial) -> Full | None:
            trial.report(score, SHORT)
            if trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return None
            return lambda full: study.tell(trial, full) and None

        yield values, go_on


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
        with tempfile.TemporaryDirectory(dir=race.MEMORY) as folder:
            oracle = oracles.make(
                name,
                objective=wanted if name != "random" else wanted[0],
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
        ["ASHA + predictor", "ASHA + evolution", "ASHA + random", "auto", "random"],
        ["Optuna TPE + nothing", "Optuna TPE + halving", "Optuna TPE + median"],
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
    parser.add_argument("--strategies", nargs="+")
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
