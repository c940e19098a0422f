"""Plain reconstruction, the autoencoder's objective."""

from __future__ import annotations

from latentia.core.needs import CONTINUOUS, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective, distortion


@register("objective", "reconstruction")
class Reconstruction(Objective):
    """E_q[-log p(x|z)] alone. Its rate is zero by definition: it bounds no likelihood."""

    needs: Words = frozenset({CONTINUOUS})
    gives: Words = frozenset()

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        value = distortion(state)
        nothing = value.new_zeros(()).expand_as(value)
        return Terms(value, nothing, nothing)
