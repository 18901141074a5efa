"""A symbolic tensor that records what a Keras build would make, without making it."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import keras

from kerasnas.hardware.graph import Graph, Shape
from kerasnas.hardware.keras_graph import add_layer


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
        """Adds any layer, by its class, its shapes and its settings.

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

    def apply(self, layer: keras.layers.Layer) -> "Sketch":
        """Adds any Keras layer of one input whose cost is known.

        It takes longer than the methods below, since Keras builds the layer.

        Args:
            layer: A Keras layer, or one of your own that `register_layer` or `cost_rule` knows.

        Returns:
            The sketch of its output.

        Raises:
            ValueError: If nothing is known of its cost.

        Example:

        >>> import keras
        >>> x = Sketch.input((8, 8, 4))
        >>> x.apply(keras.layers.UpSampling2D(2, name="wider")).shape
        (16, 16, 4)
        """
        return Sketch(self.graph, add_layer(self.graph, layer, self.index))

    def _windows(
        self, rank: int, size: int | Shape, strides: int | Shape, padding: str
    ) -> tuple[Shape, Shape, Shape]:
        """Returns size and strides of a window, and how many of them fit along each axis."""
        if len(self.shape) != rank + 1:
            wanted = "(height, width, channels)" if rank == 2 else "(length, channels)"
            raise ValueError(
                f"A convolution or pooling operation needs an input of shape {wanted}. "
                f"Received: shape={self.shape}"
            )
        window = (size,) * rank if isinstance(size, int) else size
        steps = (strides,) * rank if isinstance(strides, int) else strides
        sizes = self.shape[:-1]
        if padding == "valid":
            sizes = tuple(s - w + 1 for s, w in zip(sizes, window, strict=True))
        fit = tuple(max(math.ceil(s / t), 0) for s, t in zip(sizes, steps, strict=True))
        return window, steps, fit

    def _convolution(
        self,
        kind: str,
        rank: int,
        filters: int | None,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...],
        padding: str,
        use_bias: bool,
        name: str,
    ) -> "Sketch":
        """Adds a convolution; a depthwise one without `filters`."""
        kernel, step, sizes = self._windows(rank, kernel_size, strides, padding)
        channels = self.shape[-1] if filters is None else filters
        weights = [(*kernel, self.shape[-1], 1 if filters is None else filters)]
        weights += [(channels,)] if use_bias else []
        config = (step, padding, (1,) * rank, *([] if filters is None else [1]))
        return self.layer(f"{kind}{rank}D", name, (*sizes, channels), weights, config)

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
        """Adds a `Conv2D`.

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
        return self._convolution("Conv", 2, filters, kernel_size, strides, padding, use_bias, name)

    def depthwise_conv2d(
        self,
        kernel_size: int | tuple[int, int],
        *,
        strides: int | tuple[int, int] = 1,
        padding: str = "same",
        use_bias: bool = True,
        name: str,
    ) -> "Sketch":
        """Adds a `DepthwiseConv2D` of depth multiplier 1; its arguments are those of `conv2d`."""
        kind = "DepthwiseConv"
        return self._convolution(kind, 2, None, kernel_size, strides, padding, use_bias, name)

    def conv1d(
        self,
        filters: int,
        kernel_size: int,
        *,
        strides: int = 1,
        padding: str = "same",
        use_bias: bool = True,
        name: str,
    ) -> "Sketch":
        """Adds a `Conv1D`.

        Args:
            filters: Number of output channels.
            kernel_size: Integer, the length of the window.
            strides: Integer.
            padding: "same" or "valid".
            use_bias: Whether it has a bias.
            name: Name of the layer.
        """
        return self._convolution("Conv", 1, filters, kernel_size, strides, padding, use_bias, name)

    def depthwise_conv1d(
        self,
        kernel_size: int,
        *,
        strides: int = 1,
        padding: str = "same",
        use_bias: bool = True,
        name: str,
    ) -> "Sketch":
        """Adds a `DepthwiseConv1D` of depth multiplier 1; its arguments are those of `conv1d`."""
        kind = "DepthwiseConv"
        return self._convolution(kind, 1, None, kernel_size, strides, padding, use_bias, name)

    def dense(self, units: int, *, use_bias: bool = True, name: str) -> "Sketch":
        """Adds a `Dense` layer on the last axis.

        Args:
            units: Size of the last axis of its output.
            use_bias: Whether it has a bias.
            name: Name of the layer.
        """
        weights = [(self.shape[-1], units)] + ([(units,)] if use_bias else [])
        return self.layer("Dense", name, (*self.shape[:-1], units), weights)

    def batch_normalization(self, *, name: str) -> "Sketch":
        """Adds a `BatchNormalization` with scale and offset.

        Args:
            name: Name of the layer.
        """
        channels = self.shape[-1]
        return self.layer("BatchNormalization", name, self.shape, [(channels,)] * 4)

    def activation(self, function: str, *, name: str) -> "Sketch":
        """Adds an activation.

        Args:
            function: Its Keras name: "relu", "relu6", "softmax", ...
            name: Name of the layer.
        """
        return self.layer("Activation", name, self.shape, config=(function,))

    def _pool(
        self, kind: str, rank: int, size: int | Shape, strides: int | Shape, padding: str, name: str
    ) -> "Sketch":
        window, step, sizes = self._windows(rank, size, strides, padding)
        config = (window, step, padding)
        return self.layer(f"{kind}Pooling{rank}D", name, (*sizes, self.shape[-1]), config=config)

    def max_pooling2d(
        self,
        pool_size: int | tuple[int, int],
        *,
        strides: int | tuple[int, int],
        padding: str = "same",
        name: str,
    ) -> "Sketch":
        """Adds a `MaxPooling2D`.

        Args:
            pool_size: Integer or pair of integers, the height and width of the window.
            strides: Integer or pair of integers, likewise.
            padding: "same" or "valid".
            name: Name of the layer.

        Raises:
            ValueError: The input is not of shape (height, width, channels).
        """
        return self._pool("Max", 2, pool_size, strides, padding, name)

    def average_pooling2d(
        self,
        pool_size: int | tuple[int, int],
        *,
        strides: int | tuple[int, int],
        padding: str = "same",
        name: str,
    ) -> "Sketch":
        """Adds an `AveragePooling2D`; its arguments are those of `max_pooling2d`."""
        return self._pool("Average", 2, pool_size, strides, padding, name)

    def max_pooling1d(
        self, pool_size: int, *, strides: int, padding: str = "same", name: str
    ) -> "Sketch":
        """Adds a `MaxPooling1D`.

        Args:
            pool_size: Integer, the length of the window.
            strides: Integer.
            padding: "same" or "valid".
            name: Name of the layer.
        """
        return self._pool("Max", 1, pool_size, strides, padding, name)

    def average_pooling1d(
        self, pool_size: int, *, strides: int, padding: str = "same", name: str
    ) -> "Sketch":
        """Adds an `AveragePooling1D`; its arguments are those of `max_pooling1d`."""
        return self._pool("Average", 1, pool_size, strides, padding, name)

    def global_average_pooling2d(self, *, keepdims: bool = False, name: str) -> "Sketch":
        """Adds a `GlobalAveragePooling2D`.

        Args:
            keepdims: Whether the axes that it averages over stay, with one value each.
            name: Name of the layer.
        """
        return self._average("GlobalAveragePooling2D", keepdims, name)

    def global_average_pooling1d(self, *, keepdims: bool = False, name: str) -> "Sketch":
        """Adds a `GlobalAveragePooling1D`, with the arguments of `global_average_pooling2d`."""
        return self._average("GlobalAveragePooling1D", keepdims, name)

    def _average(self, kind: str, keepdims: bool, name: str) -> "Sketch":
        ones = (1,) * (len(self.shape) - 1) if keepdims else ()
        return self.layer(kind, name, (*ones, self.shape[-1]))

    def flatten(self, *, name: str) -> "Sketch":
        """Adds a `Flatten`.

        Args:
            name: Name of the layer.
        """
        return self.layer("Flatten", name, (math.prod(self.shape),))

    def dropout(self, rate: float, *, name: str) -> "Sketch":
        """Adds a `Dropout`, which inference drops.

        Args:
            rate: Float between 0 and 1.
            name: Name of the layer.
        """
        return self.layer("Dropout", name, self.shape, config=(rate,))

    def add(self, others: Sequence["Sketch"], *, name: str) -> "Sketch":
        """Adds an `Add` of this and the others.

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

    def multiply(self, other: "Sketch", *, name: str) -> "Sketch":
        """Adds a `Multiply` of this and another of the same shape, or of axes of length one.

        Args:
            other: Sketch of the same graph.
            name: Name of the layer.

        Raises:
            ValueError: A shape that does not fit.
        """
        fits = len(other.shape) == len(self.shape) and all(
            b in (a, 1) for a, b in zip(self.shape, other.shape, strict=True)
        )
        if not fits:
            raise ValueError(f"Cannot multiply shapes {self.shape} and {other.shape} in {name!r}")
        return self.layer("Multiply", name, self.shape, others=[other])

    def concatenate(self, others: Sequence["Sketch"], *, name: str) -> "Sketch":
        """Adds a `Concatenate` of this and the others on the last axis.

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
