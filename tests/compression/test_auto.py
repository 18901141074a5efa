import keras
import pytest

import kerasnas as kn
from kerasnas.compression import Auto, ToleranceError

L = keras.layers


def test_the_smallest_file_within_the_tolerance(small_model, small_data):
    small = kn.compress(
        small_model,
        Auto(epochs=1),
        train_data=small_data,
        validation_data=small_data,
        tolerance=0.05,
    )
    good = [record for record in small.tried if record["good"]]
    assert len(small.tried) >= 3
    assert len(small.tflite) == min(record["bytes"] for record in good)
    assert all(record["lost"] <= 0.05 for record in good)
    assert small.tried[0]["recipe"] == ["Quantize(method='ptq')"]
    assert list(small.origin.recipe) in [record["recipe"] for record in good]
    # The front is what no other beats in both.
    for record in small.tried:
        beaten = any(
            other["lost"] <= record["lost"]
            and other["bytes"] <= record["bytes"]
            and (other["lost"], other["bytes"]) != (record["lost"], record["bytes"])
            for other in small.tried
        )
        assert record["pareto"] != beaten


@pytest.mark.slow
def test_what_cannot_be_trained_quantized_is_narrowed_all_the_same(rng, monkeypatch):
    def check(step, graph):
        if step.trains:
            raise ValueError(f"cannot train '{graph.name}' quantization-aware")

    monkeypatch.setattr(kn.Quantize, "check", check)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 2))
    y = L.Conv2D(16, 3, activation="relu")(L.Conv2D(16, 3, activation="relu")(inputs))
    y = keras.ops.sum(y, axis=(1, 2))
    model = keras.Model(inputs, L.Dense(1)(y))
    model.compile("adam", "mse")
    x = rng.normal(size=(64, 6, 6, 2)).astype("float32")
    data = (x, x.mean((1, 2, 3)))
    small = kn.compress(model, Auto(epochs=1), train_data=data, validation_data=data, tolerance=100)
    assert small.origin.recipe[0].startswith("PruneStructured")
    assert small.origin.recipe[-1] == "Quantize(method='ptq')"
    (refused,) = [record for record in small.tried if record["value"] is None]
    assert "cannot train" in refused["error"]


@pytest.mark.slow
def test_nothing_within_says_the_closest(small_model, small_data):
    budget = kn.Budget(flash="1KB")
    with pytest.raises(ToleranceError, match=r"None of \d recipes .* The closest, \[") as raised:
        kn.compress(
            small_model,
            Auto(epochs=1),
            train_data=small_data,
            validation_data=small_data,
            tolerance=0.05,
            budget=budget,
        )
    assert raised.value.compressed.tried
    assert all("flash" in record["violations"] for record in raised.value.compressed.tried)


def test_a_recipe_is_held_to_the_budget(small_model, small_data):
    with pytest.raises(ToleranceError, match=r"breaks the budget.*flash"):
        kn.compress(
            small_model,
            [kn.Quantize("int8", method="ptq")],
            train_data=small_data,
            validation_data=small_data,
            budget=kn.Budget(flash="1KB"),
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"validation_data": None, "test_data": 1}, "needed to search for a recipe"),
        ({"budget": "64KB"}, "must be a kn.Budget"),
        ({"tolerance": -1}, "0 or more"),
    ],
)
def test_wrong_arguments(small_model, small_data, changed, message):
    given = {"train_data": small_data, "validation_data": small_data}
    with pytest.raises(ValueError, match=message):
        kn.compress(small_model, "auto", **{**given, **changed})


def test_wrong_size():
    with pytest.raises(ValueError, match="size='flash'"):
        Auto(size="flash")
