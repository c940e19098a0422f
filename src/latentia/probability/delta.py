"""The point mass as a distribution."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints


class Delta(Distribution):
    """All mass at one point: the posterior of a deterministic autoencoder.

    Its density is infinite at the point, so its KL from any prior with a density is infinite too:
    an autoencoder has no evidence lower bound.
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore
    support: constraints.Constraint = constraints.real_vector  # pyright: ignore

    def __init__(self, loc: Tensor, event_dims: int) -> None:
        """Put the mass at `loc`.

        Args:
            loc: the point, shape `(*batch, *event)`.
            event_dims: how many of its last dimensions are the event.
        """
        self.loc = loc
        split = loc.dim() - event_dims
        super().__init__(loc.shape[:split], loc.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The point."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The point."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Zero everywhere."""
        return torch.zeros_like(self.loc)

    def expand(self, batch_shape: torch.Size, _instance: Distribution | None = None) -> Delta:
        """Repeat over a larger batch shape."""
        return Delta(self.loc.expand(*batch_shape, *self.event_shape), len(self.event_shape))

    def rsample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Give the point, `sample_shape` times."""
        return self.loc.expand(*sample_shape, *self.loc.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Give infinity at the point and minus infinity elsewhere, shape of the batch."""
        hit = (value == self.loc).flatten(start_dim=value.dim() - len(self.event_shape)).all(dim=-1)
        return torch.where(hit, torch.inf, -torch.inf)

    def entropy(self) -> Tensor:
        """Give the differential entropy, minus infinity."""
        return torch.full(self.batch_shape, -torch.inf, device=self.loc.device)
