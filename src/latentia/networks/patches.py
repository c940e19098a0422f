"""Networks that judge the patches of an image, each for itself; of a clip those of each frame."""

from __future__ import annotations

import math

from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.networks.base import Shape

KERNEL = 4
WIDEST = 8
"""How many times the channels of the first layer a layer has at the most."""
GROUPED = 8
"""Channels that are normalised together, at the least: a group of one channel and one place would be 0."""


def patches(event: Shape, channels: int, layers: int) -> nn.Sequential:
    """Build a fully convolutional map from images to a number for each patch.

    Convolutions 4x4 with leaky ReLU: `layers` that halve the image, the first with `channels` channels and
    each with twice those of the one before up to eight times, one more at the same resolution, and one to a
    single channel. A patch is 70 pixels wide with three layers.

    Normalisation is by groups of channels of one example, not over the batch as published: an example is
    judged alike whatever stands beside it, alone as well, and there are no statistics to keep.

    Args:
        event: shape of one image.
        channels: channels of the first layer.
        layers: how many times the image is halved.

    Returns:
        The map from `(B, C, H, W)` to `(B, 1, h, w)`.

    Raises:
        ConfigError: if the image has no patch.

    References:
        Phillip Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", 2017.
        Yuxin Wu, Kaiming He, "Group Normalization", 2018.
    """
    check_patches(event, layers)
    widths = [channels * min(2**level, WIDEST) for level in range(layers + 1)]
    stages: list[nn.Module] = [nn.Conv2d(event[0], widths[0], KERNEL, 2, 1), nn.LeakyReLU(0.2)]
    for level in range(1, layers + 1):
        before, after = widths[level - 1], widths[level]
        stages += [
            nn.Conv2d(before, after, KERNEL, 2 if level < layers else 1, 1, bias=False),
            nn.GroupNorm(_groups(after), after),
            nn.LeakyReLU(0.2),
        ]
    return nn.Sequential(*stages, nn.Conv2d(widths[-1], 1, KERNEL, 1, 1))


def frames(x: Tensor) -> Tensor:
    """Make examples of the frames of clips.

    Args:
        x: `(N, C, T, H, W)`; what has other sides, as images, stays as it is.

    Returns:
        `(N * T, C, H, W)`, those of a clip one after the other.
    """
    return x.transpose(1, 2).flatten(0, 1) if x.dim() == 5 else x


def _groups(channels: int) -> int:
    """Divide channels into at most 32 groups, each of at least `GROUPED` where there are as many."""
    return next(n for n in range(min(32, max(1, channels // GROUPED)), 0, -1) if channels % n == 0)


def least_side(layers: int) -> int:
    """Give the side of the smallest image that has a patch.

    Args:
        layers: how many times the image is halved.

    Returns:
        In pixels: halved, it must have three left for two convolutions that each take one away.
    """
    return 3 * 2**layers


def check_patches(event: Shape, layers: int) -> None:
    """Refuse images without a patch.

    Args:
        event: shape of one image.
        layers: how many times the image is halved.

    Raises:
        ConfigError: naming the least size, and how many layers fit.
    """
    side, least = min(event[1:]), least_side(layers)
    if side >= least:
        return
    fitting = int(math.log2(side / 3)) if side >= least_side(1) else 0
    advice = f"use objective.layers={fitting}" if fitting else f"use data.size={least}"
    raise ConfigError(
        f"a discriminator of patches with objective.layers={layers} needs images of at least {least} pixels "
        f"a side, and these have {side}; {advice}"
    )
