"""A symbolic tensor that records what a Keras build would make, without making it."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

from kerasnas.hardware.graph import Graph, Shape


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """The output of a layer in a network that is described and not built.

    Its methods are named after Keras's layers, take the same arguments and return the sketch of
    the layer's output, so that a cost function reads like the builder beside it.

    Args:
        graph: The graph that every call adds to.
        index: Position of the node that this is the output of.

    Example:

    >>> from kerasnas.hardware import Sketch
    >>> x = Sketch.input((28, 28, 1))
    >>> x = x.conv2d(8, 3, strides=2, name="conv").flatten(name="flatten").dense(10, name="dense")
    >>> x.shape
    (10,)
    """

    graph: Graph
    index: int

    @classmethod
    def input(cls, shape: Iterable[int], name: str = "input") -> "Sketch":
        """Starts a new graph with its input.

        Args:
            shape: Shape of the input, without the batch.
            name: Name of the layer.

        Returns:
            The sketch of the input.
        """
        graph = Graph()
        return cls(graph, graph.add("InputLayer", name, (), shape))

    @property
    def shape(self) -> Shape:
        """Shape of the tensor, without the batch."""
        return self.graph.nodes[self.index].shape

    def layer(
        self,
        kind: str,
        name: str,
        shape: Iterable[int],
        weights: Iterable[Iterable[int]] = (),
        config: Sequence[object] = (),
        others: Sequence["Sketch"] = (),
    ) -> "Sketch":
        """Any layer, by what Keras says of it.

        Args:
            kind: Class name of the Keras layer.
            name: Name of the layer.
            shape: Shape of its output, without the batch.
            weights: Shapes of its weights, in Keras's order.
            config: What else tells two such layers apart, in the order of the methods below.
            others: What it reads besides this sketch.

        Returns:
            The sketch of its output.

        Example:

        >>> x = Sketch.input((8, 8, 4))
        >>> x.layer("GlobalMaxPooling2D", "pool", (4,)).shape
        (4,)
        """
        inputs = (self.index, *(x.index for x in others))
        return Sketch(self.graph, self.graph.add(kind, name, inputs, shape, weights, config))

    def _windows(self, window: tuple[int, int], strides: tuple[int, int], same: bool) -> Shape:
        if len(self.shape) != 3:
            raise ValueError(
                "A convolution or pooling operation needs an input of shape (height, width, "
                f"channels). Received: shape={self.shape}"
            )
        spans = (
            self.shape[:2]
            if same
            else [s - w + 1 for s, w in zip(self.shape, window, strict=False)]
        )
        return tuple(max(math.ceil(s / t), 0) for s, t in zip(spans, strides, strict=True))

    def conv2d(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        *,
        strides: int | tuple[int, int] = 1,
        padding: str = "same",
        use_bias: bool = True,
        name: str,
    ) -> "Sketch":
        """A `Conv2D`.

        Args:
            filters: Number of output channels.
            kernel_size: Integer or pair of integers, the height and width.
            strides: Integer or pair of integers, likewise.
            padding: "same" or "valid".
            use_bias: Whether it has a bias.
            name: Name of the layer.

        Raises:
            ValueError: The input is not of shape (height, width, channels).
        """
        kernel, step = _pair(kernel_size), _pair(strides)
        weights = [(*kernel, self.shape[-1], filters)] + ([(filters,)] if use_bias else [])
        shape = (*self._windows(kernel, step, padding == "same"), filters)
        return self.layer("Conv2D", name, shape, weights, (step, padding, (1, 1), 1))

    def depthwise_conv2d(
        self,
        kernel_size: int | tuple[int, int],
        *,
        strides: int | tuple[int, int] = 1,
        padding: str = "same",
        use_bias: bool = True,
        name: str,
    ) -> "Sketch":
        """A `DepthwiseConv2D` of depth multiplier 1; its arguments are those of `conv2d`."""
        kernel, step, channels = _pair(kernel_size), _pair(strides), self.shape[-1]
        weights = [(*kernel, channels, 1)] + ([(channels,)] if use_bias else [])
        shape = (*self._windows(kernel, step, padding == "same"), channels)
        return self.layer("DepthwiseConv2D", name, shape, weights, (step, padding, (1, 1)))

    def dense(self, units: int, *, use_bias: bool = True, name: str) -> "Sketch":
        """A `Dense` layer on the last axis.

        Args:
            units: Size of the last axis of its output.
            use_bias: Whether it has a bias.
            name: Name of the layer.
        """
        weights = [(self.shape[-1], units)] + ([(units,)] if use_bias else [])
        return self.layer("Dense", name, (*self.shape[:-1], units), weights)

    def batch_normalization(self, *, name: str) -> "Sketch":
        """A `BatchNormalization` with scale and offset."""
        channels = self.shape[-1]
        return self.layer("BatchNormalization", name, self.shape, [(channels,)] * 4)

    def activation(self, function: str, *, name: str) -> "Sketch":
        """An activation.

        Args:
            function: Its Keras name: "relu", "relu6", "softmax", ...
            name: Name of the layer.
        """
        return self.layer("Activation", name, self.shape, config=(function,))

    def _pool(
        self,
        kind: str,
        size: int | tuple[int, int],
        strides: int | tuple[int, int],
        padding: str,
        name: str,
    ) -> "Sketch":
        window, step = _pair(size), _pair(strides)
        shape = (*self._windows(window, step, padding == "same"), self.shape[-1])
        return self.layer(kind, name, shape, config=(window, step, padding))

    def max_pooling2d(
        self,
        pool_size: int | tuple[int, int],
        *,
        strides: int | tuple[int, int],
        padding: str = "same",
        name: str,
    ) -> "Sketch":
        """A `MaxPooling2D`.

        Args:
            pool_size: Integer or pair of integers, the height and width of the window.
            strides: Integer or pair of integers, likewise.
            padding: "same" or "valid".
            name: Name of the layer.

        Raises:
            ValueError: The input is not of shape (height, width, channels).
        """
        return self._pool("MaxPooling2D", pool_size, strides, padding, name)

    def average_pooling2d(
        self,
        pool_size: int | tuple[int, int],
        *,
        strides: int | tuple[int, int],
        padding: str = "same",
        name: str,
    ) -> "Sketch":
        """An `AveragePooling2D`; its arguments are those of `max_pooling2d`."""
        return self._pool("AveragePooling2D", pool_size, strides, padding, name)

    def global_average_pooling2d(self, *, name: str) -> "Sketch":
        """A `GlobalAveragePooling2D`."""
        return self.layer("GlobalAveragePooling2D", name, self.shape[-1:])

    def flatten(self, *, name: str) -> "Sketch":
        """A `Flatten`."""
        return self.layer("Flatten", name, (math.prod(self.shape),))

    def dropout(self, rate: float, *, name: str) -> "Sketch":
        """A `Dropout`, which inference drops.

        Args:
            rate: Float between 0 and 1.
            name: Name of the layer.
        """
        return self.layer("Dropout", name, self.shape, config=(rate,))

    def add(self, others: Sequence["Sketch"], *, name: str) -> "Sketch":
        """An `Add` of this and the others.

        Args:
            others: Sketches of the same graph and shape.
            name: Name of the layer.

        Raises:
            ValueError: Another shape.
        """
        for other in others:
            if other.shape != self.shape:
                raise ValueError(f"Cannot add shapes {self.shape} and {other.shape} in {name!r}")
        return self.layer("Add", name, self.shape, others=others)

    def concatenate(self, others: Sequence["Sketch"], *, name: str) -> "Sketch":
        """A `Concatenate` of this and the others on the last axis.

        Args:
            others: Sketches of the same graph, and of the same shape but for the last axis.
            name: Name of the layer.

        Raises:
            ValueError: A shape that differs elsewhere.
        """
        for other in others:
            if other.shape[:-1] != self.shape[:-1]:
                raise ValueError(
                    f"Cannot concatenate shapes {self.shape} and {other.shape} in {name!r}"
                )
        channels = self.shape[-1] + sum(other.shape[-1] for other in others)
        return self.layer("Concatenate", name, (*self.shape[:-1], channels), others=others)
