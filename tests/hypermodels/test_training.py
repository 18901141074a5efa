"""How networks are trained: what is declared, what is refused, and what a training does."""

import json
import warnings
from typing import ClassVar

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas as kn
from kerasnas.hypermodels.trained import has_own_fit
from kerasnas.tuners.fresh_statistics import FreshStatistics
from kerasnas.tuners.gate import Gate

A = kn.augment


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.arange(50) % 3
    return (rng.normal(size=(50, 6, 6, 1)) + y.reshape(-1, 1, 1, 1)).astype("float32"), y


def space(training=None, **kwargs):
    return kn.LayerwiseHyperModel(
        (6, 6, 1), 3, stages=[(4,)], blocks=(1, 1), strides=(1,), training=training, **kwargs
    )


class Linear(kn.HyperModel):
    """Nothing but a head, which is traced in no time."""

    def stem(self, hp, x):
        return x

    body = stem


class LinearInFour(Linear):
    """The same, of four widths that make no difference, so that there are trials."""

    def __init__(self, training):
        super().__init__((6, 6, 1), 3, training=training)

    def body(self, hp, x):
        hp.Choice("place", [1, 2, 3, 4])
        return self.choose(hp, "block", ["conv1x1", "conv3x3"])(x)


def linear(training=None, **kwargs):
    return Linear((6, 6, 1), 3, training=training, **kwargs)


def built(hypermodel, **values):
    keras.utils.set_random_seed(0)
    hp = keras_tuner.HyperParameters()
    hp.values.update(values)
    return hp, hypermodel.build(hp)


