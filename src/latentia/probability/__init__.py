"""Everything random: modules whose forward returns a `torch.distributions.Distribution`."""

from latentia.probability.delta import Delta
from latentia.probability.discrepancy import discrepancy
from latentia.probability.divergence import factors, kl_per_dimension, path_log_prob
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
    "Likelihood",
    "Posterior",
    "Prior",
    "StandardNormal",
    "bce",
    "discrepancy",
    "factors",
    "kl_per_dimension",
    "l1",
    "mse",
    "path_log_prob",
]
