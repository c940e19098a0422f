"""The log density of latents, for models that are a prior and nothing else."""

from __future__ import annotations

from typing import Literal

from latentia.core.errors import ConfigError
from latentia.core.needs import ALONE, BOUND, CONTINUOUS, SCORES_PRIOR, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective
from latentia.probability import Delta, Diffused


@register("objective", "density")
class Density(Objective):
    r"""-log p(z), or E_q[log q(z) - log p(z)] where z is drawn from moments: the rate, without a distortion.

    Of moments it is the rate that the codec would have under this prior, in the same nats. `weighting` is for
    a diffusion: `bound` trains on its lower bound on log p(z); `simple` on the squared error of what the
    denoiser is asked for, alike at all t of the schedule, which gives the better pictures. What that differs
    from the bound is the penalty, so that the rate stays what it says.

    References:
        Jonathan Ho, Ajay Jain, Pieter Abbeel, "Denoising Diffusion Probabilistic Models", 2020 (simple).
        Diederik Kingma, Tim Salimans, Ben Poole, Jonathan Ho, "Variational Diffusion Models", 2021 (bound).
    """

    needs: Words = frozenset({CONTINUOUS, ALONE})
    gives: Words = frozenset({BOUND, SCORES_PRIOR})
    reads: tuple[str, str] = ("nothing", "-log p(z), or KL(q(z|x) || p(z)) of moments")

    def __init__(self, weighting: Literal["bound", "simple"] = "bound") -> None:
        """Choose the loss.

        Args:
            weighting: what a diffusion is trained on.
        """
        self.weighting = weighting

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        p, q, z = state.p_z, state.q, state.z
        known = 0.0 if isinstance(q, Delta) else -q.entropy()
        if self.weighting == "bound":
            rate = known - p.log_prob(z).mean(dim=0)
            nothing = rate.new_zeros(()).expand_as(rate)
            return Terms(nothing, rate, nothing)
        if not isinstance(p, Diffused):
            raise ConfigError(
                "'objective.weighting' simple is for a prior that denoises; use prior.name=diffusion, or "
                "objective.weighting=bound"
            )
        bound, error = (each.mean(dim=0) for each in p.scored(z))
        if not p.process.training:  # outside of training the bound is to be told as well as it can be
            bound = p.log_prob(z).mean(dim=0)
        rate = known - bound
        return Terms(rate.new_zeros(()).expand_as(rate), rate, error - rate)