class Rates(keras.callbacks.Callback):
    """Notes the learning rate of every step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate))


def trained(hypermodel, *data, values=None, **fit):
    hp, model = built(hypermodel, **(values or {}))
    rates = Rates()
    fit = {"verbose": 0, "callbacks": [rates], **fit}
    fit["callbacks"] = [*fit["callbacks"], rates] if rates not in fit["callbacks"] else [rates]
    history = hypermodel.fit(hp, model, *data, **fit).history
    return model, history, rates.seen


def test_a_list_is_a_choice_a_pair_a_range_and_the_rest_is_fixed(declared):
    training = kn.Training(
        optimizer=["adam", "sgd"],
        learning_rate=(1e-4, 1e-2),
        schedule="step",
        label_smoothing=[0.0, 0.1],
        batch_size=[16, 32],
        class_weight=[None, "balanced"],
        clip_norm=[None, 1.0],
        early_stopping=[2, 4],
        augmentation=[None, [A.Shift(1), A.Mixup(0.2)], A.Flip()],
    )
    found = {
        p.name.removeprefix("training/"): p
        for p in declared(space(training)).space
        if p.name.startswith("training/")
    }
    values = {name: getattr(p, "values", None) for name, p in found.items()}
    rate = found.pop("learning_rate")
    assert (rate.min_value, rate.max_value, rate.sampling) == (1e-4, 1e-2, "log")
    del values["learning_rate"]
    assert values == {
        "optimizer": ["adam", "sgd"],
        "label_smoothing": [0.0, 0.1],
        "batch_size": [16, 32],
        "class_weight": ["none", "balanced"],
        "clip_norm": ["none", "1.0"],
        "early_stopping": [2, 4],
        "augmentation": ["none", "Shift(1) + Mixup(0.2)", "Flip('horizontal')"],
    }
    assert set(training.searched) == {*values, "learning_rate"}
    json.dumps({name: p.default for name, p in found.items()})


def test_nothing_is_declared_unless_it_is_searched(declared):
    before = {p.name for p in declared(space()).space}
    fixed = kn.Training(optimizer="sgd", learning_rate=0.1, augmentation=[A.Shift(1)])
    assert {p.name for p in declared(space(fixed)).space} == before
    assert not any(name.startswith("training") for name in before)


def test_a_rate_for_each_optimizer_is_active_for_it_alone(declared):
    training = kn.Training(
        optimizer=["adam", "sgd", "lion"],
        learning_rate={"adam": (1e-4, 1e-2), "sgd": [0.1, 0.01], "lion": 1e-4},
    )
    conditions = {
        p.name: [(c.name, c.values) for c in p.conditions]
        for p in declared(space(training)).space
        if "rate" in p.name
    }
    assert conditions == {
        "training/adam/learning_rate": [("training/optimizer", ["adam"])],
        "training/sgd/learning_rate": [("training/optimizer", ["sgd"])],
    }
    for name, rate in (("adam", 1e-3), ("sgd", 0.01), ("lion", 1e-4)):
        values = {"training/optimizer": name, f"training/{name}/learning_rate": rate}
        _, model = built(space(training), **values)
        assert float(model.optimizer.learning_rate) == pytest.approx(rate)
        assert type(model.optimizer).__name__.lower() == name


def test_smoothing_is_searched_only_for_losses_that_take_it(declared):
    class Own(kn.HyperModel):
        def body(self, hp, x):
            return x

        def head(self, hp, x):
            return kn.hypermodels.layers.dense(x, 1, name="out")

    training = kn.Training(loss=["mse", "binary_crossentropy"], label_smoothing=[0.1, 0.2])
    hp = declared(Own((4,), 1, training=training))
    smoothing = next(p for p in hp.space if p.name == "training/label_smoothing")
    assert [(c.name, c.values) for c in smoothing.conditions] == [
        ("training/loss", ["binary_crossentropy"])
    ]
    assert training.fitted(hp).label_smoothing == 0.0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"optimizer": "adamax"}, "`optimizer` must be 'adam', .*Received: optimizer='adamax'"),
        ({"optimizer": ["adam", 3]}, "`optimizer`"),
        ({"optimizer": []}, "`optimizer` must hold at least one"),
        ({"learning_rate": 0}, "`learning_rate` must be a number above 0.*range.*=0"),
        ({"learning_rate": (0, 1.0)}, r"`learning_rate` as a range must be \(least, largest\)"),
        ({"learning_rate": (1e-2, 1e-4)}, "`learning_rate` as a range"),
        ({"learning_rate": "fast"}, "`learning_rate`"),
        ({"learning_rate": {"sgd": 0.1}}, "`learning_rate` as a dict.*'sgd'"),
        ({"learning_rate": {"adam": -1}}, "`learning_rate`"),
        ({"schedule": "linear"}, "`schedule` must be 'cosine'"),
        ({"warmup": 1.5}, "`warmup` must be a number from 0 to 1"),
        ({"weight_decay": -1}, "`weight_decay`"),
        ({"label_smoothing": 1.0}, "`label_smoothing`"),
        ({"loss": "mean_square"}, "`loss` must be the name of a loss"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"batch_size": 3.5}, "`batch_size`"),
        ({"clip_norm": 0}, "`clip_norm`"),
        ({"clip_value": -2}, "`clip_value`"),
        ({"clip_norm": 1.0, "clip_value": 0.5}, "`clip_norm` excludes `clip_value`"),
        ({"clip_norm": [None, 1.0], "clip_value": [None, 0.5]}, "`clip_norm` excludes"),
        ({"augmentation": "shift"}, "`augmentation` must be augmentations"),
        ({"augmentation": [A.Shift]}, "`augmentation` must be augmentations"),
        ({"augmentation": [[A.Shift(1)], ["flip"]]}, "`augmentation` must be augmentations"),
        ({"class_weight": "balance"}, "`class_weight` must be 'balanced'"),
        ({"class_weight": {"cat": 1.0}}, "`class_weight`"),
        ({"class_weight": {0: float("nan")}}, "`class_weight`"),
        ({"early_stopping": True}, "`early_stopping`"),
    ],
)
def test_bad_values_are_refused_when_it_is_made(arguments, complaint):
    with pytest.raises(ValueError, match=f"Argument {complaint}"):
        kn.Training(**arguments)


def test_what_does_not_fit_the_hypermodel_is_refused_when_that_is_made():
    with pytest.raises(ValueError, match=r"Shift\(1\).*\(6, 6\)"):
        kn.LayerwiseHyperModel((6, 6), 3, training=kn.Training(augmentation=[A.Shift(1)]))
    with pytest.raises(ValueError, match="holds a value twice"):
        space(kn.Training(batch_size=[32, 32])).declare(keras_tuner.HyperParameters())
    with pytest.raises(ValueError, match="`loss` does not fit the head"):
        space(kn.Training(loss=["sparse_categorical_crossentropy", "mse"]))
    with pytest.raises(ValueError, match="`loss` is given to"):
        space(kn.Training(loss="kl_divergence"), loss="categorical_crossentropy")
    with pytest.raises(ValueError, match="`learning_rate` stands for Adam"):
        space(kn.Training(), learning_rate=1e-3)
    with pytest.raises(TypeError, match=r"must be a kerasnas\.Training"):
        space({"optimizer": "adam"})


def test_the_default_warms_up_and_falls_to_zero_at_the_end_of_the_epochs(data):
    model, _, rates = trained(linear(), *data, batch_size=10, epochs=4, validation_split=0.2)
    assert len(rates) == 4 * 4
    top = kn.Training().compiled(keras_tuner.HyperParameters()).learning_rate
    assert max(rates) == pytest.approx(top, rel=1e-5)
    assert rates[0] < rates[2]
    assert 0 < rates[-1] < 0.05 * top
    assert float(model.optimizer.learning_rate) == pytest.approx(top)
    assert isinstance(model.optimizer, keras.optimizers.Adam)


def test_a_given_rate_is_that_of_adam_and_stays(data):
    model, _, rates = trained(linear(learning_rate=0.02), *data, epochs=2)
    assert rates == pytest.approx([0.02] * 4)
    assert type(model.optimizer) is keras.optimizers.Adam


def test_a_training_that_goes_on_has_a_schedule_of_its_own(data):
    """As a trial of Hyperband that is promoted: with the optimizer's state and a first epoch."""
    hypermodel = linear(kn.Training(learning_rate=0.1, optimizer="sgd", warmup=0.25))
    hp, model = built(hypermodel)
    first, second = Rates(), Rates()
    fit = {"batch_size": 25, "verbose": 0}
    hypermodel.fit(hp, model, *data, epochs=2, callbacks=[first], **fit)
    hypermodel.fit(hp, model, *data, epochs=4, initial_epoch=2, callbacks=[second], **fit)
    assert second.seen == pytest.approx(first.seen)
    assert len(first.seen) == 4
    assert first.seen[0] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "callback",
    [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.05 / (epoch + 1)),
        keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=1e9),
    ],
)
def test_a_callback_that_sets_the_rate_sets_it(data, callback):
    training = kn.Training(optimizer="sgd", learning_rate=0.05)
    _, _, rates = trained(linear(training), *data, epochs=3, callbacks=[callback])
    assert len(set(rates[:2])) == 1
    assert rates[-1] < rates[0]
    assert rates[-1] > 0.01


