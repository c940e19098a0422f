"""The objective of codecs: squared error in nats, and what coding takes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentia.core.needs import COMPLETE, CONTINUOUS, DENSITY, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective, at_least
from latentia.probability import Cells, Rounded, kl_per_dimension


@register("objective", "rate_distortion")
class RateDistortion(Objective):
    r"""E_q[-log N(x; x', s^2)] + beta KL(q || p) with s = sigma * step, for rounded latents.

    x' is the mean of p(x|z), whatever the likelihood's own scale. With rounded latents the KL is what coding
    them takes, in nats, and -(distortion + rate) bounds log p(x) at every step. Where the step of an example
    varies, so does s: what a finer step spends on bits it is paid back in distortion. With fine steps a code
    whose distances are those of pixels has its optimum at s^2 = step^2 / 12, which is the usual sigma. The
    rate of training is that of noise in the place of rounding, where the posterior has it.

    References:
        Johannes Ballé et al., "Variational Image Compression with a Scale Hyperprior", 2018.
    """

    needs: Words = frozenset({CONTINUOUS, DENSITY, COMPLETE})
    reads = ("E_q[-log N(x; x', (sigma step)^2)]", "KL(q(z|x) || p(z))")

    def __init__(self, sigma: float = 0.29, beta: float = 1.0, samples: int = 1) -> None:
        """Set the weights.

        Args:
            sigma: the scale of errors at a step of 1, in the units of the transformed data; smaller for more
                bits and less error.
            beta: weight of the rate.
            samples: latent samples for each example.
        """
        at_least(1e-9, sigma=sigma)
        at_least(0, beta=beta)
        at_least(1, samples=samples)
        self.sigma, self.beta, self.samples = sigma, beta, samples

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`. The diagnostics hold `squares`, the mean squared error, `(B,)`."""
        x, q, p_z = state.batch.x, state.q, state.p_z
        log_s: Tensor | float = math.log(self.sigma)
        if isinstance(q, Rounded):
            log_s = log_s + q.step.flatten(1).mean(dim=1).log()
        if isinstance(q, Rounded) and isinstance(p_z, Cells):
            rate = p_z.rate(q).flatten(1).sum(dim=1)
        else:
            rate = kl_per_dimension(q, p_z, state.z).flatten(1).sum(dim=1)
        squares = (state.p_x.mean - x).square().flatten(2).mean(dim=2).mean(dim=0)
        count, scale = x[0].numel(), torch.as_tensor(log_s, dtype=x.dtype, device=x.device)
        each = squares * (-2 * scale).exp() / 2 + scale + 0.5 * math.log(2 * math.pi)
        return Terms(count * each, rate, torch.zeros_like(rate), self.beta, {"squares": squares})
