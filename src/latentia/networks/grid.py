"""The network that keeps height and width: images to a grid of vectors, and back."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

from torch import nn

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks.base import (
    Activation,
    Network,
    Shape,
    activation_named,
    check_dim,
    check_grid,
    check_positive,
    divided,
    image_size,
)
from latentia.networks.resnet import Block


@register("network", "grid")
class Grid(Network):
    """Strided convolutions down to the latent's grid and residual blocks there; the decoder mirrors them.

    Without a dense layer: what stands at a place of the grid is about that part of the image. How often
    the image is halved follows from the sizes of image and latent.

    References:
        Aaron van den Oord, Oriol Vinyals, Koray Kavukcuoglu, "Neural Discrete Representation Learning", 2017.
    """

    convolutional: ClassVar[bool] = True

    def __init__(
        self, channels: int = 64, blocks: int = 2, activation: Activation = "silu", downsample: int = 4
    ) -> None:
        """Describe the pair.

        Args:
            channels: channels at the grid; half of them at every size above it.
            blocks: residual blocks at the grid.
            activation: the activation everywhere.
            downsample: how many times smaller than the image the grid is, along each side: a power of two. A
                model that has a setting of this name decides.
        """
        check_positive((channels,), "network.channels")
        check_positive((blocks,), "network.blocks")
        self.channels = channels
        self.blocks = blocks
        self.activation = activation
        self.downsample = downsample

    def latent(self, event: Shape, dim: int, downsample: int | None = None) -> Shape:
        """Give `(dim, H / downsample, W / downsample)`; see `Network`."""
        image_size(event, "grid")
        if downsample is not None:
            return super().latent(event, dim, downsample)
        check_dim(dim)
        return (dim, *divided(event, self.downsample, "network.downsample"))

    def _widths(self, event: Shape, latent: Shape) -> list[int]:
        """Give the channels at each size, the image's first."""
        channels, height, width = image_size(event, "grid")
        check_grid(latent, "grid")
        halvings = max(0, round(math.log2(height / latent[1])))
        if (height, width) != (latent[1] << halvings, latent[2] << halvings):
            raise ConfigError(
                f"network 'grid' halves images, and {height}x{width} does not become {latent[1]}x{latent[2]} "
                "so; use a downsample of 2 or 4, or network.name=mlp"
            )
        return [channels, *[max(1, self.channels // 2)] * (halvings - 1), self.channels]

    def _body(self) -> list[nn.Module]:
        blocks = [Block(self.channels, self.activation) for _ in range(self.blocks)]
        return [*blocks, activation_named(self.activation)]

    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the map from `(B, C, H, W)` to `(B, F, h, w)`; see `Network`."""
        widths = self._widths(event, features)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths[:-1]):
            layers += [nn.Conv2d(before, after, 4, 2, 1), activation_named(self.activation)]
        same = event[1:] == features[1:]
        layers.append(nn.Conv2d(widths[-2], widths[-1], *(3, 1, 1) if same else (4, 2, 1)))
        return nn.Sequential(*layers, *self._body(), nn.Conv2d(self.channels, features[0], 1))

    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the map from `(B, D, h, w)` to `(B, C, H, W)`; see `Network`."""
        widths = self._widths(event, latent)[::-1]
        layers = [nn.Conv2d(latent[0], self.channels, 3, padding=1), *self._body()]
        if event[1:] == latent[1:]:
            return nn.Sequential(*layers, nn.Conv2d(widths[0], widths[1], 3, padding=1))
        for before, after in pairwise(widths[:-1]):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), activation_named(self.activation)]
        return nn.Sequential(*layers, nn.ConvTranspose2d(widths[-2], widths[-1], 4, 2, 1))
