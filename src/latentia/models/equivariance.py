"""Latents that move as their pictures move: scaled and turned together."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 0.25
"""The least that sides are scaled to, as a share."""


def moved(z: Tensor, x: Tensor, strides: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Scale latents and pictures by one factor and turn them by one angle, drawn for all of them.

    The factor is one that leads to whole places of the grid, at least a quarter, and the angle 90, 180 or 270
    degrees. Both are interpolated linearly, pictures without aliasing.

    Args:
        z: latents on a grid, `(S, B, D, h, w)`.
        x: their pictures, `(B, C, H, W)`, of any size that belongs to the grid; what was mirrored at an edge
            is seen as well.
        strides: pixels along the sides of a place.

    Returns:
        Both, moved: `(S, B, D, h', w')` and `(B, C, h' * strides[0], w' * strides[1])`.

    References:
        Theodoros Kouzelis et al., "EQ-VAE: Equivariance Regularized Latent Space for Improved Generative
        Image Modeling", 2025.
    """
    places = z.shape[-2:]
    share = SMALLEST + (1 - SMALLEST) * float(torch.rand(()))
    turns = 1 + int(torch.randint(3, ()))
    grid = [max(1, round(share * side)) for side in places]
    sides = [side * stride for side, stride in zip(grid, strides, strict=True)]
    small = F.interpolate(z.flatten(0, 1), size=grid, mode="bilinear", align_corners=False)
    shrunk = F.interpolate(x, size=sides, mode="bilinear", align_corners=False, antialias=True)
    turned = torch.rot90(small, turns, (-2, -1)).unflatten(0, z.shape[:2])
    return turned, torch.rot90(shrunk, turns, (-2, -1))
