"""The Kullback-Leibler divergence, dimension by dimension, and a density along the path of its samples."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, kl_divergence


def kl_per_dimension(q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    r"""Split KL(q || p) = E_q[log q(z) - log p(z)] over the dimensions of z, in nats.

    Exact where both are products over dimensions with a closed form; else the Monte Carlo
    estimate over the samples z, which cannot be split and comes as one dimension.

    Args:
        q: the posterior, batch shape `(B,)`.
        p: the prior, broadcastable against it.
        z: samples of q, shape `(S, B, *latent)`.

    Returns:
        Shape `(B, *latent)`, or `(B, 1)` for the estimate.
    """
    if isinstance(q, Independent) and isinstance(p, Independent):
        try:
            return kl_divergence(q.base_dist, p.base_dist)
        except NotImplementedError:  # no closed form for this pair
            return _estimate(q, p, z)
    return _estimate(q, p, z)


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


def _estimate(q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    return (q.log_prob(z) - p.log_prob(z)).mean(dim=0).unsqueeze(-1)


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
