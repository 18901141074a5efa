"""Fine-tuning with the augmentation, smoothing and class weights of a training."""

import keras
import numpy as np
import pytest
import tf_keras

import kerasnas as kn
from kerasnas.compression import Cluster, Distill, Prune, PruneStructured, Quantize
from kerasnas.compression.fine_tuning import FineTuningData, fine_tuning_data
from kerasnas.data.dataset import dataset
from kerasnas.training.class_weights import balanced, count_classes

A = kn.augment
TRAINING = kn.Training(
    augmentation=[A.Shift(1), A.Mixup(0.4)], label_smoothing=0.1, class_weight="balanced"
)


def compressed(model, data, steps, training, **kwargs):
    return kn.compress(
        model, steps, train_data=data, validation_data=data, training=training, **kwargs
    )


@pytest.mark.parametrize(
    "steps",
    [
        [Prune(0.5, epochs=2), Quantize("int8", epochs=1)],
        [Cluster(8, epochs=1)],
        [Distill(epochs=1), Prune(0.5, epochs=1)],
        [PruneStructured(0.5, epochs=2), Quantize("int8", epochs=1)],
    ],
    ids=lambda steps: " ".join(type(step).__name__ for step in steps),
)
def test_every_step_trains_with_it(small_model, small_data, steps):
    loss, metric = small_model.loss, small_model.evaluate(*small_data, verbose=0)[1]
    plain, found = (
        compressed(small_model, small_data, steps, training) for training in (None, TRAINING)
    )
    assert found.tflite != plain.tflite
    assert found.report[-1]["value"] > metric - 0.2
    for row in found.report[1:]:
        assert row["method"].endswith("; Shift(1), Mixup(0.4), label smoothing 0.1, class weights")
    assert small_model.loss is loss
    assert found.origin.recipe == (
        *plain.origin.recipe,
        "Training(augmentation=[Shift(pixels=1), Mixup(alpha=0.4)], label_smoothing=0.1, "
        f"class_weight={balanced(count_classes(small_data[1]))})",
    )
    again = compressed(small_model, small_data, steps, TRAINING)
    assert again.tflite == found.tflite, "the same seed gives the same file"


def test_each_epoch_is_augmented_anew(small_model, small_data, monkeypatch):
    seen = []
    fit = tf_keras.Model.fit

    def spy(self, x, *args, **kwargs):
        if isinstance(x, tf_keras.utils.Sequence):
            first = x[0]
            x.on_epoch_end()
            seen.append((first, x[0]))
        return fit(self, x, *args, **kwargs)

    monkeypatch.setattr(tf_keras.Model, "fit", spy)
    compressed(small_model, small_data, [Prune(0.5, epochs=1, batch_size=64)], TRAINING)
    ((one, other),) = seen
    assert [part.shape for part in one] == [(64, 6, 6, 2), (64, 2), (64,)]
    assert np.abs(one[0] - other[0]).max() > 0


def test_what_only_concerns_a_search_is_left_to_the_steps(small_model, small_data):
    training = kn.Training(optimizer="lion", learning_rate=10.0, batch_size=1, early_stopping=1)
    steps = [Prune(0.5, epochs=1)]
    plain, found = (compressed(small_model, small_data, steps, t) for t in (None, training))
    assert plain.tflite == found.tflite


@pytest.mark.parametrize(
    ("training", "complaint"),
    [
        (kn.Training(augmentation=[[A.Shift(1)], None]), "must be fixed.*augmentation"),
        (kn.Training(learning_rate=(1e-4, 1e-2)), "must be fixed.*learning_rate"),
        (kn.Training(augmentation=[A.TimeWarp(0.1), A.Rotate(3)]), None),
        ("mixup", "must be a kerasnas.Training"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(small_model, small_data, training, complaint):
    data = dataset("train_data", small_data, small_model)
    if complaint is None:
        fine_tuning_data(training, small_model, data)
        return
    with pytest.raises((ValueError, TypeError), match=complaint):
        compressed(small_model, small_data, [Prune(0.5)], training)


def test_it_must_fit_the_network():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    data = dataset("train_data", (np.zeros((4, 5)), np.zeros((4, 1))), model)
    with pytest.raises(ValueError, match=r"Shift\(1\).*\(5,\)"):
        fine_tuning_data(kn.Training(augmentation=[A.Shift(1)]), model, data)
    with pytest.raises(ValueError, match="label_smoothing"):
        fine_tuning_data(kn.Training(label_smoothing=0.1), model, data)
    numbers = fine_tuning_data(kn.Training(augmentation=[A.Mixup(0.2)]), model, data)
    assert numbers.text == "Mixup(0.2)"
    assert not FineTuningData().text
