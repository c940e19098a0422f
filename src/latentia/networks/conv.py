"""The convolutional network: strided convolutions down, transposed ones up, for any image size."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import nn

from latentia.core.registry import register
from latentia.networks.base import (
    Activation,
    Network,
    Shape,
    activation_named,
    check_positive,
    dense,
    dense_to,
    image_size,
)

KERNEL, STRIDE, PADDING = 4, 2, 1  # a stride that divides the kernel leaves no checkerboard
SMALLEST = 4  # a side under this is not halved again


def halvings(size: tuple[int, int], levels: int) -> list[tuple[int, int]]:
    """List the sizes that an image passes through, its own first.

    Args:
        size: height and width.
        levels: how many times to halve; fewer where a side gets too small.

    Returns:
        Heights and widths, each the floor of half of the one before.
    """
    sizes = [size]
    while len(sizes) <= levels and min(sizes[-1]) >= SMALLEST:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


@register("network", "conv")
class Conv(Network):
    """Convolutions that halve the image, then a dense layer; the decoder mirrors them.

    Images too small for all the levels get as many as fit, so 8x8 and 28x20 work as 64x64 does.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = (32, 64),
        hidden: tuple[int, ...] = (256,),
        activation: Activation = "silu",
    ) -> None:
        """Describe the pair.

        Args:
            channels: channels after each halving of the image.
            hidden: widths of the dense layers between the last image and the latent.
            activation: what follows each hidden layer.
        """
        check_positive(channels, "network.channels")
        check_positive(hidden, "network.hidden")
        self.channels = channels
        self.hidden = hidden
        self.activation = activation

    def _levels(self, event: Shape) -> tuple[list[tuple[int, int]], list[int]]:
        channels, height, width = image_size(event, "conv")
        sizes = halvings((height, width), len(self.channels))
        return sizes, [channels, *self.channels[: len(sizes) - 1]]

    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the map from `(B, C, H, W)` to `(B, *features)`; see `Network`."""
        sizes, channels = self._levels(event)
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, KERNEL, STRIDE, PADDING), activation_named(self.activation)]
        layers.append(nn.Flatten())
        widths = (channels[-1] * math.prod(sizes[-1]), *self.hidden)
        layers += [*dense(widths, self.activation), *dense_to(widths[-1], features)]
        return nn.Sequential(*layers)

    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the map from `(B, *latent)` to `(B, C, H, W)`; see `Network`."""
        sizes, channels = self._levels(event)
        widths = (math.prod(latent), *self.hidden[::-1], channels[-1] * math.prod(sizes[-1]))
        layers: list[nn.Module] = [nn.Flatten(), *dense(widths, self.activation)]
        layers.append(nn.Unflatten(1, (channels[-1], *sizes[-1])))
        for level in range(len(sizes) - 1, 0, -1):
            layers += [doubling(channels[level], channels[level - 1], sizes[level - 1])]
            if level > 1:
                layers.append(activation_named(self.activation))
        if len(sizes) == 1:
            layers[-2] = nn.Identity()  # too small to halve: the dense layer's output is the output
        return nn.Sequential(*layers)


def doubling(before: int, after: int, size: tuple[int, int]) -> nn.Module:
    """Build the transposed convolution whose output has exactly this height and width.

    Args:
        before: channels in.
        after: channels out.
        size: height and width of the output.

    Returns:
        The module.
    """
    odd = (size[0] % 2, size[1] % 2)
    return nn.ConvTranspose2d(before, after, KERNEL, STRIDE, PADDING, output_padding=odd)
