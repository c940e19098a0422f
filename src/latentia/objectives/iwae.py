"""Importance-weighted bounds: one value, three gradients."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.core.needs import PATH, PRIOR_DENSITY, STEERED, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective, at_least
from latentia.probability import kl_per_dimension, path_log_prob

BOUND = "iwae_bound"
"""The diagnostic that the bound of k samples is: never under the name of the ELBO."""


@register("objective", "iwae")
class IWAE(Objective):
    r"""-log 1/k sum_i w_i with w_i = p(x|z_i) p(z_i) / q(z_i|x) and k samples z_i of q(z|x).

    Distortion and rate are those of q(z|x), as of every other objective, so that -(distortion + rate) is the
    ELBO and not this tighter bound. What this bound gains on it is the penalty, negative in expectation, and
    the loss the negative of this bound, exactly. The diagnostics hold `kl` and the bound as `iwae_bound`. The
    gradient is the bound's alone.

    References:
        Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, "Importance Weighted Autoencoders", 2016.
    """

    needs: Words = Objective.needs | {PRIOR_DENSITY}

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
        with torch.no_grad():
            kl = kl_per_dimension(state.q, state.p_z, state.z)
            distortion, rate = -fit.mean(dim=0), kl.flatten(start_dim=1).sum(dim=1)
        penalty = -bound - (distortion + rate)
        return Terms(distortion, rate, penalty, diagnostics={"kl": kl, BOUND: bound.detach()})

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

    needs: Words = IWAE.needs | {PATH}
    gives: Words = IWAE.gives | {STEERED}

    def hold(self, z: Tensor, share: Tensor) -> None:
        """Multiply the gradient through z by the shares once more; see `IWAE`."""
        if z.requires_grad:
            once_more = share.reshape(*share.shape, *[1] * (z.dim() - share.dim()))
            z.register_hook(lambda gradient: gradient * once_more)
