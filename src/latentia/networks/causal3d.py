"""The codec of video: causal convolutions over time and space, the first frame of a clip alone an image."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks.base import Network, Shape, check_dim, check_levels, check_positive
from latentia.networks.causal import (
    CausalConv,
    CausalResidual,
    Doubled,
    Past,
    PlaceNorm,
    Streamed,
    folded,
    in_turn,
    unfolded,
)
from latentia.networks.clip_code import BlocksIn, BlocksOut, WithBlocks


def _residuals(channels: int, count: int) -> nn.ModuleList:
    return nn.ModuleList([CausalResidual(channels, channels) for _ in range(count)])


class DownLevel(nn.Module):
    """Residual blocks, a convolution that halves time, height and width, a block that changes channels."""

    def __init__(self, before: int, after: int, blocks: int, halves: bool, first: bool) -> None:
        """Build the level.

        Args:
            before: channels in.
            after: channels out.
            blocks: how many residual blocks keep the channels.
            halves: whether there is a convolution of stride 2.
            first: whether the first frame stays one.
        """
        super().__init__()
        self.resnets = _residuals(before, blocks)
        halving = [CausalConv(before, before, stride=2, lead=2 if first else 1)] if halves else []
        self.downsamplers = nn.ModuleList(halving)
        self.conv_out = CausalResidual(before, after) if before != after else None

    def parts(self) -> list[nn.Module]:
        """Give the parts in their order."""
        return [*self.resnets, *self.downsamplers, *([self.conv_out] if self.conv_out is not None else [])]


class UpLevel(nn.Module):
    """A block that changes channels, what doubles time, height and width, and residual blocks."""

    def __init__(self, before: int, after: int, blocks: int, doubles: bool, first: bool) -> None:
        """Build the level; see `DownLevel`."""
        super().__init__()
        self.conv_in = CausalResidual(before, after) if before != after else None
        self.upsamplers = nn.ModuleList([Doubled(after, first)] if doubles else [])
        self.resnets = _residuals(after, blocks)

    def parts(self) -> list[nn.Module]:
        """Give the parts in their order."""
        return [*([self.conv_in] if self.conv_in is not None else []), *self.upsamplers, *self.resnets]


class Middle(nn.Module):
    """The residual blocks at the lowest resolution."""

    def __init__(self, channels: int, blocks: int) -> None:
        """Build it.

        Args:
            channels: channels in and out.
            blocks: how many.
        """
        super().__init__()
        self.resnets = _residuals(channels, blocks)


class CausalEncoder(Streamed):
    """Clips to what the posterior reads at each place of the grid; layers named as in diffusers."""

    def __init__(self, before: int, features: int, codec: Causal3d) -> None:
        """Build it.

        Args:
            before: channels of the clip.
            features: channels of what the posterior reads.
            codec: the description of the pair.
        """
        super().__init__()
        channels, blocks = codec.channels, codec.blocks
        self.patch, self.first, self.unit = codec.patch, codec.first, codec.stride[0]
        self.conv_in = CausalConv(before * codec.patch**2, channels[0])
        levels = []
        for level, (old, new) in enumerate(pairwise((*channels, channels[-1]))):
            halves = level + 1 < len(channels)
            levels.append(DownLevel(old, new, blocks[level], halves, codec.first))
        self.down_blocks = nn.ModuleList(levels)
        self.mid_block = Middle(channels[-1], blocks[-1])
        self.norm_out = PlaceNorm()
        self.conv_out = CausalConv(channels[-1], features)

    def step(self, x: Tensor, past: Past = None) -> tuple[Tensor, Past]:
        """Map the next frames; see `Streamed`."""
        body, end = (None, None) if past is None else past
        levels: list[Any] = list(self.down_blocks)
        parts = [self.conv_in, *(part for level in levels for part in level.parts()), *self.mid_block.resnets]
        h, body = in_turn(parts, folded(x, self.patch), body)
        h, end = self.conv_out(F.silu(self.norm_out(h)), end)
        return h, (body, end)


class CausalDecoder(Streamed):
    """Latents on a grid to what the likelihood reads; layers named as in diffusers."""

    def __init__(self, latent: int, after: int, codec: Causal3d) -> None:
        """Build it.

        Args:
            latent: channels of the latent.
            after: channels of what the likelihood reads.
            codec: the description of the pair.
        """
        super().__init__()
        channels, blocks = codec.channels[::-1], codec.blocks[::-1]
        self.patch, self.pixels = codec.patch, math.prod(codec.stride)
        self.conv_in = CausalConv(latent, channels[0])
        self.mid_block = Middle(channels[0], blocks[0])
        levels = []
        for level, (old, new) in enumerate(pairwise((channels[0], *channels))):
            levels.append(UpLevel(old, new, blocks[level + 1], level > 0, codec.first))
        self.up_blocks = nn.ModuleList(levels)
        self.norm_out = PlaceNorm()
        self.conv_out = CausalConv(channels[-1], after * codec.patch**2)

    def step(self, x: Tensor, past: Past = None) -> tuple[Tensor, Past]:
        """Map the next latents; see `Streamed`."""
        body, end = (None, None) if past is None else past
        levels: list[Any] = list(self.up_blocks)
        parts = [self.conv_in, *self.mid_block.resnets, *(part for level in levels for part in level.parts())]
        h, body = in_turn(parts, x, body)
        h, end = self.conv_out(F.silu(self.norm_out(h)), end)
        return unfolded(h, self.patch), (body, end)


@register("network", "causal3d")
class Causal3d(Network):
    """Causal convolutions over time and space, to a grid of latents and back.

    With four levels and patches of 4, a place of the grid stands for 8 frames of 32x32 pixels, and the first
    place in time for the first frame alone, so that a clip of one frame is a picture. No output depends on
    later frames, in either half: a clip of any length can be encoded and decoded piece by piece without a
    difference. The layers, their order and their names are those of diffusers' `AutoencoderKLLTXVideo` with a
    causal decoder.

    References:
        Yoav HaCohen et al., "LTX-Video: Realtime Video Latent Diffusion", 2024.
        Lijun Yu et al., "Language Model Beats Diffusion - Tokenizer is Key to Visual Generation", 2024.
    """

    convolutional: ClassVar[bool] = True
    link: ClassVar[str | None] = "identity"
    name: ClassVar[str] = "causal3d"

    def __init__(
        self,
        channels: tuple[int, ...] = (32, 64, 128, 128),
        blocks: tuple[int, ...] = (1, 1, 1, 1, 1),
        patch: int = 4,
        first: bool = True,
        linear: bool = True,
    ) -> None:
        """Describe the pair.

        Args:
            channels: channels of each level; each further level halves time, height and width. LTX-Video's
                are 128, 256, 512, 512.
            blocks: residual blocks of each level, and of the middle.
            patch: side of the squares of pixels that become channels at first.
            first: whether the first frame of a clip stands alone, so that clips have 1 + 8 k frames, and not
                8 k.
            linear: whether a linear code of blocks stands beside the network, which learns what it misses;
                worth it in runs too short for the network alone.

        Raises:
            ConfigError: if the levels do not fit each other.
        """
        check_levels(channels)
        check_positive((patch,), "network.patch")
        if len(blocks) != len(channels) + 1 or min(blocks) < 1:
            raise ConfigError(
                f"'network.blocks' must have a number from 1 on for each of the {len(channels)} levels of "
                f"network.channels, and one for the middle, not {list(blocks)}"
            )
        self.channels = channels
        self.blocks = blocks
        self.patch = patch
        self.first = first
        self.linear = linear

    @property
    def stride(self) -> tuple[int, int, int]:
        """How many frames, lines and columns are one place of the grid."""
        halved = 2 ** (len(self.channels) - 1)
        return halved, halved * self.patch, halved * self.patch

    def strides(self, event: Shape, latent: Shape) -> Shape:
        """Give frames, lines and columns of a place; see `Network`."""
        return self.stride

    @property
    def lead(self) -> int:
        """One, where the first frame stands alone; see `Network`."""
        return int(self.first)

    def latent(self, event: Shape, dim: int, downsample: int | None = None) -> Shape:
        """Give `(dim, places in time, H / stride, W / stride)`; see `Network`."""
        check_dim(dim)
        if len(event) != 4:
            shape = "x".join(map(str, event))
            raise ConfigError(
                f"network 'causal3d' needs clips, and the data have shape {shape}; use network.name=kl_codec "
                "for pictures, or data.frames=17 to read clips"
            )
        if downsample is not None:
            raise ConfigError("network 'causal3d' has a stride of its own; leave model.downsample out")
        _, frames, height, width = event
        time, side, _ = self.stride
        if frames < self.lead or (frames - self.lead) % time or height % side or width % side:
            raise ConfigError(self._misfit(frames, height, width))
        return (dim, self.lead + (frames - self.lead) // time, height // side, width // side)

    def _misfit(self, frames: int, height: int, width: int) -> str:
        time, side, _ = self.stride
        places = max(0 if self.first else 1, round((frames - self.lead) / time))
        count = f"data.frames={self.lead + places * time}"
        size = f"data.crop={max(1, min(height, width) // side) * side}"
        wrong = [
            *([count] if (frames - self.lead) % time or frames < self.lead else []),
            *([size] if height % side or width % side else []),
        ]
        return (
            f"network 'causal3d' of {len(self.channels)} levels and patches of {self.patch} has places of "
            f"{time} frames of {side}x{side}{' after the first frame' * self.first}, which clips of {frames} "
            f"frames of {height}x{width} are not made of; use {' '.join(wrong)}, or network.patch and "
            "network.channels of fewer levels (patch 2 and three levels: 4x8x8), or network.name=mlp"
        )

    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the map from `(B, C, T, H, W)` to `(B, F, t, h, w)`; see `Network`."""
        self._check(features)
        body = CausalEncoder(event[0], features[0], self)
        if not self.linear:
            return body
        return WithBlocks(body, body.conv_out.conv, BlocksIn(event[0], features[0], self.stride, self.first))

    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the map from `(B, D, t, h, w)` to `(B, C, T, H, W)`; see `Network`."""
        self._check(latent)
        body = CausalDecoder(latent[0], event[0], self)
        if not self.linear:
            return body
        return WithBlocks(body, body.conv_out.conv, BlocksOut(latent[0], event[0], self.stride, self.first))

    def _check(self, grid: Shape) -> None:
        """Refuse a vector, which a model may need."""
        if len(grid) != 4:
            raise ConfigError(
                "network 'causal3d' leads to a grid and not to a vector, which this model needs; use "
                "--model vae, or network.name=mlp"
            )
