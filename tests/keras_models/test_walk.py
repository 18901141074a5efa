import keras
import pytest

from kerasnas.keras_models.walk import walk

L = keras.layers


def names(calls):
    return [call.operation.name for call in calls]


def assert_flat_graph(model, calls):
    """Every tensor is made once, before it is read, and the model's ends are among them."""
    made = set()
    for call in calls:
        assert all(id(tensor) in made for tensor in call.inputs)
        assert not any(id(tensor) in made for tensor in call.outputs)
        made.update(id(tensor) for tensor in call.outputs)
    assert {id(tensor) for tensor in model.inputs + model.outputs} <= made


def test_sequential_in_order():
    model = keras.Sequential(
        [keras.Input((8, 8, 3), name="in"), L.Conv2D(4, 3, name="a"), L.ReLU(name="b")]
    )
    calls = walk(model)
    assert names(calls) == ["in", "a", "b"]
    assert calls[0].inputs == ()
    assert calls[2].inputs == calls[1].outputs
    assert calls[1].outputs[0].shape == (None, 6, 6, 4)
    assert_flat_graph(model, calls)


def test_constants_and_keyword_arguments_are_kept():
    x = keras.Input((4,))
    model = keras.Model(x, keras.ops.multiply(L.Dense(4)(x, training=False), 2.0))
    calls = walk(model)
    assert calls[1].kwargs == {"training": False}
    assert calls[2].args[1] == 2.0
    assert_flat_graph(model, calls)


def test_shared_layer_is_one_operation_with_two_calls():
    x, y = keras.Input((4,)), keras.Input((4,))
    dense = L.Dense(3)
    model = keras.Model([x, y], L.Add()([dense(x), dense(y)]))
    calls = walk(model)
    shared = [call for call in calls if call.operation is dense]
    assert len(shared) == 2
    assert shared[0].inputs != shared[1].inputs
    assert_flat_graph(model, calls)


def test_shared_nested_model_is_inlined_twice_with_the_same_layers():
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4, name="d1"), L.Dense(4, name="d2")])
    x = keras.Input((4,))
    model = keras.Model(x, inner(inner(x)))
    calls = walk(model)
    assert names(calls[1:]) == ["d1", "d2", "d1", "d2"]
    assert calls[1].operation is calls[3].operation
    assert calls[-1].outputs[0] is model.outputs[0]
    assert_flat_graph(model, calls)


def test_nested_models_three_deep():
    a = keras.Sequential([keras.Input((4,)), L.Dense(4, name="deep")], name="a")
    b = keras.Sequential([keras.Input((4,)), a, L.ReLU(name="mid")], name="b")
    model = keras.Sequential([keras.Input((4,)), b, L.Dense(2, name="top")])
    calls = walk(model)
    assert names(calls[1:]) == ["deep", "mid", "top"]
    assert_flat_graph(model, calls)


def test_nested_model_stays_one_call_without_inline():
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4)], name="inner")
    x = keras.Input((4,))
    assert names(walk(keras.Model(x, inner(x)), inline=False))[1:] == ["inner"]


def test_nested_model_on_another_size_has_that_size():
    inner = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(4, 3), L.Conv2D(5, 3)])
    free = keras.Input((None, None, 3))
    inner = keras.Model(free, inner.layers[1](inner.layers[0](free)))
    x = keras.Input((16, 12, 3))
    calls = walk(keras.Model(x, inner(x)))
    assert [call.outputs[0].shape for call in calls[1:]] == [(None, 14, 10, 4), (None, 12, 8, 5)]


def test_nested_model_that_returns_an_input_and_one_tensor_twice():
    x = keras.Input((4,))
    h = L.Dense(4)(x)
    inner = keras.Model(x, [x, h, h])
    y = keras.Input((4,))
    model = keras.Model(y, inner(y))
    assert_flat_graph(model, walk(model))


def test_nested_multi_input_by_name():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    inner = keras.Model({"b": b, "a": a}, L.Subtract(name="minus")([a, b]))
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    calls = walk(keras.Model([x, y], inner({"a": x, "b": y})))
    assert [id(tensor) for tensor in calls[-1].inputs] == [id(x), id(y)]


class Own(keras.Model):
    def call(self, x):
        return x


class OwnFunctional(keras.Model):
    def __init__(self):
        x = keras.Input((4,))
        super().__init__(x, L.Dense(2)(x))

    def call(self, x):
        return 2 * super().call(x)


@pytest.mark.parametrize("model", [Own(), OwnFunctional()], ids=["subclass", "own call"])
def test_model_without_a_graph(model):
    with pytest.raises(ValueError, match=r"subclassed model has no graph.*Received: Own"):
        walk(model)


def test_unbuilt_model():
    with pytest.raises(ValueError, match="must be built"):
        walk(keras.Sequential([L.Dense(3)]))


def test_not_a_model():
    with pytest.raises(ValueError, match="Received: <class 'str'>"):
        walk("model")
