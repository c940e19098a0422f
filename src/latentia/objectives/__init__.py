"""Objectives: per example, in nats, unreduced. They read what a model computed and know no model."""

from latentia.objectives.adversarial import Adversarial
from latentia.objectives.adversary import Adversary
from latentia.objectives.base import Objective
from latentia.objectives.capacity import Capacity
from latentia.objectives.code_entropy import CodeEntropy
from latentia.objectives.control_vae import ControlVAE
from latentia.objectives.density import Density
from latentia.objectives.elbo import ELBO
from latentia.objectives.function import LossFunction, PassFunction
from latentia.objectives.geco import GECO
from latentia.objectives.iwae import BOUND, IWAE, DReG, StickingTheLanding
from latentia.objectives.masked import MaskedReconstruction
from latentia.objectives.mmd import WAE, InfoVAE
from latentia.objectives.perceptual import MultiScaleSSIM, Perceptual
from latentia.objectives.rate_distortion import RateDistortion
from latentia.objectives.reconstruction import Reconstruction
from latentia.objectives.regularised import Regularised
from latentia.objectives.schedules import Constant, Cosine, Cyclical, Linear, Schedule
from latentia.objectives.semi_supervised import SemiSupervised
from latentia.objectives.temporal import Temporal
from latentia.objectives.total_correlation import BetaTC, FactorVAE
from latentia.objectives.vq import VQ
from latentia.objectives.wrapper import Wrapper

__all__ = [
    "BOUND",
    "ELBO",
    "GECO",
    "IWAE",
    "VQ",
    "WAE",
    "Adversarial",
    "Adversary",
    "BetaTC",
    "Capacity",
    "CodeEntropy",
    "Constant",
    "ControlVAE",
    "Cosine",
    "Cyclical",
    "DReG",
    "Density",
    "FactorVAE",
    "InfoVAE",
    "Linear",
    "LossFunction",
    "MaskedReconstruction",
    "MultiScaleSSIM",
    "Objective",
    "PassFunction",
    "Perceptual",
    "RateDistortion",
    "Reconstruction",
    "Regularised",
    "Schedule",
    "SemiSupervised",
    "StickingTheLanding",
    "Temporal",
    "Wrapper",
]
