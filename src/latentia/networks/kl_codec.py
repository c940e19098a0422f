"""The codec of the latent diffusion models: residual blocks with group normalisation at every resolution."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from latentia.core.registry import register
from latentia.networks.base import check_levels, check_positive
from latentia.networks.codec import Codec
from latentia.networks.stages import (
    Attention,
    Convolution,
    Ending,
    GroupNorm,
    Residual,
    Stage,
    Staged,
)

GROUPS = 32
"""Groups of channels that are normalised together, where the channels of all levels allow for so many."""


class Halving(Stage):
    """A 3x3 convolution of stride 2, with zeros beyond the right and the lower edge alone."""

    down, reach = 2, 1

    def __init__(self, channels: int) -> None:
        """Build it.

        Args:
            channels: channels in and out.
        """
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, C, H / 2, W / 2)`."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Doubling(Stage):
    """Every pixel four times, then a 3x3 convolution."""

    up, reach = 2, 1

    def __init__(self, channels: int) -> None:
        """Build it.

        Args:
            channels: channels in and out.
        """
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, C, 2 H, 2 W)`."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """What stands at one resolution: residual blocks, and a change of resolution."""

    def __init__(self, widths: list[int], groups: int, change: tuple[str, Stage] | None) -> None:
        """Build the level.

        Args:
            widths: channels before the first block, then after each.
            groups: groups of the normalisations.
            change: the name of the change of resolution after them, and the change.
        """
        super().__init__()
        blocks = [Residual(before, after, groups) for before, after in pairwise(widths)]
        self.resnets = nn.ModuleList(blocks)
        self.change = change[0] if change else None
        if change:
            self.add_module(change[0], nn.ModuleList([change[1]]))

    def stages(self) -> list[Stage]:
        """Give the stages in their order."""
        change = [] if self.change is None else list(getattr(self, self.change))
        return [*self.resnets, *change]  # pyright: ignore[reportReturnType]


class Middle(nn.Module):
    """What stands at the lowest resolution: two residual blocks, and attention between them if any."""

    def __init__(self, channels: int, groups: int, attention: bool) -> None:
        """Build it.

        Args:
            channels: channels in and out.
            groups: groups of the normalisations.
            attention: whether every place sees all others.
        """
        super().__init__()
        self.attentions = nn.ModuleList([Attention(channels, groups)] if attention else [])
        self.resnets = nn.ModuleList([Residual(channels, channels, groups) for _ in range(2)])

    def stages(self) -> list[Stage]:
        """Give the stages in their order."""
        first, last = self.resnets
        return [first, *self.attentions, last]  # pyright: ignore[reportReturnType]


class KLEncoder(Staged):
    """Pictures to what the posterior reads at each place of the grid; layers named as in diffusers."""

    def __init__(self, before: int, features: int, codec: KLCodec) -> None:
        """Build it.

        Args:
            before: channels of the picture.
            features: channels of what the posterior reads.
            codec: the description of the pair.
        """
        super().__init__()
        channels, groups = codec.channels, codec.groups
        self.conv_in = Convolution(before, channels[0])
        levels = []
        for level, (old, new) in enumerate(zip((channels[0], *channels), channels, strict=False)):
            change = ("downsamplers", Halving(new)) if level + 1 < len(channels) else None
            levels.append(Level([old, *[new] * codec.blocks], groups, change))
        self.down_blocks = nn.ModuleList(levels)
        self.mid_block = Middle(channels[-1], groups, codec.attention)
        self.conv_norm_out = GroupNorm(groups, channels[-1])
        self.conv_out = Convolution(channels[-1], features)
        self.end = Ending(self.conv_norm_out, F.silu, self.conv_out)
        self.quant_conv = Convolution(features, features, 1)

    def stages(self) -> list[Stage]:
        """Give the stages in their order."""
        levels = [stage for level in self.down_blocks for stage in level.stages()]  # pyright: ignore
        return [self.conv_in, *levels, *self.mid_block.stages(), self.end, self.quant_conv]


class KLDecoder(Staged):
    """Latents on a grid to what the likelihood reads; layers named as in diffusers."""

    def __init__(self, latent: int, after: int, codec: KLCodec) -> None:
        """Build it.

        Args:
            latent: channels of the latent.
            after: channels of what the likelihood reads.
            codec: the description of the pair.
        """
        super().__init__()
        channels, groups = codec.channels, codec.groups
        self.post_quant_conv = Convolution(latent, latent, 1)
        turned = channels[::-1]
        self.conv_in = Convolution(latent, turned[0])
        self.mid_block = Middle(turned[0], groups, codec.attention)
        levels = []
        for level, (old, new) in enumerate(zip((turned[0], *turned), turned, strict=False)):
            change = ("upsamplers", Doubling(new)) if level + 1 < len(turned) else None
            levels.append(Level([old, *[new] * (codec.blocks + 1)], groups, change))
        self.up_blocks = nn.ModuleList(levels)
        self.conv_norm_out = GroupNorm(groups, channels[0])
        self.conv_out = Convolution(channels[0], after)
        self.end = Ending(self.conv_norm_out, F.silu, self.conv_out)

    def stages(self) -> list[Stage]:
        """Give the stages in their order."""
        levels = [stage for level in self.up_blocks for stage in level.stages()]  # pyright: ignore
        return [self.post_quant_conv, self.conv_in, *self.mid_block.stages(), *levels, self.end]


@register("network", "kl_codec")
class KLCodec(Codec):
    """Residual blocks with group normalisation at every resolution, to a grid of latents and back.

    The layers, their order and their names are those of diffusers' `AutoencoderKL` and `VQModel`, so that a
    run can be exported to either and begin at published weights. Of any size of picture that its halvings
    divide.

    References:
        Robin Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022.
        Patrick Esser, Robin Rombach, Bjorn Ommer, "Taming Transformers for High-Resolution Image Synthesis",
        2021.
    """

    name: ClassVar[str] = "kl_codec"

    def __init__(
        self,
        channels: tuple[int, ...] = (32, 64, 128, 128),
        blocks: int = 1,
        attention: bool = False,
        linear: bool = True,
    ) -> None:
        """Describe the pair.

        Args:
            channels: channels of each level, the picture's own resolution first; each further level halves
                it. Latent diffusion's are 128, 256, 512, 512.
            blocks: residual blocks of a level of the encoder; the decoder has one more.
            attention: whether every place of the grid sees all others; its cost grows with the square of
                their number.
            linear: whether a linear code of blocks stands beside the network, which learns what it misses;
                worth it in runs too short for the network alone.
        """
        check_levels(channels)
        check_positive((blocks,), "network.blocks")
        self.channels = channels
        self.blocks = blocks
        self.attention = attention
        self.linear = linear

    @property
    def groups(self) -> int:
        """Groups of channels that are normalised together: the most, up to 32, that divide every level's."""
        return math.gcd(GROUPS, *self.channels)

    def encoder_body(self, before: int, features: int) -> tuple[Staged, nn.Conv2d]:
        """Build the network to the grid; see `Codec`."""
        body = KLEncoder(before, features, self)
        return body, body.quant_conv

    def decoder_body(self, latent: int, after: int) -> tuple[Staged, nn.Conv2d]:
        """Build the network from the grid; see `Codec`."""
        body = KLDecoder(latent, after, self)
        return body, body.conv_out
