"""Neural architecture search for Keras models that must fit a device."""

from kerasnas._version import __version__

__all__ = ["__version__"]
