"""Everything random: modules whose forward returns a `torch.distributions.Distribution`."""

from latentia.probability.codes import CodeChoice, Coded, UniformChoice, UniformCodes
from latentia.probability.delta import Delta
from latentia.probability.divergence import kl_per_dimension
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
from latentia.probability.quantisers import (
    EMACodebook,
    FiniteScalar,
    GumbelCodebook,
    Quantiser,
    ResidualCodebook,
)

__all__ = [
    "Bernoulli",
    "CodeChoice",
    "Coded",
    "ConditionalNormal",
    "ContinuousBernoulli",
    "Delta",
    "DeltaPosterior",
    "DiagonalGaussian",
    "EMACodebook",
    "FiniteScalar",
    "Gaussian",
    "GaussianLearned",
    "GaussianOptimal",
    "GumbelCodebook",
    "Laplace",
    "Likelihood",
    "Posterior",
    "Prior",
    "Quantiser",
    "ResidualCodebook",
    "StandardNormal",
    "UniformChoice",
    "UniformCodes",
    "bce",
    "kl_per_dimension",
    "l1",
    "mse",
]
