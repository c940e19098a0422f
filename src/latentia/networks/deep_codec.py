"""The deep codec: residual blocks normalised place by place, and shortcuts that move pixels into channels."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks.base import ResidualBlock, check_levels
from latentia.networks.codec import Codec
from latentia.networks.stages import Convolution, Ending, Stage, Staged

EPSILON = 1e-5


class ChannelNorm(Stage):
    """Divides the channels at each place by their root mean square, then scales and shifts them.

    References:
        Biao Zhang, Rico Sennrich, "Root Mean Square Layer Normalization", 2019.
    """

    def __init__(self, channels: int) -> None:
        """Build it.

        Args:
            channels: channels in and out.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to the same shape."""
        scale = torch.rsqrt(x.float().square().mean(dim=1, keepdim=True) + EPSILON).to(x)
        return x * scale * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


class DeepBlock(ResidualBlock, Stage):
    """A residual block of two 3x3 convolutions, normalised at its end."""

    reach = 2

    def __init__(self, channels: int) -> None:
        """Build the block.

        Args:
            channels: channels in and out.
        """
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = ChannelNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to the same shape."""
        return x + self.norm(self.conv2(F.silu(self.conv1(x))))


class Folding(Stage):
    """A 3x3 convolution, then each 2x2 pixels become channels of one; their means beside it.

    What stands beside it is the same pixels folded without a convolution, averaged over groups of channels.
    """

    down, reach = 2, 1

    def __init__(self, before: int, after: int, shortcut: bool = True) -> None:
        """Build it.

        Args:
            before: channels in.
            after: channels out, a multiple of 4.
            shortcut: whether the folded pixels stand beside.
        """
        super().__init__()
        self.conv = nn.Conv2d(before, after // 4, 3, padding=1)
        self.group = 4 * before // after if shortcut else 0

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, before, H, W)` to `(B, after, H / 2, W / 2)`."""
        h = F.pixel_unshuffle(self.conv(x), 2)
        if not self.group:
            return h
        return h + F.pixel_unshuffle(x, 2).unflatten(1, (-1, self.group)).mean(dim=2)


class Unfolding(Stage):
    """A 3x3 convolution, then channels become 2x2 pixels; copies of the channels beside it."""

    up, reach = 2, 1

    def __init__(self, before: int, after: int, shortcut: bool = True) -> None:
        """Build it.

        Args:
            before: channels in.
            after: channels out.
            shortcut: whether the copied channels stand beside.
        """
        super().__init__()
        self.conv = nn.Conv2d(before, 4 * after, 3, padding=1)
        self.repeats = 4 * after // before if shortcut else 0

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, before, H, W)` to `(B, after, 2 H, 2 W)`."""
        h = F.pixel_shuffle(self.conv(x), 2)
        if not self.repeats:
            return h
        return h + F.pixel_shuffle(x.repeat_interleave(self.repeats, dim=1), 2)


class Narrowing(Convolution):
    """A 3x3 convolution to fewer channels, with the means of groups of channels beside it."""

    def __init__(self, before: int, after: int) -> None:
        """Build it.

        Args:
            before: channels in.
            after: channels out; where it does not divide `before`, nothing stands beside.
        """
        super().__init__(before, after)
        self.group = before // after if before % after == 0 else 0

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, before, H, W)` to `(B, after, H, W)`."""
        h = super().forward(x)
        return h + x.unflatten(1, (-1, self.group)).mean(dim=2) if self.group else h


