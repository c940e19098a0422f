"""A codec with side information: a network to a grid, and another from there to a coarser one."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks.base import Network, Shape, check_grid, check_positive, image_size
from latentia.networks.codec import BlockCode, BlockPicture, WithLinear
from latentia.networks.deep_codec import DeepCodec
from latentia.networks.tiles import through

FOLD = 2
"""A place of the latent's grid holds 2x2 of the network's, and what is said of them beside."""
BESIDE = 4.0
"""What side information is multiplied by, so that it begins no smaller than a step."""
FINE = 10.0
"""Latents are seen on a logarithmic scale, which is linear below a tenth of the data's unit."""


class Analysis(nn.Module):
    """Pictures to side information, then the numbers of 2x2 places, in the channels of one grid."""

    def __init__(self, body: nn.Module, dim: int, side: int, hidden: int) -> None:
        """Build it.

        Args:
            body: from pictures `(B, C, H, W)` to `(B, dim, 2 h, 2 w)`.
            dim: its channels.
            side: channels of the side information.
            hidden: channels inside of the network that makes it.
        """
        super().__init__()
        self.body = body
        self.beside = nn.Sequential(
            nn.Conv2d(2 * FOLD**2 * dim, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, side, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, side + 4 dim, h, w)`."""
        y = pixel_unshuffle(through(self.body, x), FOLD)
        # How large numbers are matters beside what they are; their range is that of a logarithm.
        small = (FINE * y).asinh()
        return torch.cat([BESIDE * self.beside(torch.cat([small, small.abs()], dim=1)), y], dim=1)


class Synthesis(nn.Module):
    """What follows the side information in such channels, to pictures."""

    def __init__(self, body: nn.Module, side: int, magnified: int) -> None:
        """Build it.

        Args:
            body: from `(B, dim, 2 h, 2 w)` to pictures.
            side: channels of the side information.
            magnified: pixels along each side that one of these places stands for.
        """
        super().__init__()
        self.body, self.side, self.magnified = body, side, magnified

    def forward(self, z: Tensor) -> Tensor:
        """Map `(B, side + 4 dim, h, w)` to `(B, C, H, W)`."""
        return through(self.body, pixel_shuffle(z[:, self.side :], FOLD), self.magnified)

    def inside(self, shape: Shape, height: int, width: int) -> Tensor:
        """Say which numbers of a latent stand for something of a picture, and not for what was mirrored.

        Args:
            shape: of the latent, `(side + 4 dim, h, w)`.
            height: of the picture, in pixels.
            width: of the picture, in pixels.

        Returns:
            True for the side information and for places that begin inside of the picture, `shape`.
        """
        rows, columns = (FOLD * size for size in shape[1:])
        there = torch.zeros((shape[0] - self.side) // FOLD**2, rows, columns, dtype=torch.bool)
        there[:, : math.ceil(height / self.magnified), : math.ceil(width / self.magnified)] = True
        beside = torch.ones(self.side, *shape[1:], dtype=torch.bool)
        return torch.cat([beside, pixel_unshuffle(there, FOLD)])


@register("network", "hyper_codec")
class HyperCodec(Network):
    """The layers of `deep_codec` and a linear code beside them, for rounded latents with side information.

    The latent's grid is twice as coarse as the network's: a place has `side` numbers of side information, and
    the numbers of 2x2 places, `latent_dim` each. Both linear codes begin as an orthonormal transform, so that
    errors of latents are errors of pixels. It is meant for posterior `rounded` and prior `hyperprior`.

    Attributes:
        side: numbers of side information at a place of the latent's grid; the first ones.

    References:
        Johannes Ballé et al., "Variational Image Compression with a Scale Hyperprior", 2018.
    """

    convolutional: ClassVar[bool] = True
    link: ClassVar[str | None] = "identity"

    def __init__(
        self,
        channels: tuple[int, ...] = (16, 16, 32, 64, 128),
        blocks: tuple[int, ...] = (0, 1, 1, 1, 1),
        analysis: Literal["network", "linear"] = "network",
        side: int = 32,
        hidden: int = 64,
    ) -> None:
        """Describe the pair.

        Args:
            channels: channels of each level, the picture's own resolution first; each further level halves
                it.
            blocks: residual blocks of each level; see `deep_codec`.
            analysis: what leads to latents: a network and the linear code, or this alone, which takes half of
                the time and suits short runs. Back to pixels there is always a network.
            side: numbers of side information at a place.
            hidden: channels inside of the network that makes the side information.

        Raises:
            ConfigError: if the levels do not fit each other.
        """
        self.pair = DeepCodec(channels, blocks, linear=True)
        check_positive((side, hidden), "network.side and network.hidden")
        self.channels, self.blocks = channels, blocks
        self.analysis, self.side, self.hidden = analysis, side, hidden

    def latent(self, event: Shape, dim: int, downsample: int | None = None) -> Shape:
        """Give `(side + 4 dim, h, w)` on a grid twice as coarse as the pair's; see `Network`."""
        _, height, width = image_size(event, "hyper_codec")
        side = FOLD * self.pair.downsample
        if height % side or width % side or downsample not in (None, side):
            raise ConfigError(
                f"network 'hyper_codec' halves {side.bit_length() - 1} times, and {height}x{width} does not "
                f"become a grid so; use data.crop={max(1, min(height, width) // side) * side}, or "
                "network.channels of fewer levels"
            )
        wide, *_ = self.pair.latent(event, dim)
        return (self.side + FOLD**2 * wide, height // side, width // side)

    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the map from `(B, C, H, W)` to `(B, F, h, w)`; see `Network`."""
        image_size(event, "hyper_codec")
        check_grid(features, "hyper_codec")
        dim = self._dim(features)
        linear = BlockCode(event[0], dim, self.pair.downsample)
        whole: nn.Module = linear
        if self.analysis == "network":
            body, last = self.pair.encoder_body(event[0], dim)
            whole = WithLinear(body, last, linear)
        return Analysis(whole, dim, features[0] - FOLD**2 * dim, self.hidden)

    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the map from `(B, D, h, w)` to `(B, C, H, W)`; see `Network`."""
        image_size(event, "hyper_codec")
        check_grid(latent, "hyper_codec")
        dim = self._dim(latent)
        body, last = self.pair.decoder_body(dim, event[0])
        linear = BlockPicture(dim, event[0], self.pair.downsample)
        return Synthesis(WithLinear(body, last, linear), latent[0] - FOLD**2 * dim, self.pair.downsample)

    def _dim(self, grid: Shape) -> int:
        """Give how many numbers a place of the finer grid has, of the channels of the coarser one."""
        if grid[0] < self.side + FOLD**2:
            raise ConfigError(
                f"network 'hyper_codec' has {self.side} numbers of side information at a place, and "
                f"{grid[0]} channels leave no room for others; use a smaller network.side"
            )
        return (grid[0] - self.side) // FOLD**2
