"""Conditions: what a conditional model is told of an example beside its data."""

from latentia.data.conditions.base import Condition, Told, as_told
from latentia.data.conditions.labels import Labels, SomeLabels
from latentia.data.conditions.numbers import Factors, Vectors

__all__ = ["Condition", "Factors", "Labels", "SomeLabels", "Told", "Vectors", "as_told"]
