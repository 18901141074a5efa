"""Evolution of a scikit-learn random forest on iris, in KerasTuner's SklearnTuner."""

import argparse

import keras_tuner
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

import kerasnas as kn


def build(hp: keras_tuner.HyperParameters) -> RandomForestClassifier:
    """A forest with its hyperparameters."""
    return RandomForestClassifier(
        n_estimators=hp.Int("n_estimators", 5, 50, step=5),
        max_depth=hp.Int("max_depth", 1, 8),
        min_samples_leaf=hp.Int("min_samples_leaf", 1, 8),
        random_state=0,
    )


def main() -> None:
    """Search, and print the best setting and its accuracy in cross-validation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--directory", default="runs")
    options = parser.parse_args()

    oracle = kn.oracles.EvolutionOracle(
        keras_tuner.Objective("score", "max"), max_trials=options.trials, seed=0
    )
    tuner = keras_tuner.SklearnTuner(
        oracle, build, directory=options.directory, project_name="iris"
    )
    tuner.search(*load_iris(return_X_y=True))
    best = tuner.oracle.get_best_trials()[0]

    print(f"best: {best.hyperparameters.values}")
    print(f"accuracy in 5-fold cross-validation: {best.score:.2%}")


if __name__ == "__main__":
    main()