def test_the_batch_size_is_the_training_s(data):
    for size, steps in ((None, 2), (10, 5), (16, 4)):
        _, _, rates = trained(linear(kn.Training(batch_size=size)), *data)
        assert len(rates) == steps


def test_early_stopping_looks_at_the_validation(data):
    training = kn.Training(early_stopping=1, optimizer="sgd", learning_rate=1e-12)
    for fit in ({}, {"validation_split": 0.2}):
        _, history, _ = trained(linear(training), *data, epochs=9, **fit)
        assert len(history["loss"]) < 9


def kinds(x, y):
    """The same data in every form that `fit` takes, with what else `fit` is given."""
    tf = pytest.importorskip("tensorflow")

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            part = slice(index * 16, (index + 1) * 16)
            return x[part], y[part]

    def generator():
        while True:
            yield x[:16], y[:16]

    return {
        "arrays": ((x, y), {"batch_size": 16}),
        "tensors": ((keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)), {}),
        "column": ((x, y[:, None]), {}),
        "weighted": ((x, y), {"sample_weight": np.ones(len(x), "float32")}),
        "split": ((x, y), {"validation_split": 0.3, "batch_size": 7}),
        "steps": ((x, y), {"steps_per_epoch": 2, "batch_size": 16}),
        "tf.data": ((tf.data.Dataset.from_tensor_slices((x, y)).batch(16),), {}),
        "unknown": (
            (tf.data.Dataset.from_tensor_slices((x, y)).batch(16).filter(lambda x, y: True),),
            {},
        ),
        "PyDataset": ((Batches(),), {}),
        "generator": ((generator(),), {"steps_per_epoch": 3}),
    }


