"""The Kullback-Leibler divergence, dimension by dimension."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution, Independent, kl_divergence

from latentia.probability.levels import Levels


def kl_per_dimension(q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    r"""Split KL(q || p) = E_q[log q(z) - log p(z)] over the dimensions of z, in nats.

    Exact where both are products over dimensions with a closed form. Of two joint distributions of levels,
    each level's divergence is exact given the levels above it, and those are the samples':
    KL = sum_l E_{q(z_<l)} KL(q(z_l|z_<l) || p(z_l|z_<l)), averaged over the samples. Else it is the Monte
    Carlo estimate over the samples z, which cannot be split and comes as one dimension.

    Args:
        q: the posterior, batch shape `(B,)`.
        p: the prior, broadcastable against it.
        z: samples of q, shape `(S, B, *latent)`.

    Returns:
        Shape `(B, *latent)`, or `(B, 1)` for the estimate.
    """
    if isinstance(q, Levels) and isinstance(p, Levels):
        return kl_divergence(q.given(z), p.given(z)).mean(dim=0)
    if isinstance(q, Independent) and isinstance(p, Independent):
        try:
            return kl_divergence(q.base_dist, p.base_dist)
        except NotImplementedError:  # no closed form for this pair
            return _estimate(q, p, z)
    return _estimate(q, p, z)


def _estimate(q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    return (q.log_prob(z) - p.log_prob(z)).mean(dim=0).unsqueeze(-1)
