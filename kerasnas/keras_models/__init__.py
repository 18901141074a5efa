"""A built Keras model, read: its calls, its layers, its loss and metrics, its moving statistics."""
