"""Everything random: modules whose forward returns a `torch.distributions.Distribution`."""

from latentia.probability.delta import Delta
from latentia.probability.divergence import kl_per_dimension
from latentia.probability.levels import (
    BetaBinomial,
    Categorical,
    DiscretisedLogistic,
    DiscretisedLogisticMixture,
)
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
from latentia.probability.scales import GaussianDiagonal, StudentT, StudentTDiagonal

__all__ = [
    "Bernoulli",
    "BetaBinomial",
    "Categorical",
    "ConditionalNormal",
    "ContinuousBernoulli",
    "Delta",
    "DeltaPosterior",
    "DiagonalGaussian",
    "DiscretisedLogistic",
    "DiscretisedLogisticMixture",
    "Gaussian",
    "GaussianDiagonal",
    "GaussianLearned",
    "GaussianOptimal",
    "Laplace",
    "Likelihood",
    "Posterior",
    "Prior",
    "StandardNormal",
    "StudentT",
    "StudentTDiagonal",
    "bce",
    "kl_per_dimension",
    "l1",
    "mse",
]
