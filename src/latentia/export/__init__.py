"""Trained models for other programs: ONNX graphs, and the folder that a hub of models takes."""

from latentia.export.onnx import write_onnx
from latentia.export.targets import TARGETS

__all__ = ["TARGETS", "write_onnx"]
