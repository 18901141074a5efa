"""Corrects what the converter gets wrong in its file.

The file keeps its size, since no byte moves.
"""

from typing import Any

import numpy as np

from kerasnas.tflite.islands import close_islands, operators_of
from kerasnas.tflite.kernels import KERNELS, Kernel

# The kernels look up the hyperbolic tangent of the cell state with at least 0 integer bits.
_SMALLEST_CELL_SCALE = 2.0**-15
_OUTPUT_STATE, _CELL_STATE = 18, 19
_HIDDEN = 4  # Its place among the intermediate tensors.
# The scale that the converter gives a tensor that was 0 on all samples: 2e-6 / 255.
_SCALE_OF_NOTHING = 8e-9
# LiteRT accepts a product of input scales of at most so many times the scale of the output.
_LARGEST_FACTOR = 128


def end_names(end: str, count: int) -> list[str]:
    """Returns the names of inputs or outputs in a signature, whose order is alphabetical.

    Args:
        end: "input" or "output".
        count: How many there are.
    """
    return [f"{end}_{index:0{max(3, len(str(count - 1)))}}" for index in range(count)]


def fix_converted_file(data: bytes) -> bytes:
    """Puts the outputs into the order of the model, and corrects what the converter gets wrong.

    The converter lists outputs in an order of its own; only the names in the signature tell. It
    also gives a cell state that stays below 0.5 a scale finer than 2**-15, for which the kernels
    of LiteRT and TensorFlow Lite Micro return values that have nothing to do with the layer. They
    derive all else from that scale, so the coarsest that they take is written instead. An LSTM
    that a concatenation reads, as in Bidirectional, has its output in the scale of what it is
    joined with, or that scale only behind the reversal, while the kernels compute it in another,
    that of its state. What is 0 on all samples, such as after a ReLU that nothing passes, gets a
    scale so fine that LiteRT refuses the file. Some operators stay in float that runtimes have an
    int8 kernel of.

    Args:
        data: Bytes that the converter returned, with one signature.

    Returns:
        Bytes of the same length.

    Raises:
        ValueError: If the converter has written a scale that is no number.
    """
    from ai_edge_litert import schema_py_generated as schema

    changed = bytearray(data)
    model = schema.Model.GetRootAs(changed, 0)
    graph, signature = model.Subgraphs(0), model.SignatureDefs(0)
    for end in ("input", "output"):
        tensors = getattr(signature, f"{end.capitalize()}s")
        count = getattr(signature, f"{end.capitalize()}sLength")()
        named = {tensors(i).Name().decode(): tensors(i).TensorIndex() for i in range(count)}
        wanted = end_names(end, count)
        if set(wanted) == set(named):
            getattr(graph, f"{end.capitalize()}sAsNumpy")()[:] = [named[name] for name in wanted]
    close_islands(changed)
    _Dead(schema, model).revive()
    operators, kinds = operators_of(model)

    def only_reversed(index: int) -> int:
        """Returns what a tensor becomes if it is only reversed, or the tensor itself."""
        readers = [i for i, reader in enumerate(operators) if index in reader.InputsAsNumpy()]
        if [kinds[i] for i in readers] != ["REVERSE_V2"] or index in graph.OutputsAsNumpy():
            return index
        return int(operators[readers[0]].Outputs(0))

    for operator, kind in zip(operators, kinds, strict=True):
        if kind != "UNIDIRECTIONAL_SEQUENCE_LSTM":
            continue
        cell = graph.Tensors(operator.Inputs(_CELL_STATE))
        if cell.Type() == schema.TensorType.INT16:
            scale = cell.Quantization().ScaleAsNumpy()
            scale[:] = np.maximum(scale, _SMALLEST_CELL_SCALE)
            written = graph.Tensors(only_reversed(operator.Outputs(0))).Quantization()
            # TensorFlow Lite Micro computes with the scale of the state, LiteRT with
            # that of the hidden tensor.
            state, hidden = operator.Inputs(_OUTPUT_STATE), operator.Intermediates(_HIDDEN)
            for index in (operator.Outputs(0), state, hidden):
                record = graph.Tensors(index).Quantization()
                record.ScaleAsNumpy()[:] = written.ScaleAsNumpy()
                record.ZeroPointAsNumpy()[:] = written.ZeroPointAsNumpy()
    return bytes(changed)


