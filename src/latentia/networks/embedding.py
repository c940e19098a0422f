"""What networks are told beside their input: a condition, and how much noise there is."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

FREQUENCIES = 128
"""Sines of a noise level, and as many cosines."""
SLOWEST = 10_000.0
"""The longest wave is so many times the shortest one."""
LEVELS = 1000.0
"""Noise levels in [0, 1] are embedded as the steps 0 to 1000 that others have trained with."""


class Embedding(nn.Module):
    """Maps a condition to a vector, an unknown one (a row of NaN) to a learned vector of its own."""

    def __init__(self, condition: int, width: int) -> None:
        """Build the map.

        Args:
            condition: how many numbers the condition has.
            width: how many numbers the vector has.
        """
        super().__init__()
        self.known = nn.Linear(condition, width)
        self.unknown = nn.Parameter(torch.zeros(width))

    def forward(self, c: Tensor) -> Tensor:
        """Map `(*batch, C)` to `(*batch, width)`."""
        missing = c.isnan().any(dim=-1, keepdim=True)
        return torch.where(missing, self.unknown, self.known(c.nan_to_num()))


class NoiseLevel(nn.Module):
    """Maps a noise level t in [0, 1], and a condition where there is one, to a vector.

    t is seen through cosines and sines of 1000 t w_k, with w_k = 1e-4^(k / ratios) for k from 0 to 127.

    References:
        Jonathan Ho, Ajay Jain, Pieter Abbeel, "Denoising Diffusion Probabilistic Models", 2020.
        William Peebles, Saining Xie, "Scalable Diffusion Models with Transformers", 2023.
    """

    waves: Tensor

    def __init__(self, width: int, condition: int = 0, ratios: int = FREQUENCIES) -> None:
        """Build the map.

        Args:
            width: how many numbers the vector has.
            condition: how many numbers the condition has; 0 for none.
            ratios: equal ratios between the longest wave and the shortest one.
        """
        super().__init__()
        # In the order of diffusers: what is rounded otherwise here is 1000 times as much in an angle.
        exponents = -math.log(SLOWEST) * torch.arange(FREQUENCIES, dtype=torch.float32) / ratios
        self.register_buffer("waves", torch.exp(exponents), persistent=False)
        self.linear_1 = nn.Linear(2 * FREQUENCIES, width)
        self.linear_2 = nn.Linear(width, width)
        self.condition = Embedding(condition, width) if condition else None

    def forward(self, t: Tensor, c: Tensor | None = None) -> Tensor:
        """Map `(N,)` and `(N, C)` to `(N, width)`; a condition of None is one that is not known."""
        angles = (LEVELS * t[:, None]).float() * self.waves
        waves = torch.cat([angles.cos(), angles.sin()], dim=1).to(self.linear_1.weight.dtype)
        told = self.linear_2(nn.functional.silu(self.linear_1(waves)))
        if self.condition is None:
            return told
        return told + (self.condition.unknown if c is None else self.condition(c))
