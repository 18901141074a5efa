import keras
import numpy as np
import pytest

from kerasnas.keras_models.shapes import fits


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((5, 8, 3), True), ((0, 9, 3), True), ((5, 8, 4), False), ((8, 3), False), ((), False)],
)
def test_samples_fit_an_input_in_all_sizes_that_it_fixes(shape, wanted):
    assert fits(np.zeros(shape), keras.Input((None, 3))) == wanted