@pytest.mark.parametrize(
    "kind", kinds(np.zeros((50, 6, 6, 1), "float32"), np.arange(50) % 3), ids=str
)
@pytest.mark.parametrize(
    "training",
    [
        kn.Training(),
        kn.Training(label_smoothing=0.1, class_weight={0: 2.0}),
        kn.Training(augmentation=[A.Shift(1), A.Mixup(0.4)], class_weight={0: 2.0}),
    ],
    ids=["default", "smoothed", "blended"],
)
def test_every_kind_of_data_is_trained_to_the_end_of_the_schedule(data, kind, training):
    args, fit = kinds(*data)[kind]
    validation = {} if "validation_split" in fit else {"validation_data": data}
    if kind == "column":
        validation = {"validation_data": (data[0], data[1][:, None])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own, of data sets that it does not know.
        model, history, rates = trained(linear(training), *args, epochs=2, **validation, **fit)
    assert np.isfinite(history["loss"]).all()
    assert rates[-1] < 0.51 * max(rates)
    if validation:
        hard = model.evaluate(*validation["validation_data"], verbose=0)[1]
        assert history["val_accuracy"][-1] == pytest.approx(hard, abs=1e-6)


def test_the_same_seed_gives_the_same_training(data):
    training = kn.Training(augmentation=[A.Noise(0.5), A.Mixup(0.4)])
    runs = [trained(linear(training), *data, epochs=2)[1]["loss"] for _ in range(2)]
    np.testing.assert_allclose(*runs, rtol=1e-5)


def test_class_weights_count_in_the_training_alone(data):
    """`fit` takes the last samples for validation, which no weight must reach."""
    x, y = data
    weights = {0: 10.0, 1: 0.0}
    for training in (
        kn.Training(class_weight=weights, optimizer="sgd", learning_rate=1e-12),
        kn.Training(class_weight=weights, optimizer="sgd", learning_rate=1e-12, augmentation=[]),
        kn.Training(
            class_weight=weights, optimizer="sgd", learning_rate=1e-12, augmentation=[A.Noise(0)]
        ),
    ):
        model, history, _ = trained(linear(training), x, y, validation_split=0.2)
        plain = model.evaluate(x[40:], y[40:], verbose=0)[0]
        assert history["val_loss"][0] == pytest.approx(plain, rel=1e-4)
        weighted = model.evaluate(
            x[:40],
            y[:40],
            sample_weight=np.array([weights.get(int(one), 1.0) for one in y[:40]]),
            verbose=0,
        )[0]
        assert history["loss"][0] == pytest.approx(weighted, rel=1e-3)


@pytest.mark.parametrize(
    ("training", "fit", "complaint"),
    [
        (kn.Training(batch_size=8), {"batch_size": 16}, "`batch_size` is given to `Training` and"),
        (kn.Training(class_weight="balanced"), {"class_weight": {0: 1}}, "`class_weight` is given"),
        (kn.Training(augmentation=[A.Shift(1)]), {"y": np.zeros((50, 6, 6))}, "targets are maps"),
        (kn.Training(batch_size=8), {"x": "PyDataset"}, "`batch_size` of `Training` needs arrays"),
        (kn.Training(class_weight="balanced"), {"x": "generator"}, "'balanced' where"),
        (kn.Training(augmentation=[A.TimeWarp(0.1)]), {"x": np.zeros((9, 5))}, r"\(5,\)"),
    ],
)
def test_data_that_it_does_not_fit_is_refused(data, training, fit, complaint):
    fit = {"x": data[0], "y": data[1], **fit}
    if isinstance(fit["x"], str):
        fit["x"], fit["y"] = kinds(*data)[fit["x"]][0][0], None
    with pytest.raises(ValueError, match=complaint):
        kn.hypermodels.fitting.check_fit(training, fit)


def test_classes_of_numbers_have_no_weights(data):
    class Numbers(Linear):
        def head(self, hp, x):
            layers = kn.hypermodels.layers
            return layers.dense(layers.flatten(x, name="flat"), 1, name="out")

    hypermodel = Numbers((6, 6, 1), 1, loss="mse", training=kn.Training(class_weight={0: 2.0}))
    with pytest.raises(ValueError, match="`class_weight` needs targets that are classes"):
        trained(hypermodel, *data)


def test_the_network_is_the_same_but_the_trial_another():
    """What only concerns the training costs nothing on the device, and no new profile."""
    hypermodel = space(
        kn.Training(optimizer=["adam", "sgd"], batch_size=[8, 16], augmentation=[None, [A.Flip()]])
    )
    hp = keras_tuner.HyperParameters()
    hypermodel.declare(hp)
    gate = Gate(hypermodel, lambda: hp)
    plain = dict(hp.values)
    assert gate.sketches
    for name, other in (
        ("training/optimizer", "sgd"),
        ("training/batch_size", 16),
        ("training/augmentation", "Flip('horizontal')"),
    ):
        changed = {**plain, name: other}
        assert gate.key(changed) != gate.key(plain)
        assert gate.profile(changed) == gate.profile(plain)
        prints = [
            hypermodel.sketch(kn.hypermodels.FixedHyperParameters(values)).fingerprint()
            for values in (plain, changed)
        ]
        assert prints[0] == prints[1]


def test_a_search_trains_by_it_and_finds_the_same_networks_again(data, tmp_path):
    hypermodel = space(
        kn.Training(
            optimizer=["adam", "momentum"],
            augmentation=[None, [A.Shift(1), A.Mixup(0.4)]],
            label_smoothing=[0.0, 0.1],
            batch_size=[8, 16],
        )
    )
    tuner = kn.Tuner(
        hypermodel, "random", objective="val_accuracy", max_trials=4, directory=tmp_path, seed=0
    )
    tuner.search(*data, epochs=2, validation_split=0.2, verbose=0)
    rows = tuner.results()
    assert [row["status"] for row in rows] == ["COMPLETED"] * 4
    assert {row["values"]["training/augmentation"] for row in rows} == {
        "none",
        "Shift(1) + Mixup(0.4)",
    }
    model = tuner.get_best_models()[0]
    assert model.evaluate(data[0][40:], data[1][40:], verbose=0)[1] == pytest.approx(
        rows[0]["score"] if len(rows) == 1 else max(row["score"] for row in rows), abs=0.2
    )
    assert float(model.optimizer.learning_rate) > 1e-4


def test_a_search_refuses_what_does_not_fit_before_its_first_trial(data, tmp_path):
    tuner = kn.Tuner(
        space(kn.Training(batch_size=[8, 16])),
        "random",
        objective="val_accuracy",
        max_trials=2,
        directory=tmp_path,
    )
    with pytest.raises(ValueError, match="`batch_size` is given to `Training`"):
        tuner.search(*data, batch_size=8, validation_split=0.2, verbose=0)
    assert not tuner.results()


class Watching(keras.callbacks.Callback):
    """Notes the rates of all trials, of which each trains with a copy of the callback."""

    seen: ClassVar[list[float]] = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate))


