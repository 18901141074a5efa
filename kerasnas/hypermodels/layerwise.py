"""Layer-level space: every block of every stage is chosen on its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas.hypermodels.hypermodel import HyperModel
from kerasnas.hypermodels.hyperparameters import Hyperparameters, decide, scope
from kerasnas.hypermodels.layers import Tensor
from kerasnas.hypermodels.operations import parse


class LayerwiseHyperModel(HyperModel):
    """Stages of blocks, where depth, subsampling and every block's make-up are searched.

    A stage is `stage_0`, its depth `stage_0/depth`, its blocks `stage_0/block_0` and on. Each block
    decides its operation, kernel, expansion, width, activation, normalization and skip. The stage's
    subsampling stands at its first or its last block (`stage_1/downsample`). Two settings are the
    same network only where neighbouring stages share a width, and a block could stand in either;
    `kerasnas.Tuner` compares networks, and tries such a pair once.

    Args:
        input_shape: Shape of one sample: (height, width, channels), or (length, channels), which
            is searched with one-dimensional operations.
        num_classes: Number of classes.
        stages: Widths to choose from, one list a stage.
        blocks: Least and largest number of blocks a stage.
        strides: Subsampling of each stage.
        operations: Names of the operations of a block; "zero", "flatten" and "dense" are
            refused: no convolution could follow.
        activation: Activations to choose from.
        normalization: Normalizations to choose from.
        skip: Skips to choose from.
        **kwargs: Arguments of `kerasnas.HyperModel`.

    Raises:
        ValueError: Lists whose lengths do not agree, an unknown operation, or one that is refused.

    Source: the factorized space of MnasNet (Tan et al. 2019, arXiv:1807.11626, section 4.1), with
    every block on its own instead of one decision a stage.

    Example:

    >>> import keras_tuner, kerasnas as kn
    >>> space = kn.LayerwiseHyperModel((8, 8, 1), 10, stages=[(8, 16), (16, 32)], strides=(1, 2))
    >>> space.build(keras_tuner.HyperParameters()).output_shape
    (None, 10)
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        num_classes: int,
        *,
        stages: Sequence[Sequence[int]] = ((8, 16, 24), (16, 32, 48), (32, 64, 96)),
        blocks: tuple[int, int] = (1, 3),
        strides: Sequence[int] | None = None,
        operations: Sequence[str] = ("conv", "sepconv", "mbconv"),
        activation: Sequence[str] = ("relu", "relu6"),
        normalization: Sequence[str] = ("batch", "none"),
        skip: Sequence[str] = ("none", "add", "concatenate"),
        **kwargs: Any,
    ) -> None:
        super().__init__(input_shape, num_classes, **kwargs)
        if len(self.input_shape) not in (2, 3):
            raise ValueError(
                "Argument `input_shape` must be (height, width, channels) or (length, channels). "
                f"Received: input_shape={input_shape!r}"
            )
        strides = (1,) + (2,) * (len(stages) - 1) if strides is None else strides
        if not stages or len(strides) != len(stages):
            raise ValueError(
                "Arguments `stages` and `strides` must have the same length, of 1 or more. "
                f"Received: stages={stages!r}, strides={strides!r}"
            )
        if np.shape(blocks) != (2,) or not 1 <= blocks[0] <= blocks[1]:
            raise ValueError(
                "Argument `blocks` must be (least, largest) with 1 <= least <= largest. "
                f"Received: blocks={blocks!r}"
            )
        if any(parse(code)[0].name in ("zero", "flatten", "dense") for code in operations):
            raise ValueError(
                'Argument `operations` must not hold "zero", "flatten" or "dense": each ends the '
                f"chain of blocks that work on images. Received: operations={operations!r}"
            )
        self.stages, self.strides, self.blocks = stages, strides, blocks
        self.operations = operations
        self.activation, self.normalization, self.skip = activation, normalization, skip

    def body(self, hp: Hyperparameters, x: Tensor) -> Tensor:
        """Stack the stages of chosen blocks.

        Args:
            hp: Hyperparameters to decide with.
            x: What `stem` returned.

        Returns:
            The features, with the channels of the last block.
        """
        for s, (filters, stride) in enumerate(zip(self.stages, self.strides, strict=True)):
            stage = f"stage_{s}"
            least, largest = self.blocks
            depth = decide(hp, f"{stage}/depth", range(least, largest + 1))
            place = self._downsample(hp, stage, stride, depth)
            for i in self.repeat(hp, f"{stage}/depth", least, largest):
                x = self.choose(
                    hp,
                    f"{stage}/block_{i}",
                    self.operations,
                    filters=filters,
                    strides=stride if i == place else 1,
                    activation=self.activation,
                    normalization=self.normalization,
                    skip=self.skip,
                )(x)
        return x

    def _downsample(self, hp: Hyperparameters, stage: str, stride: int, depth: int) -> int:
        """Decides which block subsamples; a decision only where there are two or more."""
        least, largest = self.blocks
        if stride == 1 or largest == 1:
            return 0
        places, name = ["first", "last"], f"{stage}/downsample"
        if least > 1:
            return depth - 1 if decide(hp, name, places) == "last" else 0
        with scope(hp, f"{stage}/depth", range(2, largest + 1)):
            return depth - 1 if decide(hp, name, places) == "last" else 0
