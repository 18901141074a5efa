"""Layers and operations of Keras of which no cost is estimated: why, and what to do instead."""

_NO_OPERATOR = "TensorFlow Lite has no operator for it"
_OF_NO_DEVICE = "TensorFlow Lite Micro does not have its operator"
_LOOP = "it becomes a loop, whose flash and RAM no estimate knows"
_FILE = "read the costs of its file with kerasnas.hardware.profile_tflite"
_UNROLLED = f"{_LOOP}: use LSTM, GRU or SimpleRNN with unroll=True, or {_FILE}"
_OF_IMAGES = f"{_LOOP}: use convolutions under TimeDistributed and an LSTM behind them, or {_FILE}"
_POOLED = f"{_NO_OPERATOR}: pool images under TimeDistributed, or use GlobalAveragePooling3D"

# By class name.
REASONS = {
    "AveragePooling3D": _POOLED,
    "CategoryEncoding": f"{_NO_OPERATOR}: use an Embedding, or encode before the model",
    "ConvLSTM1D": _OF_IMAGES,
    "ConvLSTM2D": _OF_IMAGES,
    "ConvLSTM3D": _OF_IMAGES,
    "Cumprod": f"{_NO_OPERATOR}: sum logarithms with keras.ops.cumsum",
    "Discretization": f"{_OF_NO_DEVICE}: compare with each boundary, or do it before the model",
    "GRUCell": _UNROLLED,
    "LSTMCell": _UNROLLED,
    "MaxPooling3D": _POOLED,
    "SimpleRNNCell": _UNROLLED,
    "Sparsemax": f"{_OF_NO_DEVICE}: use softmax",
    "StackedRNNCells": _UNROLLED,
}
