import keras_tuner
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kerasnas.oracles import genome
from kerasnas.oracles.genome.encoding import Encoding
from kerasnas.testing import search


def test_columns():
    hp = keras_tuner.HyperParameters()
    hp.Choice("op", ["conv", "pool", "identity"])
    with hp.conditional_scope("op", ["conv"]):
        hp.Int("width", 0, 100)
    encoded = Encoding(hp).encode([{"op": "pool"}, {"op": "conv", "width": 50}])
    assert encoded[0].tolist() == [0, 1, 0, 0, 0]
    assert encoded[1].tolist() == [1, 0, 0, 1, np.sqrt(2) / 2]


@given(st.integers(0, 10_000))
def test_different_settings_have_different_vectors_of_one_width(seed):
    rng = np.random.default_rng(seed)
    space = search.conditional_space()
    settings = [genome.sample(space, rng) for _ in range(20)]
    encoding = Encoding(space)
    vectors = encoding.encode(settings)
    assert vectors.shape == (20, encoding.width)
    for a, one in zip(settings, vectors, strict=True):
        for b, other in zip(settings, vectors, strict=True):
            assert (a == b) == (np.abs(one - other).max() < 1e-12)


def test_a_name_registered_twice_has_columns_for_both():
    hp = keras_tuner.HyperParameters()
    hp.Choice("op", ["conv", "pool"])
    for op, sizes in (("conv", [3, 5]), ("pool", [2, 4])):
        with hp.conditional_scope("op", [op]):
            hp.Choice("kernel", sizes)
    encoding = Encoding(hp)
    one, other = encoding.encode([{"op": "conv", "kernel": 5}, {"op": "pool", "kernel": 4}])
    assert not (one * other).any()


def test_nothing_to_encode():
    assert Encoding(keras_tuner.HyperParameters()).encode([{}, {}]).shape == (2, 0)
