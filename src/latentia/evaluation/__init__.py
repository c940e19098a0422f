"""A run assessed: every figure of the evaluation that its data allow, and a diagnosis."""

from latentia.evaluation.assess import all_known, assess, latest
from latentia.evaluation.records import TOPICS, Assessment, Settings
from latentia.metrics.diagnosis import Finding

__all__ = ["TOPICS", "Assessment", "Finding", "Settings", "all_known", "assess", "latest"]
