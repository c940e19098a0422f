"""Everything random: modules whose forward returns a `torch.distributions.Distribution`."""

from latentia.probability.delta import Delta
from latentia.probability.divergence import kl_per_dimension
from latentia.probability.flows import (
    CouplingPrior,
    IAFPosterior,
    MAFPosterior,
    MAFPrior,
    SplinePosterior,
    SplinePrior,
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
from latentia.probability.mixtures import Mixture, MixturePrior, VampPrior
from latentia.probability.posteriors import DeltaPosterior, DiagonalGaussian, FullGaussian, Posterior
from latentia.probability.priors import ConditionalNormal, Prior, StandardNormal

__all__ = [
    "Bernoulli",
    "ConditionalNormal",
    "ContinuousBernoulli",
    "CouplingPrior",
    "Delta",
    "DeltaPosterior",
    "DiagonalGaussian",
    "FullGaussian",
    "Gaussian",
    "GaussianLearned",
    "GaussianOptimal",
    "IAFPosterior",
    "Laplace",
    "Likelihood",
    "MAFPosterior",
    "MAFPrior",
    "Mixture",
    "MixturePrior",
    "Posterior",
    "Prior",
    "SplinePosterior",
    "SplinePrior",
    "StandardNormal",
    "VampPrior",
    "bce",
    "kl_per_dimension",
    "l1",
    "mse",
]
