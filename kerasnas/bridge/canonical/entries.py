"""Changes the dtypes of inputs where a quantized file handles another dtype better."""

import keras

from kerasnas.bridge.graph import LayerGraph
from kerasnas.keras_models.traits import of_kind

# Layers that compute in floats, whatever they are given.
_IN_FLOATS = ("Normalization", "Rescaling")


def entries(graph: LayerGraph) -> None:
    """Reads pixels as floats, and indices as integers.

    Pixels of uint8 that are rescaled would become a CAST, which TensorFlow Lite Micro lacks; as
    floats of a scale they are in 8 bits like all else. Indices in floats would be rounded to the
    steps of a scale before an Embedding reads them.

    Args:
        graph: The graph as read from a model. Its inputs are changed in place.
    """
    for node in graph.nodes:
        config = node.layer.config
        if node.layer.kind != "InputLayer" or any(node.output is x for x in graph.outputs):
            continue
        if config["dtype"] == "uint8" and _ends_in_floats(graph, node.output):
            node.layer.config = {**config, "dtype": "float32"}
        readers = [reader.layer.kind for reader in graph.consumers(node.output)]
        if "float" in config["dtype"] and readers and set(readers) == {"Embedding"}:
            node.layer.config = {**config, "dtype": "int32"}


def _ends_in_floats(graph: LayerGraph, tensor: keras.KerasTensor) -> bool:
    """Returns whether integers are only moved until they become floats."""
    readers = graph.consumers(tensor)
    return bool(readers) and all(
        reader.layer.kind in _IN_FLOATS
        or (
            of_kind(reader.layer.kind).keeps_integers
            and not any(reader.output is x for x in graph.outputs)
            and _ends_in_floats(graph, reader.output)
        )
        for reader in readers
    )
