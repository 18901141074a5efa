"""Magnitude pruning: the smallest weights become zeros while the rest is trained on."""

import fnmatch
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import keras

from kerasnas.bridge.graph import LayerGraph, LayerNode
from kerasnas.compression.step import (
    ZEROS,
    BridgedStep,
    FineTuning,
    check_choice,
    check_number,
    unbox,
)
from kerasnas.compression.tfmot import import_tfmot
from kerasnas.compression.training import Training
from kerasnas.keras_models.traits import LAYERS

# Position of the weight that TFMOT prunes, by the class of the layer.
KERNELS = {name: row.prunes for name, row in LAYERS.items() if row.prunes is not None}
# The rest of the training lets the remaining weights recover.
_RAMP = 0.6
_UPDATES = 20


@dataclass(frozen=True)
class Prune(FineTuning, BridgedStep):
    """Sets a share of each kernel to zero, the smallest first, and fine-tunes the rest.

    The zeros make the file smaller when it is compressed, such as for a download; they make
    neither the file itself smaller nor inference faster. The first layer on each path from an
    input, the last on each to an output, and frozen layers stay whole unless `layers` names them,
    and so do depthwise kernels.

    Args:
        sparsity: Share of zeros in each pruned kernel, at least 0 and below 1.
        pattern: Tuple `(m, n)`: m zeros in every n weights in a row of input channels, such as
            (2, 4), instead of `sparsity`; layers with a rule of their own have no pattern.
        layers: Dict from names of layers, or patterns such as "head_*", to a sparsity of their
            own; 0 leaves them whole. The first that matches counts.
        epochs: Passes over the training data.
        batch_size: Samples in a training step.
        schedule: `"polynomial"` raises the sparsity over the first 60 % of the steps;
            `"constant"` prunes from the first step on.
        learning_rate: Learning rate of Adam.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        Zhu and Gupta, "To prune, or not to prune", arXiv 1710.01878; by TensorFlow Model
        Optimization.

    Example:

    ```python
    kn.compress(model, [kn.Prune(0.5, epochs=3)], train_data=(x, y), validation_data=(xv, yv))
    ```
    """

    sparsity: float = 0.5
    pattern: tuple[int, int] | None = None
    layers: Mapping[str, float] | None = None
    epochs: int = 5
    batch_size: int = 32
    schedule: Literal["polynomial", "constant"] = "polynomial"
    learning_rate: float = 1e-3

    name = "prune"
    leaves: ClassVar[str] = ZEROS

    def __post_init__(self) -> None:
        unbox(self)
        check_number("Prune", "sparsity", self.sparsity, float, 0, 1)
        self.check_training()
        for name, sparsity in (self.layers or {}).items():
            check_number("Prune", f"layers[{name!r}]", sparsity, float, 0, 1)
        if self.pattern is not None:
            whole = isinstance(self.pattern, tuple) and all(type(n) is int for n in self.pattern)
            if not whole or len(self.pattern) != 2 or not 0 < self.pattern[0] < self.pattern[1]:
                raise ValueError(
                    "`Prune(pattern=...)` must be a tuple (m, n) of whole numbers with 0 < m < n. "
                    f"Received: pattern={self.pattern!r}"
                )
        check_choice("Prune", "schedule", self.schedule, ("polynomial", "constant"))

    @property
    def how(self) -> str:
        """The method in the report's words."""
        zeros = f"{self.sparsity:.0%}" if self.pattern is None else "{} in {}".format(*self.pattern)
        return f"magnitude pruning, {zeros}{', own rules for layers' * bool(self.layers)}"

    def check(self, graph: LayerGraph) -> None:
        """Refuses a network in which nothing can be pruned, and names of layers that none has."""
        kernels = [node.layer.name for node in graph.nodes if node.layer.kind in KERNELS]
        for pattern in self.layers or {}:
            if not any(_matches(name, pattern) for name in kernels):
                raise ValueError(
                    f"`Prune(layers=...)` must name layers of '{graph.name}' with a kernel: "
                    f"{', '.join(kernels)}. Received: {pattern!r}"
                )
        sparsities = self._sparsities(graph)
        patterned = sparsities.keys() - self._ruled(graph).keys()
        flat = [
            node.layer.name
            for node in graph.nodes
            if node.layer.kind in ("Conv1D", "SeparableConv1D") and node.layer.name in patterned
        ]
        if self.pattern is not None and flat:
            raise ValueError(
                "`Prune(pattern=...)` takes one-dimensional convolutions before Quantize('int8') "
                f"only, or with a sparsity of their own in `layers`. Received: {', '.join(flat)}"
            )
        if not sparsities:
            passed = ", ".join(f"'{name}'" for name in sorted(graph.passed_through))
            ends = [n for n in dict.fromkeys(kernels) if n not in _frozen(graph)]
            rule = {name.removesuffix("_pointwise"): self.sparsity or 0.5 for name in ends}
            way_out = f"To prune those, too: Prune(layers={rule})" if rule else "Leave the step out"
            raise ValueError(
                f"`Prune` finds nothing to prune in '{graph.name}': no convolution or Dense layer "
                "that can be trained is between the first and the last one, which stay whole "
                f"unless `layers` names them. {way_out}."
                + (f" Without tf_keras counterpart, called as they are: {passed}." * bool(passed))
            )

    def apply(self, model: Any, training: Training) -> Any:
        """Prunes and fine-tunes with TFMOT."""
        tfmot = import_tfmot()
        import tf_keras

        steps = self.epochs * math.ceil(training.samples / self.batch_size)
        sparsities = self._sparsities(training.graph)
        ruled = self._ruled(training.graph)
        training.pruned.update(sparsities)

        def wrapped(layer: Any) -> Any:
            if layer.name not in sparsities:
                return layer
            schedule = self._schedule(tfmot.sparsity.keras, steps, sparsities[layer.name])
            return tfmot.sparsity.keras.prune_low_magnitude(
                layer,
                pruning_schedule=schedule,
                sparsity_m_by_n=None if layer.name in ruled else self.pattern,
            )

        pruning = tf_keras.models.clone_model(model, clone_function=wrapped)
        callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
        training.fit(pruning, self.epochs, self.batch_size, self.learning_rate, callbacks)
        return tfmot.sparsity.keras.strip_pruning(pruning)

    def _sparsities(self, graph: LayerGraph) -> dict[str, float]:
        """Returns the sparsity of each layer that is pruned."""
        between, ruled = prunable(graph), self._ruled(graph)
        zeros = self.sparsity if self.pattern is None else self.pattern[0] / self.pattern[1]
        found = {}
        for node in graph.nodes:
            name = node.layer.name
            sparsity = ruled.get(name, zeros if name in between else 0)
            if node.layer.kind in KERNELS and sparsity:
                found[name] = sparsity
        return found

    def _ruled(self, graph: LayerGraph) -> dict[str, float]:
        """Returns the sparsity that `layers` gives each layer that it names."""
        return {
            node.layer.name: sparsity
            for node in graph.nodes
            for pattern, sparsity in reversed(list((self.layers or {}).items()))
            if node.layer.kind in KERNELS and _matches(node.layer.name, pattern)
        }

    def _schedule(self, sparsity: Any, steps: int, final: float) -> Any:
        # Masks change at multiples of the frequency only, so the last multiple must be the end;
        # TFMOT's default of 100 would skip short trainings.
        ramp = max(1, int(steps * _RAMP))
        frequency = max(1, ramp // _UPDATES)
        if self.schedule == "constant" or self.pattern is not None:
            return sparsity.ConstantSparsity(final, begin_step=0, frequency=frequency)
        return sparsity.PolynomialDecay(
            initial_sparsity=0.0,
            final_sparsity=final,
            begin_step=0,
            end_step=frequency * (ramp // frequency),
            frequency=frequency,
        )


def _matches(name: str, pattern: str) -> bool:
    # A separable convolution is told apart into two before quantization-aware training.
    return any(fnmatch.fnmatch(n, pattern) for n in (name, name.removesuffix("_pointwise")))


def prunable(graph: LayerGraph) -> set[str]:
    """Returns the names of the layers with a kernel that steps touch unless they are told others.

    Args:
        graph: The network.

    Returns:
        Those of `inner` that can be trained.
    """
    return inner(graph) - _frozen(graph)


def _frozen(graph: LayerGraph) -> set[str]:
    return {n.layer.name for n in graph.nodes if not n.layer.config.get("trainable", True)}


def inner(graph: LayerGraph) -> set[str]:
    """Returns the names of the layers with a kernel that are not at the ends.

    Args:
        graph: The network.

    Returns:
        Convolutions of one and two dimensions and Dense layers that are neither the first on a path
        from an input nor the last on a path to an output.
    """
    not_first = _not_foremost(graph.nodes, _read_by, _made_by)
    return not_first & _not_foremost(reversed(graph.nodes), _made_by, _read_by)


def _read_by(node: LayerNode) -> list[keras.KerasTensor]:
    return node.inputs


def _made_by(node: LayerNode) -> list[keras.KerasTensor]:
    return [node.output]


def _not_foremost(
    nodes: Iterable[LayerNode],
    before: Callable[[LayerNode], list[keras.KerasTensor]],
    after: Callable[[LayerNode], list[keras.KerasTensor]],
) -> set[str]:
    """Returns the layers with a kernel that another one precedes wherever they are called.

    Args:
        nodes: Nodes in the direction of the walk, from the inputs or from the outputs.
        before: Gives the tensors of a node on the side that the walk comes from.
        after: Gives those on the other side.
    """
    behind_a_kernel: set[int] = set()
    first: set[str] = set()
    later: set[str] = set()
    for node in nodes:
        reached = any(id(tensor) in behind_a_kernel for tensor in before(node))
        if node.layer.kind in KERNELS:
            (later if reached else first).add(node.layer.name)
        if reached or node.layer.kind in KERNELS:
            behind_a_kernel.update(id(tensor) for tensor in after(node))
    return later - first


def model_sparsity(model: Any, names: set[str]) -> float:
    """Returns the share of zeros in the kernels of some layers.

    Args:
        model: tf_keras model, without wrappers.
        names: Names of its layers.

    Returns:
        Float between 0 and 1; 0 without kernels.
    """
    kernels = [
        layer.get_weights()[KERNELS[type(layer).__name__]]
        for layer in model.layers
        if layer.name in names
    ]
    total = sum(kernel.size for kernel in kernels)
    return sum(int((kernel == 0).sum()) for kernel in kernels) / total if total else 0.0
