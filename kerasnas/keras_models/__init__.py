"""Reads a built Keras model: its calls, layers, loss, metrics and moving statistics."""
