"""Weight clustering: the weights of a kernel share a few values."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from kerasnas.bridge.graph import LayerGraph
from kerasnas.compression.prune import KERNELS, prunable
from kerasnas.compression.step import (
    SHARED_VALUES,
    ZEROS,
    BridgedStep,
    FineTuning,
    Step,
    check_choice,
    check_number,
    unbox,
)
from kerasnas.compression.tfmot import import_tfmot
from kerasnas.compression.training import Training

_INITIALIZATIONS = {"kmeans++": "KMEANS_PLUS_PLUS", "density": "DENSITY_BASED", "linear": "LINEAR"}


@dataclass(frozen=True)
class Cluster(FineTuning, BridgedStep):
    """Makes the weights of each kernel share a few values, and fine-tunes those.

    Like zeros, shared values make the file smaller when it is compressed, such as for a download,
    and neither the file itself nor inference. Zeros that `Prune` made are kept, and
    `Quantize("int8")` after it keeps the sharing. Layers are those that `Prune` touches unless
    told otherwise: no depthwise kernel, and neither the first nor the last layer.

    Args:
        clusters: Number of values in each kernel, at least 2.
        epochs: Passes over the training data.
        batch_size: Samples in a training step.
        initialization: Where the values begin: `"kmeans++"`, `"density"` (evenly over the weights)
            or `"linear"` (evenly over their range).
        learning_rate: Learning rate of Adam. Rates above about 1e-3 move the shared values too far.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        Han, Mao and Dally, "Deep Compression", arXiv 1510.00149, section 3; by TensorFlow Model
        Optimization.

    Example:

    ```python
    recipe = [kn.Prune(0.5), kn.Cluster(16), kn.Quantize("int8")]
    kn.compress(model, recipe, train_data=(x, y), validation_data=(xv, yv))
    ```
    """

    clusters: int = 16
    epochs: int = 5
    batch_size: int = 32
    initialization: Literal["kmeans++", "density", "linear"] = "kmeans++"
    learning_rate: float = 1e-4

    name = "cluster"
    how = "weight clustering"
    leaves: ClassVar[str] = SHARED_VALUES

    def __post_init__(self) -> None:
        unbox(self)
        check_number("Cluster", "clusters", self.clusters, int, 2)
        self.check_training()
        check_choice("Cluster", "initialization", self.initialization, tuple(_INITIALIZATIONS))

    def keeps(self, pattern: str) -> bool:
        """Keeps zeros: they get a value of their own."""
        return pattern == ZEROS

    def undone_by(self, later: Step) -> str | None:
        """Refuses steps that make new zeros, and those that train the weights apart."""
        if later.leaves == ZEROS:
            return "new zeros and their fine-tuning would break the shared values"
        return super().undone_by(later)

    def check(self, graph: LayerGraph) -> None:
        """Refuses a network in which nothing can be clustered."""
        if not self._layers(graph):
            raise ValueError(
                f"`Cluster` finds no kernel of more than {self.clusters} weights that can be "
                f"trained between the first and the last layer of '{graph.name}'. Leave the step "
                "out, or ask for fewer clusters."
            )

    def apply(self, model: Any, training: Training) -> Any:
        """Clusters and fine-tunes with TFMOT."""
        clustering = import_tfmot().clustering.keras
        import tf_keras

        # Not among the public names of TFMOT 0.8.1, though its guide uses it.
        from tensorflow_model_optimization.python.core.clustering.keras.experimental.cluster import (  # noqa: E501
            cluster_weights,
        )

        names = self._layers(training.graph)
        start = getattr(clustering.CentroidInitialization, _INITIALIZATIONS[self.initialization])

        def wrapped(layer: Any) -> Any:
            if layer.name not in names:
                return layer
            kernel = layer.get_weights()[KERNELS[type(layer).__name__]]
            if len(np.unique(kernel)) <= self.clusters:  # such as where few are not zero
                return layer
            return cluster_weights(
                layer,
                number_of_clusters=self.clusters,
                cluster_centroids_init=start,
                # One of the shared values is reserved for zero, which is a waste
                # if no weight is zero.
                preserve_sparsity=bool((kernel == 0).any()),
            )

        sharing = tf_keras.models.clone_model(model, clone_function=wrapped)
        # A layer that is not wrapped must not be trained: it would lose its zeros or shared values.
        held = [
            layer
            for layer in sharing.layers
            if layer.trainable and layer.name in names | training.pruned
        ]
        for layer in held:
            layer.trainable = False
        training.fit(sharing, self.epochs, self.batch_size, self.learning_rate)
        for layer in held:
            layer.trainable = True
        training.clustered |= names
        return clustering.strip_clustering(sharing)

    def _layers(self, graph: LayerGraph) -> set[str]:
        """Returns the names of the layers with more weights than clusters."""
        large = {
            node.layer.name
            for node in graph.nodes
            if node.layer.kind in KERNELS
            and node.layer.weights[KERNELS[node.layer.kind]].size > self.clusters
        }
        return prunable(graph) & large
