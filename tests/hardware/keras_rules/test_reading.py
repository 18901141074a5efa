"""What has no cost says why, and what to do."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasnas as kn

IMAGE, SEQUENCE, VECTOR = (8, 8, 4), (6, 8), (12,)


MATRIX = np.arange(48, dtype="float32")


REFUSED = [
    ((4, 4, 4, 2), layers.MaxPooling3D(2), "'it'.*no operator.*TimeDistributed"),
    (VECTOR, layers.CategoryEncoding(4), "'it'.*no operator.*Embedding"),
    (VECTOR, layers.Discretization([0.5]), "'it'.*Micro.*before the model"),
    ((3, 6, 6, 2), layers.ConvLSTM2D(3, 3), "'it'.*loop.*LSTM.*profile_tflite"),
    (SEQUENCE, layers.RNN(layers.LSTMCell(4)), "'it'.*LSTMCell.*unroll=True"),
    (SEQUENCE, layers.RNN([layers.GRUCell(4)] * 2, unroll=True), "'it'.*StackedRNNCells.*own"),
    (
        VECTOR,
        layers.Activation("sparsemax"),
        "'it'.*sparsemax.*use softmax|sparsemax.*'it'.*softmax",
    ),
    (IMAGE, layers.LayerNormalization(rms_scaling=True), "'it'.*rms_scaling"),
]


@pytest.mark.parametrize(("shape", "layer", "message"), REFUSED)
def test_what_has_no_cost_says_why_and_what_to_do(shape, layer, message):
    layer.name = "it"
    with pytest.raises(ValueError, match=message):
        kn.profile(keras.Sequential([keras.Input(shape), layer]))


REFUSED_OPERATIONS = [
    (lambda x: ops.argmax(x), "'it'.*the batch among it"),
    (lambda x: ops.roll(x, 1), "'it'.*the batch among it"),
    (lambda x: ops.normalize(x, order=3), "'it'.*order=2"),
    (lambda x: ops.take(MATRIX, ops.argmax(x, axis=-1), axis=0), "'it'.*Embedding"),
    (lambda x: ops.cumprod(x, axis=1), "'it'.*cumsum"),
    (lambda x: ops.einsum("bij->bi", x), "'it'.*bij->bi"),
    (lambda x: ops.einsum("bij,bij,bij->b", x, x, x), "'it'.*3 operands"),
    (lambda x: ops.einsum("kj,bij->bik", MATRIX.reshape(6, 8), x), "'it'.*a constant second"),
    (lambda x: ops.einsum("bij,ij->bij", x, MATRIX.reshape(6, 8)), "'it'.*summed over"),
]


@pytest.mark.parametrize(("function", "message"), REFUSED_OPERATIONS)
def test_an_operation_without_a_cost_says_what_to_do(function, message):
    x = keras.Input(SEQUENCE)
    model = keras.Model(x, function(x))
    model.operations[-1].name = "it"
    with pytest.raises(ValueError, match=message):
        kn.profile(model)
