"""A run assessed: every figure of the evaluation that its data allow, and a diagnosis."""

from latentia.assessment.assess import assess
from latentia.assessment.records import TOPICS, Assessment, Settings
from latentia.evaluation.diagnosis import Finding

__all__ = ["TOPICS", "Assessment", "Finding", "Settings", "assess"]
