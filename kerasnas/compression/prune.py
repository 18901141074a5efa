"""Magnitude pruning: the smallest weights become zeros while the rest is trained on."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from kerasnas.compression.bridge.graph import Graph
from kerasnas.compression.step import check_number
from kerasnas.compression.tfmot import import_tfmot
from kerasnas.compression.training import Training
from kerasnas.export import to_tflite

# Position of the weight that TFMOT prunes. Depthwise kernels it leaves alone.
KERNELS = {
    "Conv1D": 0,
    "Conv2D": 0,
    "Conv2DTranspose": 0,
    "Dense": 0,
    "SeparableConv1D": 1,
    "SeparableConv2D": 1,
}
# The rest of the training lets the remaining weights recover.
_RAMP = 0.6
_UPDATES = 20


@dataclass(frozen=True)
class Prune:
    """Sets a share of each kernel to zero, the smallest first, and fine-tunes the rest.

    The zeros make the file smaller when it is compressed, such as for a download; they make
    neither the file itself smaller nor inference faster. The last layer on each path to an output
    stays whole, and so do depthwise kernels.

    Args:
        sparsity: Share of zeros in each pruned kernel, at least 0 and below 1.
        epochs: Passes over the training data.
        batch_size: Samples in a training step.
        schedule: `"polynomial"` raises the sparsity over the first 60 % of the steps;
            `"constant"` prunes from the first step on.
        learning_rate: Of Adam.

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
    epochs: int = 5
    batch_size: int = 32
    schedule: Literal["polynomial", "constant"] = "polynomial"
    learning_rate: float = 1e-3

    name = "prune"
    how = "magnitude pruning"
    final = False
    rewrites = False
    dtype = "float32"

    def __post_init__(self) -> None:
        check_number("Prune", "sparsity", self.sparsity, float, 0, 1)
        check_number("Prune", "epochs", self.epochs, int, 1)
        check_number("Prune", "batch_size", self.batch_size, int, 1)
        check_number("Prune", "learning_rate", self.learning_rate, float, 0)
        if self.schedule not in ("polynomial", "constant"):
            raise ValueError(
                "`Prune(schedule=...)` must be 'polynomial' or 'constant'. "
                f"Received: schedule={self.schedule!r}"
            )

    @property
    def trained_epochs(self) -> int:
        """Passes over the training data."""
        return self.epochs

    def check(self, graph: Graph) -> None:
        """Refuses a network in which nothing can be pruned."""
        if not prunable(graph):
            carried = ", ".join(f"'{name}'" for name in sorted(graph.carried))
            raise ValueError(
                f"`Prune` finds nothing to prune in '{graph.name}': no convolution or Dense layer "
                "comes before the last one. Leave the step out."
                + (f" Without tf_keras counterpart, called as they are: {carried}." * bool(carried))
            )

    def apply(self, model: Any, training: Training) -> Any:
        """Prunes and fine-tunes with TFMOT."""
        tfmot = import_tfmot()
        import tf_keras

        names = prunable(training.graph)
        steps = self.epochs * math.ceil(training.samples / self.batch_size)
        schedule = self._tfmot_schedule(tfmot.sparsity.keras, steps)

        def wrapped(layer: Any) -> Any:
            if layer.name not in names:
                return layer
            return tfmot.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=schedule)

        pruning = tf_keras.models.clone_model(model, clone_function=wrapped)
        callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
        training.fit(pruning, self.epochs, self.batch_size, self.learning_rate, callbacks)
        return tfmot.sparsity.keras.strip_pruning(pruning)

    def export(self, model: Any, training: Training) -> bytes:
        """Exports in float."""
        return to_tflite(model)

    def _tfmot_schedule(self, sparsity: Any, steps: int) -> Any:
        # Masks change at multiples of the frequency only, so the last multiple must be the end;
        # TFMOT's default of 100 would skip short trainings.
        ramp = max(1, int(steps * _RAMP))
        frequency = max(1, ramp // _UPDATES)
        if self.schedule == "constant":
            return sparsity.ConstantSparsity(self.sparsity, begin_step=0, frequency=frequency)
        return sparsity.PolynomialDecay(
            initial_sparsity=0.0,
            final_sparsity=self.sparsity,
            begin_step=0,
            end_step=frequency * (ramp // frequency),
            frequency=frequency,
        )


def prunable(graph: Graph) -> set[str]:
    """Names of the layers with a kernel that pruning may touch.

    Args:
        graph: The network.

    Returns:
        All convolutions and Dense layers from whose output another one can be reached.
    """
    leads_on: set[int] = set()
    found: set[str] = set()
    last: set[str] = set()
    for node in reversed(graph.nodes):
        reaches = id(node.output) in leads_on
        if node.layer.kind in KERNELS:
            (found if reaches else last).add(node.layer.name)
        if reaches or node.layer.kind in KERNELS:
            leads_on.update(id(tensor) for tensor in node.inputs)
    return found - last


def model_sparsity(model: Any, names: set[str]) -> float:
    """The share of zeros in the kernels of some layers.

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
