"""The objective of the regularised autoencoder."""

from __future__ import annotations

from latentia.core.needs import CONTINUOUS, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective, at_least, distortion


@register("objective", "rae")
class Regularised(Objective):
    r"""E_q[-log p(x|z)] + beta |z|^2 / 2 + weight * roughness: no bound on log p(x).

    beta keeps latents from running away, without which they would grow to escape the last term; the
    roughness is what the model says of its decoder, 0 for one that keeps it smooth otherwise.

    References:
        Partha Ghosh, Mehdi Sajjadi, Antonio Vergari, Michael Black, Bernhard Schölkopf, "From Variational to
        Deterministic Autoencoders", 2020 (equation 11).
    """

    needs: Words = frozenset({CONTINUOUS})
    gives: Words = frozenset()

    def __init__(self, beta: float = 1e-2, weight: float = 1e-3) -> None:
        """Set the weights.

        Args:
            beta: of half the squared length of a latent.
            weight: of the decoder's roughness.
        """
        at_least(0, beta=beta, weight=weight)
        self.beta, self.weight = beta, weight

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        value = distortion(state)
        length = state.z.flatten(2).square().sum(dim=2).mean(dim=0)
        penalty = 0.5 * self.beta * length
        if state.roughness is not None:
            penalty = penalty + self.weight * state.roughness
        return Terms(value, value.new_zeros(()).expand_as(value), penalty)
