"""A KerasTuner script as its users write it; only the import is ours.

python examples/keras_tuner_script.py [--epochs 9]
"""

import argparse

import keras
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import kerasnas as kt


def build_model(hp):
    """Layers of searched widths, as in KerasTuner's guide."""
    model = keras.Sequential([keras.Input((30,))])
    for i in range(hp.Int("num_layers", 1, 3)):
        model.add(keras.layers.Dense(hp.Int(f"units_{i}", 8, 32, step=8), activation="relu"))
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(0.25))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    model.compile(
        optimizer=keras.optimizers.Adam(hp.Float("lr", 1e-4, 1e-2, sampling="log")),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    return model


def main() -> None:
    """Search, and print the best setting and its accuracy on the test set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=9, help="most epochs a trial")
    parser.add_argument("--directory", default="runs")
    options = parser.parse_args()
    x, y = load_breast_cancer(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    scaler = StandardScaler().fit(x)
    x, x_test = scaler.transform(x), scaler.transform(x_test)

    tuner = kt.Hyperband(
        build_model,
        objective="val_accuracy",
        max_epochs=options.epochs,
        directory=options.directory,
        project_name="breast_cancer",
        overwrite=True,
        seed=0,
    )
    tuner.search(x, y, validation_split=0.25)
    best = tuner.get_best_hyperparameters()[0]
    print("best:", best.values)
    model = tuner.hypermodel.build(best)
    model.fit(x, y, epochs=options.epochs, verbose=0)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"accuracy on the test set: {accuracy:.2%}")


if __name__ == "__main__":
    main()
