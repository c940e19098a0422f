"""Importance-weighted bounds: one value, three gradients."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.objectives.base import Objective, at_least
from latentia.probability import kl_per_dimension, path_log_prob
from latentia.registry import register
from latentia.types import Pass, Terms


@register("objective", "iwae")
class IWAE(Objective):
    r"""-log 1/k sum_i w_i with w_i = p(x|z_i) p(z_i) / q(z_i|x) and k samples z_i of q(z|x).

    With the normalised weights v_i = w_i / sum_j w_j, the distortion is sum_i v_i (-log p(x|z_i)) and the
    rate is the rest, sum_i v_i (log q(z_i|x) - log p(z_i)) + KL(v || 1/k): distortion and rate of the
    posterior that picks one of the k samples by its weight. Their sum is the bound, exactly; with one
    sample it is the ELBO. The diagnostics hold `kl`, that of q(z|x) itself, without a gradient.

    References:
        Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, "Importance Weighted Autoencoders", 2016.
        Chris Cremer, Quaid Morris, David Duvenaud, "Reinterpreting Importance-Weighted Autoencoders", 2017.
    """

    reads = (
        "-log p(x|z), mean over the samples by importance weight",
        "importance-weighted bound less its distortion",
    )

    def __init__(self, samples: int = 50) -> None:
        """Set the number of samples.

        Args:
            samples: latent samples k for each example.
        """
        at_least(1, samples=samples)
        self.samples = samples

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        fit = state.p_x.log_prob(state.batch.x)
        log_w = fit + state.p_z.log_prob(state.z) - self.density(state.q, state.z)
        share = log_w.detach().softmax(dim=0)
        # The gradient of log 1/k sum w is that of sum_i v_i log w_i, with the shares v held.
        bound = log_w.logsumexp(dim=0) - math.log(len(log_w))
        self.hold(state.z, share)
        distortion = -(share * fit).sum(dim=0)
        nothing = bound.new_zeros(()).expand_as(bound)
        with torch.no_grad():
            kl = kl_per_dimension(state.q, state.p_z, state.z)
        return Terms(distortion, -bound - distortion, nothing, diagnostics={"kl": kl})

    def density(self, q: Distribution, z: Tensor) -> Tensor:
        """Give log q(z|x), shape `(k, B)`, with the gradient that this estimator wants."""
        return q.log_prob(z)

    def hold(self, z: Tensor, share: Tensor) -> None:
        """Change the gradient on its way through z; here it stays."""


@register("objective", "stl")
class StickingTheLanding(IWAE):
    r"""The bound of `IWAE`, whose gradient reaches the posterior through z alone.

    The score of log q(z|x) is left out: the gradient's variance then vanishes where q is the exact
    posterior. For one sample its expectation is the ELBO's gradient; for more it is biased, as `dreg` is
    not.

    References:
        Geoffrey Roeder, Yuhuai Wu, David Duvenaud, "Sticking the Landing: Simple, Lower-Variance Gradient
        Estimators for Variational Inference", 2017.
    """

    def density(self, q: Distribution, z: Tensor) -> Tensor:
        """Give log q(z|x) as a function of z alone; see `IWAE`."""
        return path_log_prob(q, z)


@register("objective", "dreg")
class DReG(StickingTheLanding):
    r"""The bound of `IWAE` with the doubly reparameterised gradient.

    Decoder and prior get sum_i v_i grad log w_i as ever. The posterior gets sum_i v_i^2 (d log w_i / dz_i)
    (dz_i / dphi): the same expectation as the gradient of `IWAE`, and a signal that grows with k instead of
    fading.

    References:
        George Tucker, Dieterich Lawson, Shixiang Gu, Chris Maddison, "Doubly Reparameterized Gradient
        Estimators for Monte Carlo Objectives", 2019.
    """

    steers = True

    def hold(self, z: Tensor, share: Tensor) -> None:
        """Multiply the gradient through z by the shares once more; see `IWAE`."""
        if z.requires_grad:
            once_more = share.reshape(*share.shape, *[1] * (z.dim() - share.dim()))
            z.register_hook(lambda gradient: gradient * once_more)
