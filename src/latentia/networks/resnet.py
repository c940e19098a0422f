"""The residual network: pre-activation blocks at every resolution, for any image size."""

from __future__ import annotations

import math
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from latentia.core.registry import register
from latentia.networks.base import (
    Activation,
    Network,
    ResidualBlock,
    Shape,
    activation_named,
    check_positive,
    dense,
    dense_to,
    image_size,
)
from latentia.networks.conv import halvings


class Block(ResidualBlock):
    """A pre-activation residual block, `x + f(x)`, with two normalised 3x3 convolutions.

    References:
        Kaiming He et al., "Identity Mappings in Deep Residual Networks", 2016.
    """

    def __init__(self, channels: int, activation: str) -> None:
        """Build the block.

        Args:
            channels: channels in and out.
            activation: name of the activation.
        """
        super().__init__()
        groups = math.gcd(channels, 8)
        self.body = nn.Sequential(
            nn.GroupNorm(groups, channels),
            activation_named(activation),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(groups, channels),
            activation_named(activation),
            nn.Conv2d(channels, channels, 3, padding=1),
        )


class Resize(nn.Module):
    """Nearest-neighbour resizing to a fixed height and width."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Remember the size.

        Args:
            size: height and width of the output.
        """
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, h, w)` to `(B, C, *size)`."""
        return F.interpolate(x, size=self.size)


@register("network", "resnet")
class ResNet(Network):
    """Residual blocks with group normalisation; strided convolutions down, resizing up."""

    def __init__(
        self,
        channels: tuple[int, ...] = (32, 64, 128),
        blocks: int = 1,
        hidden: tuple[int, ...] = (256,),
        activation: Activation = "silu",
    ) -> None:
        """Describe the pair.

        Args:
            channels: channels at each resolution, the image's own first.
            blocks: residual blocks at each resolution.
            hidden: widths of the dense layers between the last image and the latent.
            activation: the activation everywhere.
        """
        check_positive(channels, "network.channels")
        check_positive(hidden, "network.hidden")
        check_positive((blocks,), "network.blocks")
        self.channels = channels
        self.blocks = blocks
        self.hidden = hidden
        self.activation = activation

    def _levels(self, event: Shape) -> tuple[int, list[tuple[int, int]], tuple[int, ...]]:
        image_channels, height, width = image_size(event, "resnet")
        sizes = halvings((height, width), len(self.channels) - 1)
        return image_channels, sizes, self.channels[: len(sizes)]

    def _blocks(self, channels: int) -> list[nn.Module]:
        return [Block(channels, self.activation) for _ in range(self.blocks)]

    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the map from `(B, C, H, W)` to `(B, *features)`; see `Network`."""
        image_channels, sizes, channels = self._levels(event)
        layers: list[nn.Module] = [
            nn.Conv2d(image_channels, channels[0], 3, padding=1),
            *self._blocks(channels[0]),
        ]
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 4, 2, 1), *self._blocks(after)]
        layers += [activation_named(self.activation), nn.Flatten()]
        widths = (channels[-1] * math.prod(sizes[-1]), *self.hidden)
        layers += [*dense(widths, self.activation), *dense_to(widths[-1], features)]
        return nn.Sequential(*layers)

    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the map from `(B, *latent)` to `(B, C, H, W)`; see `Network`."""
        image_channels, sizes, channels = self._levels(event)
        widths = (math.prod(latent), *self.hidden[::-1])
        layers: list[nn.Module] = [nn.Flatten(), *dense(widths, self.activation)]
        layers += dense_to(widths[-1], (channels[-1], *sizes[-1]))
        for level in range(len(sizes) - 1, 0, -1):
            layers += self._blocks(channels[level])
            layers += [
                Resize(sizes[level - 1]),
                nn.Conv2d(channels[level], channels[level - 1], 3, padding=1),
            ]
        layers += [*self._blocks(channels[0]), activation_named(self.activation)]
        layers.append(nn.Conv2d(channels[0], image_channels, 3, padding=1))
        return nn.Sequential(*layers)
