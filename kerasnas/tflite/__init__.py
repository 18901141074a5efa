"""A `.tflite` file: read, described, run by an interpreter, and put right after conversion."""
