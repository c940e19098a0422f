"""Everything random: modules whose forward returns a `torch.distributions.Distribution`."""

from latentia.probability.codes import CodeChoice, Coded, UniformChoice, UniformCodes, codes_of
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
    "CouplingPrior",
    "Delta",
    "DeltaPosterior",
    "DiagonalGaussian",
    "EMACodebook",
    "FiniteScalar",
    "FullGaussian",
    "Gaussian",
    "GaussianLearned",
    "GaussianOptimal",
    "GumbelCodebook",
    "IAFPosterior",
    "Laplace",
    "Likelihood",
    "MAFPosterior",
    "MAFPrior",
    "Mixture",
    "MixturePrior",
    "Posterior",
    "Prior",
    "Quantiser",
    "ResidualCodebook",
    "SplinePosterior",
    "SplinePrior",
    "StandardNormal",
    "UniformChoice",
    "UniformCodes",
    "VampPrior",
    "bce",
    "codes_of",
    "kl_per_dimension",
    "l1",
    "mse",
]
