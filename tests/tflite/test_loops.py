"""How often the loops of a file run."""

import keras
import pytest
from keras import layers

from kerasnas.export import to_tflite
from kerasnas.tflite.loops import trips
from kerasnas.tflite.reader import read_tflite


@pytest.mark.parametrize("steps", [1, 7])
def test_a_loop_over_time_runs_once_a_step(steps):
    graphs = read_tflite(to_tflite(keras.Sequential([keras.Input((steps, 3)), layers.GRU(4)])))
    loops = [operator for operator in graphs[0].operators if operator.kind == "WHILE"]
    assert [trips(graphs, graphs[0], loop) for loop in loops] == [steps] * len(loops)
    assert loops
