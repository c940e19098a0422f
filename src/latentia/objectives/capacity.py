"""The ELBO with a rate that is led to a target."""

from __future__ import annotations

from dataclasses import replace

from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective, at_least
from latentia.objectives.elbo import ELBO
from latentia.objectives.schedules import Linear, Schedule


@register("objective", "capacity")
class Capacity(Objective):
    r"""E_q[-log p(x|z)] + gamma * |KL(q(z|x) || p(z)) - C|, C rising along a schedule.

    The rate keeps its meaning and has weight 0; what is minimised in its place is the penalty. It is
    taken for each example, so that batches do not matter.

    References:
        Christopher Burgess et al., "Understanding disentangling in beta-VAE", 2018.
    """

    def __init__(
        self,
        capacity: float = 25.0,
        gamma: float = 30.0,
        samples: int = 1,
        schedule: Schedule = Linear(0.5),  # noqa: B008
    ) -> None:
        """Set the target.

        Args:
            capacity: C at the end, in nats for each example.
            gamma: nats that a nat of distance from C costs.
            samples: latent samples for each example.
            schedule: what C is multiplied with along the run.
        """
        at_least(0, capacity=capacity, gamma=gamma)
        self.capacity = capacity
        self.gamma = gamma
        self.schedule = schedule
        self.elbo = ELBO(samples=samples)
        self.samples = samples

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        terms = self.elbo(state)
        target = self.capacity * self.schedule(progress)
        return replace(terms, weight=0.0, penalty=self.gamma * (terms.rate - target).abs())
