"""Networks of users that TensorFlow's kernels cannot train are trained all the same, and told."""

import subprocess
import sys

CHILD = """
import sys
import keras, keras_tuner, numpy as np
import kerasnas as kn

def build(hp):
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((48, 48, 8)),
        layers.Conv2D(hp.Choice("width", [8, 4]), 1, 2),
        layers.Conv2D(8, 1, 2),
        layers.Conv2DTranspose(4, 1, 2),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2, "softmax"),
    ])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

x, y = np.ones((71, 48, 48, 8), "float32"), np.arange(71) % 2
tuner = kn.Tuner(
    build, "random", objective="val_accuracy", max_trials=2, directory=sys.argv[1]
)
tuner.search(x, y, validation_data=(x, y), epochs=2, batch_size=64)
model = tuner.get_best_models()[0]
model.fit(x, y, batch_size=71, verbose=0)
steps = [kn.Quantize("int8", epochs=2, batch_size=71)]
kn.compress(model, steps, train_data=(x, y), validation_data=(x, y))


class Copies(keras_tuner.HyperModel):
    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, *args, **kwargs):
        copy = keras.models.clone_model(model)
        copy.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return copy.fit(*args, **kwargs)


copies = kn.Tuner(
    Copies(), "random", objective="val_accuracy", max_trials=1, directory=sys.argv[1],
    project_name="copies",
)
copies.search(x, y, validation_data=(x, y), epochs=2, batch_size=71)
print("lives")
"""


def test_a_search_and_a_compression_survive_odd_batches(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "lives" in done.stdout
    assert "can end the process, or be wrong, where a batch is odd" in done.stderr
