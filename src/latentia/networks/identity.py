"""No network at all: for models of data that are latents already."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks.base import Network, Shape

CERTAIN = -20.0
"""The log variance that stands for none."""


def as_moments(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Put means and log variances side by side, as this network takes them.

    Args:
        mean: shape `(N, C, ...)`.
        deviation: standard deviations of that shape; 0 becomes the log variance that stands for none.

    Returns:
        Shape `(N, 2 C, ...)`, float32.
    """
    with np.errstate(divide="ignore"):
        variances = np.maximum(2 * np.log(deviation), CERTAIN)
    return np.concatenate([mean, variances], axis=1).astype(np.float32)


class _Certain(nn.Module):
    """Latents as moments: themselves, and a variance of nothing."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat([z, torch.full_like(z, CERTAIN)], dim=1)


@register("network", "identity")
class Identity(Network):
    """Encoder and decoder that change nothing: the latent is the example.

    Of examples that are moments of latents, means and log variances side by side in the channels, the latent
    has half the channels; what is decoded are moments again.
    """

    any_event: ClassVar[bool] = True

    def __init__(self, moments: bool = False) -> None:
        """Describe the pair.

        Args:
            moments: whether examples are moments of latents; the data say it.
        """
        self.moments = moments

    def latent(self, event: Shape, dim: int, downsample: int | None = None) -> Shape:
        """Give the event's shape, or half of its channels; see `Network`."""
        if self.moments and event[0] % 2:
            raise ConfigError(f"moments are means and variances, and these examples have {event[0]} channels")
        return (event[0] // 2, *event[1:]) if self.moments else tuple(event)

    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the identity; see `Network`."""
        if tuple(event) != tuple(features):
            name = "diagonal_gaussian" if self.moments else "delta"
            raise ConfigError(f"network 'identity' gives the example itself; use posterior.name={name}")
        return nn.Identity()

    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the identity, or the map from latents to moments without variance; see `Network`."""
        want = (2 * latent[0], *latent[1:]) if self.moments else tuple(latent)
        if want != tuple(event):
            raise ConfigError("network 'identity' gives one number for each; use likelihood.name=mse")
        return _Certain() if self.moments else nn.Identity()