class _Dead:
    """The 8-bit tensors of a file that are 0, or almost 0, on all samples."""

    def __init__(self, schema: Any, model: Any) -> None:
        self._model, self._graph, self._type = model, model.Subgraphs(0), schema.TensorType
        self._operators = []
        for operator, kind in zip(*operators_of(model), strict=True):
            inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
            self._operators.append((kind, inputs, operator.Outputs(0)))

    def revive(self) -> None:
        """Gives all of them one scale that runtimes take."""
        dead, coarsest = self._find()
        factors: dict[int, float] = {}
        for index in dead:
            scale = self._scale(index)
            factors[index] = coarsest / scale[0]
            scale[:] = coarsest
        done: set[tuple[str, int]] = set()
        for kind, inputs, output in self._operators:
            if kind == "UNIDIRECTIONAL_SEQUENCE_LSTM" and inputs[0] in factors:
                raise ValueError(
                    f"What the LSTM of '{self._name(output)}' reads is 0 on all "
                    "samples; the TensorFlow Lite converter has no int8 form of it. Use "
                    "quantization='float16' or 'dynamic', or train the layers before it anew."
                )
            read, bias = KERNELS.get(kind, Kernel(0, bias=len(inputs)))
            if bias >= len(inputs) or inputs[bias] < 0 or inputs[read] not in factors:
                continue
            # Tensors may be read twice, and equal biases share their values.
            factor, buffer = factors[inputs[read]], self._graph.Tensors(inputs[bias]).Buffer()
            if ("tensor", inputs[bias]) not in done:
                scale = self._scale(inputs[bias])
                scale *= np.float32(factor)
            if ("buffer", buffer) not in done:
                values = self._model.Buffers(buffer).DataAsNumpy().view("int32")
                values[:] = np.round(values / factor)
            done |= {("tensor", inputs[bias]), ("buffer", buffer)}

    def _find(self) -> tuple[list[int], float]:
        """Returns the tensors, and the scale that the coarsest kernel that writes one needs."""
        scales: dict[int, float] = {}
        for index in range(self._graph.TensorsLength()):
            tensor, scale = self._graph.Tensors(index), self._scale(index)
            if not np.isfinite(scale).all():
                raise ValueError(
                    f"What the layer of '{self._name(index)}' reads is 0 on all samples; the "
                    "TensorFlow Lite converter has no int16x8 form of it. Use quantization='int8'."
                )
            computed = not self._model.Buffers(tensor.Buffer()).DataLength()
            if tensor.Type() == self._type.INT8 and computed and len(scale) == 1:
                scales[index] = float(scale[0])
        dead = {scale for scale in scales.values() if scale < _SCALE_OF_NOTHING}
        coarsest = 2.0**-10  # this leaves the biases their precision
        for kind, inputs, output in self._operators:
            if kind not in KERNELS or output not in scales:
                continue
            read_scale = scales.get(inputs[KERNELS[kind].reads], 0.0)
            if read_scale in dead:
                continue
            product = read_scale * float(self._scale(inputs[1]).max(initial=0))
            if scales[output] in dead or product > 2 * _LARGEST_FACTOR * scales[output]:
                dead.add(scales[output])
                coarsest = max(coarsest, product / _LARGEST_FACTOR)
        # An operator that passes a tensor on without computing gives it exactly the same scale.
        return [index for index, scale in scales.items() if scale in dead], coarsest

    def _scale(self, index: int) -> np.ndarray:
        quantization = self._graph.Tensors(index).Quantization()
        if quantization is None or not quantization.ScaleLength():
            return np.empty(0, "float32")
        return np.asarray(quantization.ScaleAsNumpy())

    def _name(self, index: int) -> str:
        return str(self._graph.Tensors(index).Name().decode())
