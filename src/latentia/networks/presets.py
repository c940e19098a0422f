"""Networks that a lecture names, by name."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from latentia.core.registry import register
from latentia.networks.base import Network, Shape, dense, dense_to
from latentia.networks.conv import Conv
from latentia.networks.mlp import MLP


@register("network", "lecture-256-64")
def lecture_256_64() -> MLP:
    """Build 784-256-64-16 and its mirror, with ReLU: 437,664 parameters as an autoencoder on 28x28."""
    return MLP(hidden=(256, 64), activation="relu")


class Heads(nn.Module):
    """Maps of one input, their outputs side by side."""

    def __init__(self, heads: list[nn.Module]) -> None:
        """Take the maps.

        Args:
            heads: each maps `(B, width)` to `(B, n)`.
        """
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, h: Tensor) -> Tensor:
        """Map `(B, width)` to `(B, sum of n)`."""
        return torch.cat([head(h) for head in self.heads], dim=1)


@register("network", "lecture-tanh")
class LectureTanh(Network):
    """784-196-48, a head 48-16-2 for the means and one for the log variances; back by 2-16-48-196-784; tanh.

    The decoder ends in tanh, too: 329,868 parameters as a VAE of two latents on 28x28. It takes any data; for
    a posterior that reads something else than two halves, the features are divided all the same.
    """

    WIDTHS = (196, 48)
    HEAD = 16

    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the map from `(B, *event)` to `(B, *features)`; see `Network`."""
        size = math.prod(features)
        halves = [size - size // 2, size // 2] if size > 1 else [size]
        heads: list[nn.Module] = [
            nn.Sequential(*dense((self.WIDTHS[-1], self.HEAD), "tanh"), nn.Linear(self.HEAD, half))
            for half in halves
        ]
        shaped = [nn.Unflatten(1, features)] if len(features) > 1 else []
        trunk = dense((math.prod(event), *self.WIDTHS), "tanh")
        return nn.Sequential(nn.Flatten(), *trunk, Heads(heads), *shaped)

    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the map from `(B, *latent)` to `(B, *event)`, within -1 and 1; see `Network`."""
        widths = (math.prod(latent), self.HEAD, *self.WIDTHS[::-1])
        return nn.Sequential(nn.Flatten(), *dense(widths, "tanh"), *dense_to(widths[-1], event), nn.Tanh())


@register("network", "lecture-conv")
def lecture_conv() -> Conv:
    """Build the convolutional pair for 16 latents: three halvings, no hidden dense layer."""
    return Conv(channels=(32, 64, 128), hidden=(), activation="relu")
