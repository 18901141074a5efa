"""The operators that TensorFlow Lite Micro has kernels of."""

# Methods of its MicroMutableOpResolver, without their "Add", for operators that a converted Keras
# model may hold.
_METHODS = """
Abs Add AddN ArgMax ArgMin AssignVariable AveragePool2D BatchMatMul BatchToSpaceNd BroadcastArgs
BroadcastTo CallOnce Cast Ceil CircularBuffer Concatenation Conv2D Cos CumSum DepthToSpace
DepthwiseConv2D Dequantize Div DynamicUpdateSlice EmbeddingLookup Elu Equal Exp ExpandDims Fill
Floor FloorDiv FloorMod FullyConnected Gather GatherNd Greater GreaterEqual HardSwish If
L2Normalization L2Pool2D LeakyRelu Less LessEqual Log LogicalAnd LogicalNot LogicalOr Logistic
LogSoftmax Maximum MaxPool2D MirrorPad Mean Minimum Mul Neg NotEqual Pack Pad PadV2 Prelu Quantize
ReadVariable ReduceAll ReduceMax ReduceMin Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor
ReverseV2 Round Rsqrt SelectV2 Shape Sin Slice Softmax SpaceToBatchNd SpaceToDepth Split SplitV
Squeeze Sqrt Square SquaredDifference StridedSlice Sub Sum Svdf Tanh TransposeConv Transpose Unpack
UnidirectionalSequenceLSTM VarHandle While ZerosLike
"""
_METHOD_OF = {method.lower(): f"Add{method}" for method in _METHODS.split()}
_METHOD_OF["tflmdecode"] = "AddDecode"


def resolver_method(kind: str) -> str | None:
    """Returns the method that registers an operator.

    Args:
        kind: TFLite's name of it, such as "CONV_2D".

    Returns:
        Name of a method of `tflite::MicroMutableOpResolver`; None where there is no kernel.
    """
    return _METHOD_OF.get(kind.replace("_", "").lower())