@pytest.mark.parametrize("make", [kn.RandomSearch, keras_tuner.RandomSearch])
def test_each_trial_has_the_whole_schedule(data, tmp_path, make):
    Watching.seen.clear()
    training = kn.Training(optimizer="sgd", learning_rate=0.1, warmup=0.0)
    tuner = make(
        LinearInFour(training=training), objective="val_loss", max_trials=2, directory=tmp_path
    )
    fit = {"epochs": 2, "batch_size": 25, "validation_data": data, "callbacks": [Watching()]}
    tuner.search(*data, verbose=0, **fit)
    one_trial = [0.1, 0.0853553, 0.05, 0.0146447]
    assert Watching.seen == pytest.approx(one_trial * 2, rel=1e-4)


def test_moving_statistics_are_taken_anew_from_augmented_batches(data):
    hypermodel = space(kn.Training(augmentation=[A.Shift(1), A.Mixup(0.4)]))
    hp, model = built(hypermodel, **{"stage_0/block_0/normalization": "batch"})
    lines = []
    fresh = FreshStatistics(lines.append)
    fresh.watch(model)
    hypermodel.fit(hp, model, *data, validation_data=data, callbacks=[fresh], verbose=0)
    assert len(lines) == 1
    assert "taken anew from up to" in lines[0]


def test_trials_of_hyperband_go_on(data, tmp_path):
    tuner = kn.Hyperband(
        linear(kn.Training(augmentation=[A.Mixup(0.2)], optimizer=["adam", "lion"])),
        objective="val_accuracy",
        max_epochs=4,
        min_epochs=1,
        max_trials=6,
        directory=tmp_path,
        seed=0,
    )
    tuner.search(*data, validation_split=0.2, verbose=0)
    rows = tuner.results()
    assert {row["status"] for row in rows} == {"COMPLETED"}
    assert any("tuner/trial_id" in row["values"] for row in rows)


class OwnCompile(kn.LayerwiseHyperModel):
    def compile(self, hp, model):
        model.compile(keras.optimizers.SGD(0.5), self.loss, metrics=["accuracy"])


