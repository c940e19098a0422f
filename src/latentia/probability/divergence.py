"""The Kullback-Leibler divergence, dimension by dimension, and a density along the path of its samples."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import (
    Distribution,
    Independent,
    MultivariateNormal,
    Normal,
    kl_divergence,
    register_kl,
)

from latentia.probability.hierarchy import Hierarchy


def kl_per_dimension(q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    r"""Split KL(q || p) = E_q[log q(z) - log p(z)] over the dimensions of z, in nats.

    Exact and split where both are products over dimensions with a closed form. Where only the whole has
    one, as for a Gaussian with full covariance, it comes as one dimension; else the Monte Carlo
    estimate over the samples z does. Of two hierarchies each level's is exact given the levels above it,
    sum_l E_{q(z_<l)} KL(q(z_l|z_<l) || p(z_l|z_<l)), and those levels are the samples'. Where q goes up and p
    down, a number's share is the estimate log q(z_l|z_>l) - log p(z_l|z_<l), which may be negative.

    Args:
        q: the posterior, batch shape `(B,)`.
        p: the prior, broadcastable against it.
        z: samples of q, shape `(S, B, *latent)`.

    Returns:
        Shape `(B, *latent)`, or `(B, 1)` for what cannot be split.
    """
    if isinstance(q, Hierarchy) and isinstance(p, Hierarchy):
        if q.upward != p.upward:
            return (q.given(z).log_prob(z) - p.given(z).log_prob(z)).mean(dim=0)
        return kl_divergence(q.given(z), p.given(z)).mean(dim=0)
    try:
        if isinstance(q, Independent) and isinstance(p, Independent):
            return kl_divergence(q.base_dist, p.base_dist)
        return kl_divergence(q, p).unsqueeze(-1)
    except NotImplementedError:  # no closed form for this pair
        return (q.log_prob(z) - p.log_prob(z)).mean(dim=0).unsqueeze(-1)


@register_kl(MultivariateNormal, Independent)
def _kl_full_diagonal(q: MultivariateNormal, p: Independent) -> Tensor:
    r"""KL(N(m, L L^T) || N(mu, diag(s^2))), with (L L^T)_dd the squared length of row d of L."""
    normal = p.base_dist
    if not isinstance(normal, Normal) or len(p.event_shape) != 1:
        raise NotImplementedError
    factor = q.scale_tril
    square = factor.square().sum(dim=-1) + (q.loc - normal.loc).square()
    each = 0.5 * (square / normal.scale.square() - 1) + normal.scale.log()
    return (each - factor.diagonal(dim1=-2, dim2=-1).log()).sum(dim=-1)


def factors(distribution: Distribution) -> Distribution:
    """Give the distribution of single dimensions of one that is a product over them.

    Args:
        distribution: the product.

    Returns:
        A distribution whose batch shape has the latent's dimensions.

    Raises:
        TypeError: if it is not an `Independent`.
    """
    if not isinstance(distribution, Independent):
        raise TypeError(f"{type(distribution).__name__} is no product over dimensions")
    return distribution.base_dist


def path_log_prob(q: Distribution, z: Tensor) -> Tensor:
    r"""Give log q(z) with a gradient through z alone, as if the parameters of q were constants.

    It needs nothing of q but a density that can be differentiated by z: log q and its derivative are
    computed at a copy of z, and put back as log q + (z - z) * (d log q / dz).

    Args:
        q: the posterior, batch shape `(B,)`.
        z: samples of it, shape `(S, B, *latent)`, with their own path to the parameters.

    Returns:
        Shape `(S, B)`, in nats.
    """
    if not (torch.is_grad_enabled() and z.requires_grad):
        return q.log_prob(z)
    point = z.detach().requires_grad_()
    value = q.log_prob(point)
    (slope,) = torch.autograd.grad(value.sum(), point)
    moved = (z - point.detach()) * slope  # zeros, whose gradient is the slope
    return value.detach() + moved.flatten(start_dim=value.dim()).sum(dim=-1)
