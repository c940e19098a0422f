"""Everything random: modules whose forward returns a `torch.distributions.Distribution`."""

from latentia.probability.delta import Delta
from latentia.probability.divergence import kl_per_dimension
from latentia.probability.levels import Levels, Walked
from latentia.probability.likelihoods import (
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
    GaussianLearned,
    GaussianOptimal,
    Laplace,
    Likelihood,
    bce,
    l1,
    mse,
)
from latentia.probability.posteriors import DeltaPosterior, DiagonalGaussian, Posterior
from latentia.probability.priors import ConditionalNormal, Prior, StandardNormal

__all__ = [
    "Bernoulli",
    "ConditionalNormal",
    "ContinuousBernoulli",
    "Delta",
    "DeltaPosterior",
    "DiagonalGaussian",
    "Gaussian",
    "GaussianLearned",
    "GaussianOptimal",
    "Laplace",
    "Levels",
    "Likelihood",
    "Posterior",
    "Prior",
    "StandardNormal",
    "Walked",
    "bce",
    "kl_per_dimension",
    "l1",
    "mse",
]
