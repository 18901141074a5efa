"""How a model leaves: conversion, verification, and all that goes to the device with the file."""

from kerasnas.export.bundle import Origin, data_hash, write
from kerasnas.export.c_array import c_array
from kerasnas.export.conversion import to_tflite
from kerasnas.export.fidelity import WrongFileError
from kerasnas.export.host_latency import HostLatency, LatencyMeasurement, measure_latency
from kerasnas.export.mixed import quantization_errors, to_mixed_tflite
from kerasnas.export.tables import compress_tables
from kerasnas.export.verification import Verification, verify
from kerasnas.tflite.interpreter import Interpreter
from kerasnas.tflite.metadata import add_metadata, read_metadata
from kerasnas.tflite.metadata_schema import Metadata, TensorInfo

__all__ = [
    "HostLatency",
    "Interpreter",
    "LatencyMeasurement",
    "Metadata",
    "Origin",
    "TensorInfo",
    "Verification",
    "WrongFileError",
    "add_metadata",
    "c_array",
    "compress_tables",
    "data_hash",
    "measure_latency",
    "quantization_errors",
    "read_metadata",
    "to_mixed_tflite",
    "to_tflite",
    "verify",
    "write",
]
