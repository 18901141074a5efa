"""What the converter makes of recurrent layers that are unrolled: every step by itself.

Steps are not in their order: TensorFlow orders operations that are ready by name, and has named
the product of the sixth step `MatMul_10`, which comes before `MatMul_2`.
"""

from kerasnas.hardware.graph import Node
from kerasnas.hardware.lowering.program import Constant, along, integers, number
from kerasnas.hardware.lowering.tape import Tape

_ONE = number(1)


def unrolled(to: Tape, node: Node, x: int) -> int:
    """Appends an unrolled LSTM, GRU or SimpleRNN that reads the sequence `x`."""
    cells: dict[str, type[_Simple | _Lstm | _Gru]]
    cells = {"GRU": _Gru, "LSTM": _Lstm, "SimpleRNN": _Simple}
    cell = cells[node.kind](to, node)
    length, features = to.shapes[x]
    x = to.operator("RESHAPE", [x], (length, 1, features), [integers(length, 1, features)])
    parts = to.several("UNPACK", [x], [(features,)] * length)
    if "backwards" in node.config:
        parts = parts[::-1]
    inputs: dict[int, int] = {}
    states: list[int] = []
    for step in sorted(range(length), key=lambda i: f"{_numbered('MatMul', 2 * i)}/"):
        inputs[step] = cell.read(parts[step], first=step == 0)
        while len(states) in inputs:
            states.append(cell.step(inputs[len(states)], len(states)))
            if len(states) < length:
                cell.recur(states[-1])
    if len(node.shape) == 1:
        return states[-1]
    rows, units = node.shape
    x = to.operator("PACK", states, (rows, 1, units))
    return to.operator("RESHAPE", [x], node.shape, [integers(1, rows, units)])


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


class _Cell:
    """The kernels of a cell, and its state.

    `read` appends what is made of one step of the sequence, `recur` what is made of a state for the
    step after it, and `step` the rest of a step, and returns its state.
    """

    recurrent = -1

    def __init__(self, to: Tape, node: Node) -> None:
        self.to, self.units = to, node.weights[1][0]
        (self.features, self.wide), self.name = node.weights[0], node.name

    def recur(self, state: int) -> None:
        self.recurrent = self.kernel(state, "recurrent")

    def kernel(self, x: int, role: str, biased: bool = False) -> int:
        rows = self.features if role == "kernel" else self.units
        owner = ("unrolled", self.name, role)
        constants = [Constant((self.wide, rows), "weight", self.wide, owner)]
        if biased:
            # In an int8 file every step has its own bias, since its scale is that of
            # the step's product.
            shared = None if self.to.dtype == "int8" else (*owner, "bias")
            constants.append(Constant((self.wide,), "bias", self.wide, shared))
        macs = rows * self.wide
        return self.to.operator("FULLY_CONNECTED", [x], (self.wide,), constants, macs=macs)

    def make(self, kind: str, *reads: int, constants: tuple[Constant, ...] = ()) -> int:
        return self.to.operator(kind, reads, self.to.shapes[reads[0]], constants)

    def gates(self, kind: str, x: int, count: int) -> list[int]:
        sizes = [integers(*[self.units] * count)] if kind == "SPLIT_V" else []
        return self.to.several(kind, [x], [(self.units,)] * count, [*sizes, along(-1)])


class _Simple(_Cell):
    def read(self, x: int, first: bool) -> int:
        return self.kernel(x, "kernel", biased=True)

    def step(self, x: int, number: int) -> int:
        return self.make("TANH", self.make("ADD", x, self.recurrent) if number else x)


class _Lstm(_Cell):
    cell = -1

    def read(self, x: int, first: bool) -> int:
        return self.kernel(x, "kernel", biased=first)

    def step(self, x: int, number: int) -> int:
        if number:
            bias = Constant((self.wide,), "weight", 1, ("unrolled", self.name, "bias"))
            x = self.make("ADD", self.make("ADD", x, self.recurrent), constants=(bias,))
        i, f, candidate, o = self.gates("SPLIT", x, 4)
        kept = -1
        done: dict[int, int] = {}
        sigmoids = {i: 3 * number, f: 3 * number + 1, o: 3 * number + 2}
        for gate in sorted(sigmoids, key=lambda gate: f"{_numbered('Sigmoid', sigmoids[gate])}/"):
            if gate == f and not number:
                continue  # At the first step the state is zero, and there is nothing to forget.
            done[gate] = self.make("LOGISTIC", gate)
            if gate == f:
                kept = self.make("MUL", done[f], self.cell)
        self.cell = self.make("MUL", done[i], self.make("TANH", candidate))
        if number:
            self.cell = self.make("ADD", kept, self.cell)
        return self.make("MUL", done[o], self.make("TANH", self.cell))


class _Gru(_Cell):
    recurrents: list[int]
    state = -1

    def read(self, x: int, first: bool) -> int:
        return self.gates("SPLIT", self.kernel(x, "kernel", biased=True), 3)[0]

    def recur(self, state: int) -> None:
        self.state = state
        self.recurrents = self.gates("SPLIT_V", self.kernel(state, "recurrent", biased=True), 3)

    def step(self, x: int, number: int) -> int:
        z, r, candidate = self.to.parts[x]
        each = tuple(Constant((1, self.units), "weight") for _ in range(3))
        z = self.make("LOGISTIC", self._joined("ADD", z, 0, each, number))
        kept = self.make("MUL", z, self.state) if number else -1
        rest = self.make("SUB", z, constants=(_ONE,))
        r = self.make("LOGISTIC", self._joined("ADD", r, 1, each, number))
        reset = self._joined("MUL", r, 2, each, number)
        candidate = self.make("TANH", self.make("ADD", candidate, reset))
        made = self.make("MUL", rest, candidate)
        return self.make("ADD", kept, made) if number else made

    def _joined(self, kind: str, x: int, gate: int, each: tuple[Constant, ...], number: int) -> int:
        """Adds to a gate, or multiplies by it, what is made of the state; at first a constant."""
        if number:
            return self.make(kind, x, self.recurrents[gate])
        return self.make(kind, x, constants=each[gate : gate + 1])
