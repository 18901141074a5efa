"""How a model leaves: TensorFlow Lite conversion and the interpreter that verifies it."""
