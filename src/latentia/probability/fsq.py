"""Finite scalar quantisation as it was published."""

from __future__ import annotations

import torch
from torch import Tensor

from latentia.core.registry import register
from latentia.probability.quantisers import FiniteScalar


@register("posterior", "fsq")
class FSQ(FiniteScalar):
    r"""Every channel bounded by a shifted tanh and rounded to a whole number: the paper's code.

    b(z) = tanh(z + s) h - o with h = (L - 1) (1 - 10^-3) / 2, o = 0 for odd L and 1/2 for even L, and
    s = tan(o / h), which keeps b(0) near a whole number. The latent is round(b) / (L // 2): L values from -1,
    of which the last is 1 for odd L and 1 - 2 / L for even L. `finite_scalar` has L intervals of one size
    instead, and as many values on either side of 0.

    References:
        Fabian Mentzer, David Minnen, Eirikur Agustsson, Michael Tschannen, "Finite Scalar Quantization:
        VQ-VAE Made Simple", 2024 (appendix A.1).
    """

    @property
    def half(self) -> Tensor:
        """What divides whole numbers, L // 2 of each channel."""
        return self.values // 2

    def grid(self, digits: Tensor) -> Tensor:
        """Give the points of whole numbers from 0 to L - 1; see `FiniteScalar`."""
        return (digits - self.half) / self.half

    def codes_of(self, points: Tensor) -> Tensor:
        """Find the codes of points of [-1, 1]^D; see `FiniteScalar`."""
        digits = (points * self.half).round().long() + self.half
        return (digits.clamp(min=torch.zeros_like(self.values), max=self.values - 1) * self.places).sum(
            dim=-1
        )

    def bounded(self, features: Tensor) -> Tensor:
        """Give b(z) / (L // 2) of features `(B, D, *grid)`; see `FiniteScalar`."""
        reach = (self.values - 1) * (1 - 1e-3) / 2
        offset = torch.where(self.values % 2 == 1, 0.0, 0.5)
        points = (self._points(features) + (offset / reach).tan()).tanh() * reach - offset
        return (points / self.half).movedim(-1, -len(self.latent))
