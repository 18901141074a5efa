"""Any Keras 3 model, compressed without a search: prune, quantize, and see what each step did.

python examples/compress_model.py [--epochs 15]
"""

import argparse

import keras
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kerasnas as kn


def main() -> None:
    """Train a small network, compress it, and write `model.tflite`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--output", default="model.tflite")
    options = parser.parse_args()
    x, y = load_digits(return_X_y=True)
    x = (x / 16).reshape(-1, 8, 8, 1).astype("float32")
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.SeparableConv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=options.epochs, verbose=0)

    small = kn.compress(
        model,
        [kn.Prune(0.5), kn.Quantize("int8")],
        train_data=(x, y),
        validation_data=(x_val, y_val),
        test_data=(x_test, y_test),
    )
    print(small.summary())
    small.save(options.output)
    print(f"{options.output}: {small.evaluate(x_test, y_test)} on the test set")


if __name__ == "__main__":
    main()
