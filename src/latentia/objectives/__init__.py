"""Objectives: per example, in nats, unreduced. They read what a model computed and know no model."""

from latentia.objectives.base import Objective
from latentia.objectives.elbo import ELBO
from latentia.objectives.masked import MaskedReconstruction
from latentia.objectives.reconstruction import Reconstruction
from latentia.objectives.schedules import Constant, Cosine, Cyclical, Linear, Schedule
from latentia.objectives.semi_supervised import SemiSupervised

__all__ = [
    "ELBO",
    "Constant",
    "Cosine",
    "Cyclical",
    "Linear",
    "MaskedReconstruction",
    "Objective",
    "Reconstruction",
    "Schedule",
    "SemiSupervised",
]
