"""All settings of a finite space, and how many there are."""

import itertools

import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnas.oracles import genome
from kerasnas.testing.search import small_space


@given(st.data())
@settings(max_examples=60)
def test_listing_a_space_gives_every_setting_once(spaces, is_setting, data):
    space = data.draw(spaces(finite=True))
    listed = [tuple(sorted(values.items())) for values in genome.enumerate_settings(space)]
    assert len(set(listed)) == len(listed) == genome.size(space, limit=10**6)
    domains = {}
    for parameter in space.space:
        domains[parameter.name] = [None, *parameter.values]
    if np.prod([len(domain) for domain in domains.values()]) < 1000:
        every = (
            {name: value for name, value in zip(domains, choice, strict=True) if value is not None}
            for choice in itertools.product(*domains.values())
        )
        assert len(listed) == sum(is_setting(space, values) for values in every)


def test_size_gives_up_beyond_its_limit_and_on_continuous_ranges():
    space = keras_tuner.HyperParameters()
    space.Int("huge", 0, 10**9)
    assert genome.size(space) is None
    assert next(genome.enumerate_settings(space)) == {"huge": 0}
    space.Float("rate", 0, 1)
    assert genome.size(space, limit=10**12) is None
    with pytest.raises(ValueError, match="'rate' is continuous"):
        genome.enumerate_settings(space)


def test_a_thousand_decisions_can_be_listed():
    space = keras_tuner.HyperParameters()
    for place in range(1200):
        space.Boolean(f"h{place}")
    assert len(next(genome.enumerate_settings(space))) == 1200
    assert genome.size(space) is None


def test_small_space_has_ten_settings():
    assert genome.size(small_space()) == 10
