"""A hypermodel of one's own, with an operation of one's own, searched by greedy descent.

python examples/own_space.py [--trials 8]
"""

import argparse

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kerasnas as kn


def factored_cost(x, *, name, kernel, filters, strides):
    """What `factored` builds, on a sketch: the budget is checked before anything is built."""
    x = x.conv2d(filters, (kernel, 1), strides=strides, name=f"{name}_column")
    x = x.conv2d(filters, (1, kernel), name=f"{name}_row")
    return x.activation("relu", name=f"{name}_relu")


@kn.hypermodels.operation("factored", kernel=(3, 5), decisions=("filters",), cost=factored_cost)
def factored(x, *, name, kernel, filters, strides):
    """A column and a row instead of a square: `factored3x3` and `factored5x5` in a search."""
    same = {"padding": "same"}
    x = keras.layers.Conv2D(filters, (kernel, 1), strides, **same, name=f"{name}_column")(x)
    x = keras.layers.Conv2D(filters, (1, kernel), **same, name=f"{name}_row")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


class DigitsNet(kn.HyperModel):
    """Two to four blocks; each chooses its operation and its width."""

    def body(self, hp, x):
        """Block after block; the first of them halves height and width."""
        for i in self.repeat(hp, "depth", 2, 4):
            x = self.choose(
                hp,
                f"block_{i}",
                ["conv3x3", "sepconv", "factored"],
                filters=[8, 16, 24],
                strides=2 if i == 0 else 1,
            )(x)
        return x


def main() -> None:
    """Search within a budget and print the table of trials and the cost of the best."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--directory", default="runs")
    options = parser.parse_args()
    x, y = load_digits(return_X_y=True)
    x = (x / 16).reshape(-1, 8, 8, 1)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)

    tuner = kn.Greedy(
        DigitsNet((8, 8, 1), 10, learning_rate=3e-3),
        objective="val_accuracy",
        max_trials=options.trials,
        budget=kn.Budget(flash="20KB", macs="300K"),
        directory=options.directory,
        project_name="own_space",
        overwrite=True,
        seed=0,
    )
    tuner.search(x, y, validation_data=(x_val, y_val), epochs=options.epochs)
    for row in tuner.results():
        print(row["trial_id"], row["status"], row["score"], row["flash_bytes"], row["values"])
    print(kn.profile(tuner.get_best_models(1)[0]).summary())


if __name__ == "__main__":
    main()
