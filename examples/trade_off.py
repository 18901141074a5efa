"""The trade-off between accuracy and flash on the digits, instead of one winner.

python examples/trade_off.py [--trials 20]
"""

import argparse

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kerasnas as kn


def main() -> None:
    """Search, and print the front from the most accurate network to the smallest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--directory", default="runs")
    options = parser.parse_args()
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32").reshape(-1, 8, 8, 1)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)

    tuner = kn.NSGA2(
        kn.LayerwiseHyperModel((8, 8, 1), 10, stages=[(8, 16), (16, 32)], blocks=(1, 2)),
        objective=["val_accuracy", "flash"],
        max_trials=options.trials,
        budget=kn.Budget(flash="64KB"),
        directory=options.directory,
        project_name="trade_off",
        overwrite=True,
        seed=0,
    )
    tuner.search(x, y, validation_data=(x_val, y_val), epochs=options.epochs)

    print("trial  validation accuracy  flash")
    for trial in tuner.get_pareto_trials():
        flash = trial.metrics.get_best_value("flash")
        print(f"{trial.trial_id:>5}  {trial.score:>18.2%}  {flash / 1024:>4.1f} KB")
    print(f"share of the box that the front dominates: {tuner.results()[-1]['hypervolume']:.1%}")


if __name__ == "__main__":
    main()
