"""The objective of models with codes: the bound under a prior over codes, and the commitment."""

from __future__ import annotations

from torch.distributions import kl_divergence

from latentia.core.errors import ConfigError
from latentia.core.needs import CODES, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective, distortion
from latentia.probability import CodeChoice, Coded


@register("objective", "vq")
class VQ(Objective):
    r"""E_q[-log p(x|z)] + beta KL(q || p) + commitment * |f(x) - z|^2 / 2.

    A quantiser's choice is certain, so its KL from the uniform prior is the constant N log K of N codes out
    of K, and -(distortion + N log K) bounds log p(x): one term of the sum over all codes. The commitment
    ties the encoder's output to its codes; it is a penalty and no part of the bound.

    References:
        Aaron van den Oord, Oriol Vinyals, Koray Kavukcuoglu, "Neural Discrete Representation Learning", 2017.
    """

    needs: Words = frozenset({CODES})

    def __init__(self, commitment: float = 0.25, beta: float = 1.0) -> None:
        """Set the weights.

        Args:
            commitment: weight of the commitment.
            beta: weight of the rate, which only a random choice of codes can change.
        """
        for name, value in (("commitment", commitment), ("beta", beta)):
            if not value >= 0:
                raise ConfigError(f"'objective.{name}' must not be negative, not {value}")
        self.commitment, self.beta = commitment, beta

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        if not isinstance(state.q, Coded | CodeChoice):
            raise TypeError("the objective 'vq' needs a posterior over codes")
        penalty = self.commitment * state.q.commitment
        return Terms(distortion(state), kl_divergence(state.q, state.p_z), penalty, self.beta)
