"""Networks that a lecture names, by name."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from latentia.core.registry import register
from latentia.networks.base import Network, Shape, dense, dense_to, image_size
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


@register("network", "lecture-conv-733905")
class LectureCounted(Network):
    """Convolutions of 3x3 with the very counts that a lecture prints without layers, for 16 latents on 28x28.

    394,896 parameters in the encoder and 339,009 in the decoder of an autoencoder, 733,905 in all; the second
    head of a VAE is 16 x 2,048 + 16 more, 766,689. Which layers the lecture had is not known: these are a
    pair with its counts. They take any image; a side is halved, rounded up.
    """

    CHANNELS = (16, 88, 112, 120, 128)
    STRIDES = (2, 2, 2, 1, 1)
    BACK = (176, 96, 96, 64)
    HALVINGS = 3
    GROUPS = 8

    def _sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        sizes = [(height, width)]
        for _ in range(self.HALVINGS):
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        return sizes

    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the map from `(B, C, H, W)` to `(B, *features)`; see `Network`."""
        channels, height, width = image_size(event, "lecture-conv-733905")
        layers: list[nn.Module] = []
        for (before, after), stride in zip(pairwise((channels, *self.CHANNELS)), self.STRIDES):
            norm = nn.GroupNorm(self.GROUPS, after)
            layers += [nn.Conv2d(before, after, 3, stride, 1), norm, nn.ReLU()]
        flat = self.CHANNELS[-1] * math.prod(self._sizes(height, width)[-1])
        return nn.Sequential(*layers, nn.Flatten(), *dense_to(flat, features))

    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the map from `(B, *latent)` to `(B, C, H, W)`; see `Network`."""
        channels, height, width = image_size(event, "lecture-conv-733905")
        sizes = self._sizes(height, width)
        layers: list[nn.Module] = [nn.Flatten(), *dense_to(math.prod(latent), (self.BACK[0], *sizes[-1]))]
        layers += [nn.ReLU(), nn.ConvTranspose2d(*self.BACK[:2], 3, 1, 1)]
        for (before, after), size in zip(pairwise((*self.BACK[1:], channels)), sizes[-2::-1]):
            even = (1 - size[0] % 2, 1 - size[1] % 2)
            layers += [nn.ReLU(), nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=even)]
        return nn.Sequential(*layers)
