"""The base of all hypermodels: stem, body, head and compile, joined by build."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import keras_tuner

from kerasnas.hardware.graph import Graph
from kerasnas.hardware.sketch import Sketch
from kerasnas.hypermodels import layers
from kerasnas.hypermodels.block import Block, choose
from kerasnas.hypermodels.declaring import NotSymbolicError, compile_nothing, declared_by
from kerasnas.hypermodels.hyperparameters import (
    FixedHyperParameters,
    Hyperparameters,
    repeated,
)
from kerasnas.hypermodels.layers import Tensor
from kerasnas.hypermodels.losses import check_loss, check_names, default_loss
from kerasnas.hypermodels.operations import UnknownOperation
from kerasnas.hypermodels.recipe import read_recipe
from kerasnas.hypermodels.trainer import Trainer, check_training, warn_of_own_parts
from kerasnas.hypermodels.training import Training
from kerasnas.runtime.arguments import check_integer, check_sizes


class HyperModel(keras_tuner.HyperModel):
    """A space of Keras models, made of a stem, a body, a head and a compilation.

    Override `body`, and any of the others; `build` joins them. As long as they use only `choose`,
    `repeat` and `kerasnas.hypermodels.layers`, the space is declared and a proposal's cost is known
    without building a model. Raw Keras layers work too; then models are built to find out.

    A subclass may add `recipe(self, hp)`, which returns a list of compression steps such as
    `[kn.Prune(hp.Choice("sparsity", [0.5, 0.8])), kn.Quantize("int8")]`. A search for the best file
    (`objective="val_tflite_accuracy"`) compresses each trained model with it, and searches what it
    reads from `hp` too. A budget judges the network as it is before compression.

    A subclass may override `build` itself, as one of `keras_tuner.HyperModel` does. It then needs
    no arguments, and models are built to find its space and their costs.

    Args:
        input_shape: Shape of one sample, without the batch. Only a subclass that overrides `build`
            may leave it out.
        num_classes: Number of classes; likewise.
        stem_filters: Width of the stem's convolution on images, a number or a list to search.
        learning_rate: Constant rate of Adam, a number or a list to search, instead of `training`.
        loss: Loss to compile with; None for the cross-entropy of integer classes, or of yes and no
            where there is one class. It must fit the probabilities that `head` gives, unless a
            subclass has a `head` or a `compile` of its own.
        metrics: Metrics to compile with.
        training: A `kerasnas.Training`: optimizer, learning rate, augmentation and the rest, each
            fixed or searched. By default `Training()`: Adam, whose rate warms up and then falls to
            zero at the end of a trial. A `compile`, `build` or `fit` of a subclass wins over it.
        name: Name of the hypermodel.
        tunable: Whether its hyperparameters join the search space.

    Raises:
        TypeError: The shape or the number of classes is missing, and `build` needs them.
        ValueError: A shape or a number of classes that is not positive, a loss that does not fit
            the head, an augmentation that does not fit the shape, or what is given twice.

    Example:

    >>> import keras_tuner, kerasnas as kn
    >>> class MyNet(kn.HyperModel):
    ...     def body(self, hp, x):
    ...         for i in self.repeat(hp, "depth", 2, 6):
    ...             x = self.choose(hp, f"block_{i}", ["conv3x3", "sepconv5x5", "mbconv3x3_e3"])(x)
    ...         return x
    >>> MyNet((28, 28, 1), 10).build(keras_tuner.HyperParameters()).output_shape
    (None, 10)
    """

    # Also of a subclass whose constructor does not call this one.
    learning_rate: float | Sequence[float] | None = None
    loss: Any = None
    training: Training | None = None
    tunable: bool = True

    def __init__(
        self,
        input_shape: Sequence[int] | None = None,
        num_classes: int | None = None,
        *,
        stem_filters: int | Sequence[int] = 16,
        learning_rate: float | Sequence[float] | None = None,
        loss: Any = None,
        metrics: Sequence[Any] = ("accuracy",),
        training: Training | None = None,
        name: str | None = None,
        tunable: bool = True,
    ) -> None:
        super().__init__(name=name, tunable=tunable)
        self.stem_filters, self.metrics = stem_filters, list(metrics)
        self.learning_rate, self.loss = learning_rate, loss
        check_training(type(self).__name__, training, learning_rate, loss)
        self.training = training
        if training is not None:
            compiles = type(self).compile is HyperModel.compile and not self._builds_itself()
            warn_of_own_parts(type(self).__name__, compiles, type(self).fit is HyperModel.fit)
        if input_shape is None and num_classes is None and self._builds_itself():
            return
        if input_shape is None or num_classes is None:
            raise TypeError(
                f"{type(self).__name__} needs the arguments `input_shape` and `num_classes`, "
                "unless it overrides `build(self, hp)`. "
                f"Received: input_shape={input_shape!r}, num_classes={num_classes!r}"
            )
        check_integer("num_classes", num_classes, least=1)
        self.input_shape, self.num_classes = check_sizes("input_shape", input_shape), num_classes
        self.loss = default_loss(num_classes) if loss is None else loss
        self.trainer.check_augmentation(self.input_shape)
        if type(self).compile is HyperModel.compile:
            for one in self.trainer.training.alternatives("loss"):
                self.check_loss(self.loss if one is None else one)

    def stem(self, hp: Hyperparameters, x: Tensor) -> Tensor:
        """Makes the first layers: a convolution with a kernel of 3; none where samples are vectors.

        Override it to begin a network in another way.

        Args:
            hp: Hyperparameters to decide with.
            x: The input, of shape `(batch, *input_shape)`: a Keras tensor, or a
                `kerasnas.hardware.Sketch` where only the cost is asked for.

        Returns:
            The tensor that `body` takes.
        """
        if len(layers.shape_of(x)) == 1:
            return x
        return self.choose(hp, "stem", ["conv3x3"], filters=self.stem_filters)(x)

    def body(self, hp: Hyperparameters, x: Tensor) -> Tensor:
        """Makes the layers that are searched. Every subclass overrides it, or `build`.

        Args:
            hp: Hyperparameters to decide with.
            x: What `stem` returned: a Keras tensor or a `kerasnas.hardware.Sketch`.

        Returns:
            The tensor that `head` takes.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must override `body(self, hp, x)`, or `build(self, hp)`"
        )

    def head(self, hp: Hyperparameters, x: Tensor) -> Tensor:
        """Makes the last layers: global average pooling and a softmax (sigmoid for 1 class).

        Override it for another task, such as a regression.

        Args:
            hp: Hyperparameters to decide with.
            x: What `body` returned: a Keras tensor or a `kerasnas.hardware.Sketch`.

        Returns:
            The output of the network; here of shape (batch, num_classes).
        """
        if len(layers.shape_of(x)) in (2, 3):
            x = layers.global_average_pooling(x, name="head_pool")
        elif len(layers.shape_of(x)) > 1:
            x = layers.flatten(x, name="head_flatten")
        x = layers.dense(x, self.num_classes, name="head_dense")
        return layers.activate(x, "softmax" if self.num_classes > 1 else "sigmoid", name="head_out")

    def compile(self, hp: Hyperparameters, model: keras.Model) -> None:
        """Compiles the model: optimizer and loss of the training, metrics of the constructor.

        Override it for an optimizer of your own, or to search more. The rate is constant here: its
        schedule begins with `fit`, which knows how long the training is.

        Args:
            hp: Hyperparameters to decide with.
            model: The built model. Where the space is declared without building one, it is an
                object that has nothing but `compile`.
        """
        optimizer, loss = self.trainer.optimizer_and_loss(hp)
        model.compile(optimizer=optimizer, loss=loss, metrics=list(self.metrics))

    def fit(
        self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any
    ) -> Any:
        """Trains a model as the `training` of the constructor says; override it for another way.

        Args:
            hp: The hyperparameters that the model was built with.
            model: What `build` returned.
            *args: Positional arguments of `keras.Model.fit`.
            **kwargs: Its other arguments.

        Returns:
            What the model's `fit` returned.

        Raises:
            ValueError: The training does not fit the data or the model.
        """
        return self.trainer.fit(hp if self.tunable else hp.copy(), model, args, kwargs)

    @property
    def trainer(self) -> Trainer:
        """What compiles and trains the models."""
        return Trainer(self.training, self.learning_rate, self.loss)

    def check_loss(self, loss: Any) -> None:
        """Refuses a loss that Keras does not know, or that does not fit the head.

        A subclass that overrides `head` or `build` may have any loss that Keras knows: what fits
        its outputs is its own affair.

        Args:
            loss: As `keras.Model.compile` takes it.

        Raises:
            ValueError: The loss does not fit, or there is none of this name; the message says what
                to do.
        """
        if self._builds_itself():
            return
        check_names(loss)
        if type(self).head is HyperModel.head:
            check_loss(loss, self.num_classes)

    def build(self, hp: Hyperparameters) -> keras.Model:
        """Builds and compiles the model that the hyperparameters describe.

        Args:
            hp: Any `keras_tuner.HyperParameters`.

        Returns:
            A compiled Keras model.

        Raises:
            ValueError: The operations do not fit together, or `body` returned None, as it does
                where "zero" cuts the network.
        """
        inputs = keras.Input(self.input_shape, name="input")
        model = keras.Model(inputs, self._join(hp, inputs), name="network")
        self.compile(hp, model)
        return model

    def sketch(self, hp: Hyperparameters) -> Graph:
        """Describes the model that `build` would make, without making it.

        Args:
            hp: Hyperparameters, or `kerasnas.hypermodels.FixedHyperParameters` values.

        Returns:
            The graph of its layers, shapes and weights.

        Raises:
            NotSymbolicError: A part of it uses raw Keras layers, or overrides `build`.
            ValueError: An unknown operation.
        """
        if self._builds_itself():
            # It may build anything, whatever the other parts say.
            raise NotSymbolicError(f"{type(self).__name__} overrides build")
        start = Sketch.input(self.input_shape)
        try:
            end = self._join(hp, start)
        except UnknownOperation:
            raise
        except Exception as error:
            raise NotSymbolicError(f"{type(error).__name__}: {error}") from error
        start.graph.outputs = (end.index,)
        return start.graph

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Declares the whole space without building a model, where the parts allow it.

        KerasTuner calls this before its first build. A hypermodel that cannot be sketched declares
        nothing here: the tuner builds models to find its space.

        Args:
            hp: Where to declare it.
        """
        with contextlib.suppress(NotSymbolicError):
            self.declare(hp)

    def declare(self, hp: keras_tuner.HyperParameters) -> None:
        """Declares the whole space without building a model.

        Args:
            hp: Where to declare it; its values are left as they were, defaults filled in.

        Raises:
            NotSymbolicError: A part of the hypermodel uses raw Keras layers.
        """

        def visit(declared: keras_tuner.HyperParameters) -> None:
            self.sketch(declared)
            compile_nothing(self.compile, declared)
            self.trainer.training.fitted(declared)
            read_recipe(self, declared)

        hp.merge(declared_by(visit), overwrite=False)

    def training_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Tells which of the values `compile` and `fit` read.

        Args:
            values: Value of each hyperparameter by name.

        Returns:
            The values read, by name.

        Raises:
            NotSymbolicError: `compile` needs a real model.
        """
        hp = FixedHyperParameters(values)
        compile_nothing(self.compile, hp)
        self.trainer.training.fitted(hp)
        return {name: value for name, value in hp.read.items() if name in values}

    def _builds_itself(self) -> bool:
        return type(self).build is not HyperModel.build

    def _build_wrapper(self, hp: Hyperparameters, *args: Any, **kwargs: Any) -> Any:
        """What KerasTuner's constructor puts in the place of `build` (1.4.8, hypermodel.py:105)."""
        model = super()._build_wrapper(hp, *args, **kwargs)
        if self.tunable:  # A build does not read what `fit` will, and a search must know both.
            self.trainer.training.fitted(hp)
        return model

    def _join(self, hp: Hyperparameters, inputs: Tensor) -> Tensor:
        x = self.body(hp, self.stem(hp, inputs))
        if x is None:
            raise ValueError(
                f"{type(self).__name__}.body returned None: it lacks a return, or the operation "
                "'zero' cut the network; use 'zero' only where edges are added up"
            )
        return self.head(hp, x)

    def choose(
        self,
        hp: Hyperparameters,
        name: str,
        operations: Sequence[str],
        *,
        filters: int | Sequence[int] | None = None,
        strides: int = 1,
        activation: str | Sequence[str] = "relu",
        normalization: str | Sequence[str] = "batch",
        skip: str | Sequence[str] = "none",
        order: str = "post",
        share: str | None = None,
    ) -> Block:
        """Chooses an operation and how it is wired; what is given as a list is searched.

        The operation is the hyperparameter `name`; the rest are `name/kernel`, `name/filters` and
        so on, active only where the chosen operation heeds them. Layers are named after `name`,
        so that the same place has the same name in every model.

        Args:
            hp: Hyperparameters.
            name: Name of the block.
            operations: Names such as "conv3x3" or "mbconv5x5_e6"; a parameter that a name leaves
                out ("conv", "mbconv3x3") is searched.
            filters: Width of the output; None keeps that of the input.
            strides: Subsampling of height and width.
            activation: "relu", "relu6" or "hard_silu"; any Keras activation works, these quantize
                well.
            normalization: "batch" or "none".
            skip: "none", "add" or "concatenate": how the input joins the output. Where their
                shapes differ, the input goes through a 1×1 convolution first.
            order: "post" for convolution-normalization-activation, "pre" for
                activation-convolution-normalization.
            share: Name under which the decisions are made. Blocks that share it are the same
                module, each with weights of its own; `name` when None.

        Returns:
            A block to call on a tensor.

        Raises:
            ValueError: An unknown operation or setting.
        """
        wiring = {"activation": activation, "normalization": normalization, "skip": skip}
        decisions = {"filters": filters, **wiring}
        return choose(hp, name, operations, decisions, strides=strides, order=order, share=share)

    def repeat(self, hp: Hyperparameters, name: str, minimum: int, maximum: int) -> Iterator[int]:
        """Counts a searched number of times, with a conditional scope around each turn.

        Args:
            hp: Hyperparameters.
            name: Name of the hyperparameter that holds the number.
            minimum: Least number of turns.
            maximum: Largest number of turns.

        Yields:
            0, 1, ... for as many turns as the hyperparameter says. What is declared in a turn is
            active only when that turn takes place.

        Raises:
            ValueError: `minimum` is negative or above `maximum`.
        """
        return repeated(hp, name, minimum, maximum)
