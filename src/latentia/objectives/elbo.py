"""The evidence lower bound, with a weight on its rate and free bits."""

from __future__ import annotations

from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective, at_least, distortion
from latentia.objectives.schedules import Constant, Schedule
from latentia.probability import kl_per_dimension


@register("objective", "elbo")
class ELBO(Objective):
    r"""E_q[-log p(x|z)] + beta * sum_d max(KL_d, lambda), with L Monte Carlo samples.

    beta is the terms' weight; what free bits add, `beta * max(lambda - KL_d, 0)`, is their penalty.

    References:
        Diederik Kingma, Max Welling, "Auto-Encoding Variational Bayes", 2013.
        Irina Higgins et al., "beta-VAE", 2017.
        Diederik Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow",
        2016 (free bits; there over the minibatch, here per example).
    """

    def __init__(
        self,
        beta: float = 1.0,
        samples: int = 1,
        free_bits: float = 0.0,
        schedule: Schedule = Constant(),  # noqa: B008
    ) -> None:
        """Set the weights.

        Args:
            beta: weight of the rate; 1 gives the bound itself.
            samples: latent samples L for each example.
            free_bits: lambda, the nats that each latent dimension may use without cost.
            schedule: what beta is multiplied with along the run.
        """
        at_least(0, beta=beta, free_bits=free_bits)
        at_least(1, samples=samples)
        self.beta = beta
        self.samples = samples
        self.free_bits = free_bits
        self.schedule = schedule

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`. The diagnostics hold `kl`, shape `(B, *latent)`."""
        kl = kl_per_dimension(state.q, state.p_z, state.z)
        rate = kl.flatten(start_dim=1).sum(dim=1)
        weight = self.beta * self.schedule(progress)
        if self.free_bits:
            penalty = weight * (self.free_bits - kl).clamp(min=0).flatten(start_dim=1).sum(dim=1)
        else:
            penalty = rate.new_zeros(()).expand_as(rate)
        return Terms(distortion(state), rate, penalty, weight, {"kl": kl})
