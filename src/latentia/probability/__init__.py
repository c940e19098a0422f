"""Everything random: modules whose forward returns a `torch.distributions.Distribution`."""

from latentia.probability.bernoulli import Bernoulli, ContinuousBernoulli, bce
from latentia.probability.codes import CodeChoice, Coded, UniformChoice, UniformCodes, codes_drawn, codes_of
from latentia.probability.columns import Columns
from latentia.probability.delta import Delta
from latentia.probability.diffused import Diffused, DiffusionPrior
from latentia.probability.diffusion import Diffusion
from latentia.probability.discrepancy import discrepancy
from latentia.probability.divergence import factors, kl_per_dimension, path_log_prob
from latentia.probability.flows import (
    CouplingPrior,
    IAFPosterior,
    MAFPosterior,
    MAFPrior,
    SplinePosterior,
    SplinePrior,
)
from latentia.probability.fsq import FSQ
from latentia.probability.hierarchy import Hierarchy, Walked
from latentia.probability.hyperprior import Hyperprior
from latentia.probability.levels import (
    BetaBinomial,
    Categorical,
    DiscretisedLogistic,
    DiscretisedLogisticMixture,
)
from latentia.probability.likelihoods import (
    Gaussian,
    GaussianLearned,
    GaussianOptimal,
    Laplace,
    Likelihood,
    l1,
    mse,
)
from latentia.probability.lookup_free import LookupFree, SoftBits
from latentia.probability.mixtures import Mixture, MixturePrior, VampPrior
from latentia.probability.moving import Moving
from latentia.probability.noising import Schedule
from latentia.probability.observed import Observed, blended, entries, observed
from latentia.probability.pixels import PixelLogisticMixture
from latentia.probability.posteriors import (
    DeltaPosterior,
    DiagonalGaussian,
    FullGaussian,
    Posterior,
    SharedGaussian,
)
from latentia.probability.priors import ConditionalNormal, Prior, StandardNormal
from latentia.probability.quantisers import (
    EMACodebook,
    FiniteScalar,
    GumbelCodebook,
    Quantiser,
    ResidualCodebook,
)
from latentia.probability.rotation import RotationCodebook
from latentia.probability.rounded_priors import Cells, Factorised
from latentia.probability.rounding import Rounded, RoundedPosterior
from latentia.probability.scales import GaussianDiagonal, StudentT, StudentTDiagonal
from latentia.probability.solvers import Solver, Walk

__all__ = [
    "FSQ",
    "Bernoulli",
    "BetaBinomial",
    "Categorical",
    "Cells",
    "CodeChoice",
    "Coded",
    "Columns",
    "ConditionalNormal",
    "ContinuousBernoulli",
    "CouplingPrior",
    "Delta",
    "DeltaPosterior",
    "DiagonalGaussian",
    "Diffused",
    "Diffusion",
    "DiffusionPrior",
    "DiscretisedLogistic",
    "DiscretisedLogisticMixture",
    "EMACodebook",
    "Factorised",
    "FiniteScalar",
    "FullGaussian",
    "Gaussian",
    "GaussianDiagonal",
    "GaussianLearned",
    "GaussianOptimal",
    "GumbelCodebook",
    "Hierarchy",
    "Hyperprior",
    "IAFPosterior",
    "Laplace",
    "Likelihood",
    "LookupFree",
    "MAFPosterior",
    "MAFPrior",
    "Mixture",
    "MixturePrior",
    "Moving",
    "Observed",
    "PixelLogisticMixture",
    "Posterior",
    "Prior",
    "Quantiser",
    "ResidualCodebook",
    "RotationCodebook",
    "Rounded",
    "RoundedPosterior",
    "Schedule",
    "SharedGaussian",
    "SoftBits",
    "Solver",
    "SplinePosterior",
    "SplinePrior",
    "StandardNormal",
    "StudentT",
    "StudentTDiagonal",
    "UniformChoice",
    "UniformCodes",
    "VampPrior",
    "Walk",
    "Walked",
    "bce",
    "blended",
    "codes_drawn",
    "codes_of",
    "discrepancy",
    "entries",
    "factors",
    "kl_per_dimension",
    "l1",
    "mse",
    "observed",
    "path_log_prob",
]
