"""Reconstruction of what was hidden."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Independent

from latentia.core.errors import ConfigError
from latentia.core.needs import CONTINUOUS, HIDDEN, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective


@register("objective", "masked_reconstruction")
class MaskedReconstruction(Objective):
    """E_q[-log p(x_h|z)] over the hidden entries x_h alone; `reconstruction` counts all entries.

    References:
        Kaiming He et al., "Masked Autoencoders Are Scalable Vision Learners", 2022.
    """

    needs: Words = frozenset({CONTINUOUS, HIDDEN})
    gives: Words = frozenset()

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        if state.hidden is None or not isinstance(state.p_x, Independent):
            raise ConfigError(
                "objective 'masked_reconstruction' needs a model that hides: masked_autoencoder"
            )
        entries: Tensor = state.p_x.base_dist.log_prob(state.batch.x)  # (S, B, *event)
        value = -entries.masked_fill(~state.hidden, 0.0).flatten(start_dim=2).sum(dim=2).mean(dim=0)
        nothing = value.new_zeros(()).expand_as(value)
        return Terms(value, nothing, nothing)
