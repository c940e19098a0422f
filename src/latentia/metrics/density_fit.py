"""The rate divided by a density fitted to latents, which no number of examples caps."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from latentia.core.types import LatentModel
from latentia.metrics.aggregate import Split, own_density, some
from latentia.metrics.encoded import Codes
from latentia.metrics.figures import Unmeasurable

CANDIDATES = (
    (1, "full"), (5, "full"), (10, "full"), (20, "full"), (40, "full"), (20, "diag"), (60, "diag"),
)  # fmt: skip
"""Numbers of Gaussians and the kind of their covariances, one of which is chosen beside the prior."""
WIDEST, FITTED = 128, 6000
"""Dimensions of a latent, and latents that a density is fitted to, at the most."""
FEWEST = 100
"""Examples at the least, half of which are fitted to."""
SHARE = 0.8
"""Of the latents that are fitted to, those that a candidate sees; it is chosen by the others."""
Density = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FittedSplit:
    """The rate divided with a density r(z) in the place of q(z), one value for each held-out latent, in nats.

    E_q log r <= E_q log q, so that in expectation the first is too large and the others too small, each by
    KL(q || r); nothing else is wrong with them.

    Attributes:
        mutual_information: log q(z|x) - log r(z), shape `(M,)`.
        aggregate_kl: log r(z) - log p(z).
        total_correlation: log r(z) - sum_j log q(z_j); None where the marginals are unknown.
        density: what r is.
        fitted: how many latents it was fitted to.
    """

    mutual_information: np.ndarray
    aggregate_kl: np.ndarray
    total_correlation: np.ndarray | None
    density: str
    fitted: int


@torch.no_grad()
def fitted_split(model: LatentModel, codes: Codes, split: Split | None, seed: int = 0) -> FittedSplit:
    r"""Divide the aggregate rate by a density that is fitted to some latents and scored on others.

    Whichever of the prior, a Gaussian and mixtures of Gaussians says most of latents that it has not seen.

    Args:
        model: gives the prior.
        codes: the posteriors and a latent of each.
        split: the rate divided by the mixture of all posteriors, with the same seed, where there is such.
        seed: seed of which latents are held out, and of the fits.

    Returns:
        The parts for each latent held out.

    Raises:
        Unmeasurable: if the posterior has no density, the prior depends on the condition, or there are too
            few examples for their dimensions.
    """
    prior = model.prior(codes.c)
    if prior.batch_shape:
        raise Unmeasurable("the prior depends on the condition")
    if model.coder is not None:
        raise Unmeasurable("latents are codes, which have probabilities and no density")
    z = codes.drawn.double().flatten(1).cpu().numpy()
    least = max(FEWEST, 8 * z.shape[1])
    if len(z) < least or z.shape[1] > WIDEST:
        raise Unmeasurable(
            f"a density of {z.shape[1]} dimensions is not fitted to latents of {len(z):,} examples: it needs "
            f"{least:,} examples, and {WIDEST} dimensions at the most"
        )
    chosen = some(codes, len(codes), seed)
    own, below = own_density(codes, chosen), prior.log_prob(codes.drawn).double().cpu().numpy()
    if not torch.isfinite(own).all():
        raise Unmeasurable("the posterior is a point, as an autoencoder's is, and has no density")
    rng = np.random.default_rng([seed, 3])
    places = rng.permutation(len(chosen))[: len(codes) // 2]  # of the chosen, those that stay held out
    positions = chosen.cpu().numpy()[places]
    rest = rng.permutation(np.setdiff1d(np.arange(len(z)), positions))[:FITTED]
    name, density = _best(z[rest], below[rest], seed)
    told = below[positions] if density is None else density(z[positions])
    marginals = None if split is None or split.marginals is None else split.marginals[places]
    return FittedSplit(
        own.cpu().numpy()[places] - told,
        told - below[positions],
        None if marginals is None else told - marginals,
        name,
        len(rest),
    )


def _best(z: np.ndarray, below: np.ndarray, seed: int) -> tuple[str, Density | None]:
    """Fit what says most of latents that it has not seen: no density where that is the prior."""
    from threadpoolctl import threadpool_limits

    seen = int(SHARE * len(z))
    needs = {"full": 2 * z.shape[1], "diag": 8}  # latents for each Gaussian
    candidates = [each for each in CANDIDATES if each[0] * needs[each[1]] <= seen]
    with threadpool_limits(1, user_api="blas"):
        scores = {each: float(_mixture(z[:seen], *each, seed)(z[seen:]).mean()) for each in candidates}
        best = max(scores, key=lambda each: scores[each])
        if scores[best] <= float(below[seen:].mean()):
            return "the prior, which no Gaussian and no mixture of Gaussians surpassed", None
        name = "a Gaussian" if best[0] == 1 else f"a mixture of {best[0]} Gaussians"
        return name, _mixture(z, *best, seed)


def _mixture(z: np.ndarray, components: int, kind: str, seed: int) -> Density:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    floor = 1e-6 * float(z.var(axis=0).mean()) + 1e-300  # of the variances, so that latents may have any unit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what is fitted is judged by held-out latents
        return (
            GaussianMixture(components, covariance_type=kind, random_state=seed, reg_covar=floor)
            .fit(z)
            .score_samples
        )
