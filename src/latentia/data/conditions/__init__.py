"""Conditions: what a conditional model is told of an example beside its data."""

from latentia.data.conditions.base import Condition, ConditionRows, as_condition_rows
from latentia.data.conditions.labels import Labels, SomeLabels
from latentia.data.conditions.numbers import Factors, Vectors

__all__ = ["Condition", "ConditionRows", "Factors", "Labels", "SomeLabels", "Vectors", "as_condition_rows"]
