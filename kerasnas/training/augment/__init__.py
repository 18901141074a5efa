"""Random changes of training samples that leave what they are: more data for small sets.

Every augmentation works on batches of numpy arrays, so it does not matter which backend trains.
"""

from kerasnas.training.augment.augmentation import Augmentation
from kerasnas.training.augment.images import Brightness, Contrast, Cutout, Flip, Rotate, Shift, Zoom
from kerasnas.training.augment.mixing import Mixup
from kerasnas.training.augment.series import (
    ChannelDrop,
    FrequencyMask,
    Jitter,
    Noise,
    Scale,
    TimeMask,
    TimeShift,
    TimeWarp,
)

__all__ = [
    "Augmentation",
    "Brightness",
    "ChannelDrop",
    "Contrast",
    "Cutout",
    "Flip",
    "FrequencyMask",
    "Jitter",
    "Mixup",
    "Noise",
    "Rotate",
    "Scale",
    "Shift",
    "TimeMask",
    "TimeShift",
    "TimeWarp",
    "Zoom",
]
