"""Reads, describes and runs `.tflite` files, and corrects what the converter gets wrong."""
