"""The oracle works in KerasTuner's own tuner."""

import pathlib

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas.testing import search
from kerasnas.testing.conformance.making import Making, settings_of
from kerasnas.testing.search import Row


class PlainTuner(Making):
    """The oracle works in KerasTuner's own tuner."""

    needs_kerasnas: str | None = None

    def test_in_a_plain_keras_tuner(self, tmp_path: pathlib.Path) -> None:
        """A user's build function with real models, a space found by building, and a resume."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(32, 4)).astype("float32")
        y = (x[:, 0] > 0).astype("float32")

        def tuner(trials: int) -> keras_tuner.Tuner:
            oracle = self.make_oracle(objective="val_loss", max_trials=trials, seed=0)
            return keras_tuner.Tuner(
                oracle=oracle, hypermodel=_build, directory=tmp_path, project_name="plain"
            )

        if self.needs_kerasnas:
            with pytest.raises(RuntimeError, match=self.needs_kerasnas):
                tuner(2).search(x, y, epochs=1, validation_data=(x, y), verbose=0)
            return

        def run(trials: int) -> list[Row]:
            search_of = tuner(trials)
            search_of.search(x, y, epochs=1, validation_data=(x, y), verbose=0)
            return search.rows(search_of.oracle)

        first = run(2)
        both = run(4)
        assert both[:2] == first
        assert [row.status for row in both] == ["COMPLETED"] * 4
        assert len(set(settings_of(both))) == 4
        done = tuner(4)
        best = done.get_best_hyperparameters()[0]
        assert best.get("units_0") in (2, 4, 6, 8)
        assert done.hypermodel.build(best).count_params() > 0
        # KerasTuner itself can read what was written.
        for name in ("0", "1", "2", "3"):
            path = tmp_path / "plain" / f"trial_{name}" / "trial.json"
            loaded = keras_tuner.engine.trial.Trial.load(str(path))
            assert loaded.score == done.oracle.trials[name].score


def _build(hp: keras_tuner.HyperParameters) -> keras.Model:
    """KerasTuner's usual example, its loop included."""
    model = keras.Sequential([keras.Input((4,))])
    for layer in range(hp.Int("num_layers", 1, 2)):
        model.add(keras.layers.Dense(hp.Int(f"units_{layer}", 2, 8, step=2), activation="relu"))
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(0.25))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model
