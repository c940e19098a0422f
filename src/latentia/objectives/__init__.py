"""Objectives: per example, in nats, unreduced. They read what a model computed and know no model."""

from latentia.objectives.base import Objective
from latentia.objectives.elbo import ELBO
from latentia.objectives.reconstruction import Reconstruction
from latentia.objectives.schedules import Constant, Cosine, Cyclical, Linear, Schedule
from latentia.objectives.vq import VQ

__all__ = [
    "ELBO",
    "VQ",
    "Constant",
    "Cosine",
    "Cyclical",
    "Linear",
    "Objective",
    "Reconstruction",
    "Schedule",
]
