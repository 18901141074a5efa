import kerasnas as kn
from kerasnas.hardware import Sketch, keras_graph
from kerasnas.hypermodels import FixedHyperParameters


def branches(first: str, second: str) -> Sketch:
    x = Sketch.input((4, 4, 2))
    a = x.conv2d(2, 3, name=first)
    b = x.conv2d(2, 1, name=second)
    out = a.add([b], name="add")
    out.graph.outputs = (out.index,)
    return out


def test_names_do_not_make_another_network():
    assert branches("a", "b").graph.fingerprint() == branches("c", "d").graph.fingerprint()


def test_the_order_of_a_sum_does_not_make_another_network():
    x = Sketch.input((4, 4, 2))
    b = x.conv2d(2, 1, name="b")
    out = b.add([x.conv2d(2, 3, name="a")], name="add")
    out.graph.outputs = (out.index,)
    assert out.graph.fingerprint() == branches("a", "b").graph.fingerprint()


def test_one_layer_read_twice_is_not_two_layers():
    x = Sketch.input((4, 4, 2))
    a = x.conv2d(2, 3, name="a")
    once = a.add([a], name="add")
    once.graph.outputs = (once.index,)
    y = Sketch.input((4, 4, 2))
    twice = y.conv2d(2, 3, name="a").add([y.conv2d(2, 3, name="b")], name="add")
    twice.graph.outputs = (twice.index,)
    assert once.graph.fingerprint() != twice.graph.fingerprint()


def test_what_no_output_needs_does_not_count():
    end = branches("a", "b")
    before = end.graph.fingerprint()
    end.conv2d(8, 3, name="unused")
    assert end.graph.fingerprint() == before
    assert len(end.graph.live()) == 4


def test_the_schedule_follows_one_branch_to_its_end(rng, random_values):
    x = Sketch.input((4, 4, 2))
    b = x.conv2d(2, 3, name="b1").conv2d(2, 3, name="b2")
    a = x.conv2d(2, 3, name="a1").conv2d(2, 3, name="a2")
    end = b.add([a], name="add")
    end.graph.outputs = (end.index,)
    names = [end.graph.nodes[i].name for i in end.graph.schedule()]
    assert names == ["input", "a1", "a2", "b1", "b2", "add"]
    space = kn.CellHyperModel((16, 16, 1), 10)
    for hp in random_values(space, 5, rng):
        graph = space.sketch(FixedHyperParameters(hp.values))
        order = graph.schedule()
        assert sorted(order) == graph.live()
        place = {index: i for i, index in enumerate(order)}
        assert all(place[i] < place[n] for n in order for i in graph.nodes[n].inputs)


def test_every_random_network_is_sketched_as_it_is_built(rng, random_values):
    for space in (
        kn.LayerwiseHyperModel((12, 12, 3), 5),
        kn.CellHyperModel((12, 12, 3), 5, cells=[1, 2]),
    ):
        for hp in random_values(space, 5, rng):
            built = keras_graph(space.build(hp))
            sketched = space.sketch(FixedHyperParameters(hp.values))
            assert sketched.fingerprint() == built.fingerprint()
            assert sum(n.params for n in sketched.nodes) == space.build(hp).count_params()