class OwnBuild(kn.HyperModel):
    def build(self, hp):
        model = keras.Sequential(
            [
                keras.Input((6, 6, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(hp.Choice("units", [2, 4])),
                keras.layers.Dense(3, activation="softmax"),
            ]
        )
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model


class OwnFit(kn.LayerwiseHyperModel):
    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, **kwargs)


def test_a_compile_of_its_own_wins_and_the_rest_applies(data, declared):
    small = {"stages": [(4,)], "blocks": (1, 1), "strides": (1,)}
    training = kn.Training(optimizer=["adam", "lion"], batch_size=[10, 25], label_smoothing=0.1)
    with pytest.warns(UserWarning, match="OwnCompile compiles by itself"):
        hypermodel = OwnCompile((6, 6, 1), 3, training=training, **small)
    names = [p.name for p in declared(hypermodel).space]
    assert "training/batch_size" in names
    assert "training/optimizer" not in names
    _, _, rates = trained(hypermodel, *data, values={"training/batch_size": 10})
    assert rates == pytest.approx([0.5] * 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OwnCompile((6, 6, 1), 3, **small)


def test_a_build_of_its_own_wins_and_the_rest_is_searched(data, tmp_path):
    with pytest.warns(UserWarning, match="OwnBuild compiles by itself"):
        hypermodel = OwnBuild(training=kn.Training(batch_size=[10, 25], augmentation=[A.Shift(1)]))
    tuner = kn.Tuner(
        hypermodel, "grid", objective="val_accuracy", directory=tmp_path, max_trials=9, seed=0
    )
    tuner.search(*data, epochs=1, validation_split=0.2, verbose=0)
    found = {tuple(row["values"].values()) for row in tuner.results()}
    assert found == {(2, 10), (2, 25), (4, 10), (4, 25)}


def test_a_fit_of_its_own_is_said_to_win():
    with pytest.warns(UserWarning, match="OwnFit overrides `fit`"):
        hypermodel = OwnFit((6, 6, 1), 3, training=kn.Training(batch_size=8))
    assert has_own_fit(hypermodel)
    assert not has_own_fit(space())
    assert not has_own_fit(keras_tuner.HyperModel())


def test_one_that_is_not_tunable_takes_the_defaults(data):
    hypermodel = linear(kn.Training(batch_size=[10, 25], optimizer=["sgd", "adam"]), tunable=False)
    hp, model = built(hypermodel)
    rates = Rates()
    hypermodel.fit(hp, model, *data, verbose=0, callbacks=[rates])
    assert not hp.space
    assert len(rates.seen) == 5
    assert isinstance(model.optimizer, keras.optimizers.SGD)


def test_an_optimizer_of_the_tuner_s_own_has_no_schedule(data, tmp_path):
    rates = Rates()
    tuner = kn.Tuner(
        linear(),
        "random",
        objective="val_accuracy",
        max_trials=1,
        optimizer=keras.optimizers.SGD(0.25),
        directory=tmp_path,
    )
    model = tuner.hypermodel.build(hp := keras_tuner.HyperParameters())
    model = tuner._build_hypermodel(hp)
    tuner.hypermodel.fit(hp, model, *data, verbose=0, callbacks=[rates])
    assert rates.seen == pytest.approx([0.25] * 2)


def test_a_model_in_half_precision_has_its_schedule(data):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model, _, rates = trained(linear(), *data, epochs=2, batch_size=10)
    finally:
        keras.config.set_dtype_policy("float32")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert rates[-1] < 0.2 * max(rates)


def test_several_inputs_are_augmented_where_they_fit():
    class Two(kn.HyperModel):
        def build(self, hp):
            images, table = keras.Input((6, 6, 1), name="images"), keras.Input((4,), name="table")
            joined = keras.layers.Concatenate()([keras.layers.Flatten()(images), table])
            model = keras.Model(
                {"images": images, "table": table},
                keras.layers.Dense(3, activation="softmax")(joined),
            )
            model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
            return model

    rng = np.random.default_rng(0)
    x = {"images": rng.normal(size=(20, 6, 6, 1)), "table": rng.normal(size=(20, 4))}
    y = np.arange(20) % 3
    with pytest.warns(UserWarning, match="compiles by itself"):
        hypermodel = Two(training=kn.Training(augmentation=[A.Shift(1), A.Mixup(0.2)]))
    _, history, _ = trained(hypermodel, x, y, validation_data=(x, y), epochs=2)
    assert np.isfinite(history["val_loss"]).all()
    with pytest.raises(ValueError, match="TimeMask"):
        trained(Two(training=kn.Training(augmentation=[A.TimeMask(1)])), {"table": x["table"]}, y)