class Widening(Convolution):
    """A 3x3 convolution to more channels, with copies of the channels beside it."""

    def __init__(self, before: int, after: int) -> None:
        """Build it.

        Args:
            before: channels in.
            after: channels out; where `before` does not divide it, nothing stands beside.
        """
        super().__init__(before, after)
        self.repeats = after // before if after % before == 0 else 0

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, before, H, W)` to `(B, after, H, W)`."""
        h = super().forward(x)
        return h + x.repeat_interleave(self.repeats, dim=1) if self.repeats else h


class DeepEncoder(Staged):
    """Pictures to what the posterior reads at each place of the grid; layers named as in diffusers."""

    def __init__(self, before: int, features: int, codec: DeepCodec) -> None:
        """Build it.

        Args:
            before: channels of the picture.
            features: channels of what the posterior reads.
            codec: the description of the pair.
        """
        super().__init__()
        channels = codec.channels
        if codec.blocks[0]:
            self.conv_in = Convolution(before, channels[0])
        else:
            self.conv_in = Folding(before, channels[1], shortcut=False)
        levels = []
        for level, (width, count) in enumerate(zip(channels, codec.blocks, strict=True)):
            blocks: list[nn.Module] = [DeepBlock(width) for _ in range(count)]
            if count and level + 1 < len(channels):
                blocks.append(Folding(width, channels[level + 1]))
            levels.append(nn.Sequential(*blocks))
        self.down_blocks = nn.ModuleList(levels)
        # A network beside a linear code begins at zero, which a shortcut is not.
        last = Convolution if codec.linear else Narrowing
        self.conv_out = last(channels[-1], features)

    def stages(self) -> list[Stage]:
        """Give the stages in their order."""
        levels = [stage for level in self.down_blocks for stage in level]  # pyright: ignore
        return [self.conv_in, *levels, self.conv_out]


class DeepDecoder(Staged):
    """Latents on a grid to what the likelihood reads; layers named as in diffusers."""

    def __init__(self, latent: int, after: int, codec: DeepCodec) -> None:
        """Build it.

        Args:
            latent: channels of the latent.
            after: channels of what the likelihood reads.
            codec: the description of the pair.
        """
        super().__init__()
        channels, counts = codec.channels, codec.blocks
        self.conv_in = Widening(latent, channels[-1])
        levels = []
        for level, (width, count) in enumerate(zip(channels, counts, strict=True)):
            blocks: list[nn.Module] = [DeepBlock(width) for _ in range(count)]
            if count and level + 1 < len(channels):
                blocks.insert(0, Unfolding(channels[level + 1], width))
            levels.append(nn.Sequential(*blocks))
        self.up_blocks = nn.ModuleList(levels)
        first = channels[0] if counts[0] else channels[1]
        self.norm_out = ChannelNorm(first)
        self.conv_out = Convolution(first, after) if counts[0] else Unfolding(first, after, shortcut=False)
        self.end = Ending(self.norm_out, F.relu, self.conv_out)

    def stages(self) -> list[Stage]:
        """Give the stages in their order."""
        levels = [stage for level in reversed(self.up_blocks) for stage in level]  # pyright: ignore
        return [self.conv_in, *levels, self.end]


@register("network", "deep_codec")
class DeepCodec(Codec):
    """Residual blocks normalised place by place, to a grid of latents and back.

    The layers, their order and their names are those of diffusers' `AutoencoderDC` without its attention. A
    place of the output depends on a neighbourhood alone, and nothing on the whole picture, so that pictures
    of any size can be worked through in tiles without a difference.

    References:
        Junyu Chen et al., "Deep Compression Autoencoder for Efficient High-Resolution Diffusion Models",
        2024.
    """

    name: ClassVar[str] = "deep_codec"

    def __init__(
        self,
        channels: tuple[int, ...] = (32, 32, 64, 128),
        blocks: tuple[int, ...] = (0, 1, 2, 2),
        linear: bool = True,
    ) -> None:
        """Describe the pair.

        Args:
            channels: channels of each level, the picture's own resolution first; each further level halves
                it.
            blocks: residual blocks of each level. Without one at the picture's own, the network folds 2x2
                pixels at once.
            linear: whether a linear code of blocks stands beside the network, which learns what it misses;
                worth it in runs too short for the network alone.

        Raises:
            ConfigError: if the levels do not fit each other.
        """
        check_levels(channels)
        if len(blocks) != len(channels) or min(blocks[1:], default=1) < 1 or blocks[0] < 0:
            raise ConfigError(
                f"'network.blocks' must have a number for each of the {len(channels)} levels of "
                f"network.channels, at least 1 beyond the first, not {list(blocks)}"
            )
        if len(channels) == 1 and not blocks[0]:
            raise ConfigError("'network.blocks' of a network of one level must be at least 1, not 0")
        for before, after in pairwise(channels):
            if after % 4 or (4 * before) % after:
                raise ConfigError(
                    f"'network.channels' go from {before} to {after}: a level must have a multiple of 4 "
                    "channels, and divide four times those of the level before"
                )
        self.channels = channels
        self.blocks = blocks
        self.linear = linear

    def encoder_body(self, before: int, features: int) -> tuple[Staged, nn.Conv2d]:
        """Build the network to the grid; see `Codec`."""
        body = DeepEncoder(before, features, self)
        return body, body.conv_out

    def decoder_body(self, latent: int, after: int) -> tuple[Staged, nn.Conv2d]:
        """Build the network from the grid; see `Codec`."""
        body = DeepDecoder(latent, after, self)
        return body, body.conv_out.conv if isinstance(body.conv_out, Unfolding) else body.conv_out
