"""What video codecs are built of: maps of clips that never look ahead, and say what they remember.

Every part maps `(x, past)` to `(y, past)`: `past` is None where a clip begins, and else what the same part
gave with the frames before. So a clip may come in pieces of any lengths, and nothing is hidden in a module:
the outputs, one after the other, are those of the whole clip.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.networks.base import ResidualBlock

Past = Any
"""What a part remembers of the frames before: tensors, or tuples of them; None where a clip begins."""


class Causal(nn.Module):
    """A map of clips `(B, C, T, H, W)`, none of whose outputs depends on later frames."""

    def forward(self, x: Tensor, past: Past = None) -> tuple[Tensor, Past]:
        """Map the next frames, and say what to remember of them."""
        raise TypeError("a causal part defines its own forward")


def in_turn(parts: Sequence[nn.Module], x: Tensor, past: Past) -> tuple[Tensor, Past]:
    """Map frames by one part after the other.

    Args:
        parts: causal parts.
        x: the next frames.
        past: what they remember, or None.

    Returns:
        What the last one gives, and what all of them remember.
    """
    kept = []
    for place, part in enumerate(parts):
        x, own = part(x, None if past is None else past[place])
        kept.append(own)
    return x, tuple(kept)


class CausalConv(Causal):
    """A convolution over time and space: frames before the first are the first, pixels beyond the edge zero.

    What it remembers are the frames from where its next window begins.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int = 3,
        stride: int = 1,
        lead: int | None = None,
    ) -> None:
        """Build it.

        Args:
            before: channels in.
            after: channels out.
            kernel: frames, height and width of the kernel.
            stride: of all three.
            lead: how often the first frame stands before the clip; so that the first output sees that frame
                alone, unless told otherwise.
        """
        super().__init__()
        self.lead = kernel - 1 if lead is None else lead
        half = kernel // 2
        self.conv = nn.Conv3d(before, after, kernel, stride=stride, padding=(0, half, half))

    def forward(self, x: Tensor, past: Past = None) -> tuple[Tensor, Past]:
        """Map the next frames; see `Causal`."""
        if past is None:
            past = x[:, :, :1].expand(-1, -1, self.lead, -1, -1)
        x = torch.cat((past, x), dim=2) if past.shape[2] else x
        y = self.conv(x)
        kept = x[:, :, y.shape[2] * self.conv.stride[0] :]
        # A view would hold all of the frames in memory.
        return y, kept if torch.is_grad_enabled() else kept.clone()


class PlaceNorm(nn.Module):
    """Divides the channels at each place of each frame by their root mean square.

    References:
        Biao Zhang, Rico Sennrich, "Root Mean Square Layer Normalization", 2019.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, T, H, W)` to the same shape."""
        return x * torch.rsqrt(x.float().square().mean(dim=1, keepdim=True) + 1e-8).to(x)


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels at each place of each frame."""

    def forward(self, input: Tensor) -> Tensor:
        """Map `(B, C, T, H, W)` to the same shape."""
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class CausalResidual(ResidualBlock, Causal):
    """A residual block of two normalised causal convolutions; a 1x1x1 beside them where channels change."""

    def __init__(self, before: int, after: int) -> None:
        """Build the block.

        Args:
            before: channels in.
            after: channels out.
        """
        super().__init__()
        self.norm = PlaceNorm()
        self.conv1 = CausalConv(before, after)
        self.conv2 = CausalConv(after, after)
        changes = before != after
        self.norm3 = ChannelLayerNorm(before, eps=1e-6) if changes else None
        self.conv_shortcut = CausalConv(before, after, 1) if changes else None

    def forward(self, x: Tensor, past: Past = None) -> tuple[Tensor, Past]:
        """Map the next frames; see `Causal`."""
        first, second = (None, None) if past is None else past
        h, first = self.conv1(F.silu(self.norm(x)), first)
        h, second = self.conv2(F.silu(self.norm(h)), second)
        if self.norm3 is not None and self.conv_shortcut is not None:
            x, _ = self.conv_shortcut(self.norm3(x))
        return h + x, (first, second)


class Doubled(Causal):
    """A causal convolution whose channels become twice the frames, lines and columns.

    Of what the first frame becomes, the last is kept alone where it is to stay one.
    """

    def __init__(self, channels: int, first: bool) -> None:
        """Build it.

        Args:
            channels: channels in and out.
            first: whether the first frame of a clip becomes a single one.
        """
        super().__init__()
        self.conv = CausalConv(channels, 8 * channels)
        self.first = first

    def forward(self, x: Tensor, past: Past = None) -> tuple[Tensor, Past]:
        """Map the next frames; see `Causal`."""
        h, kept = self.conv(x, past)
        batch, _, frames, height, width = h.shape
        h = h.reshape(batch, -1, 2, 2, 2, frames, height, width).permute(0, 1, 5, 2, 6, 3, 7, 4)
        h = h.reshape(batch, -1, 2 * frames, 2 * height, 2 * width)
        return h[:, :, 1:] if past is None and self.first else h, kept


def folded(x: Tensor, side: int) -> Tensor:
    """Make channels of squares of pixels, in the order of channel, column and line.

    Args:
        x: `(B, C, T, H, W)`.
        side: of a square.

    Returns:
        `(B, C * side * side, T, H / side, W / side)`.
    """
    batch, channels, frames, height, width = x.shape
    x = x.reshape(batch, channels, frames, height // side, side, width // side, side)
    return x.permute(0, 1, 6, 4, 2, 3, 5).flatten(1, 3)


def unfolded(x: Tensor, side: int) -> Tensor:
    """Undo `folded`.

    Args:
        x: `(B, C * side * side, T, H, W)`.
        side: of a square.

    Returns:
        `(B, C, T, H * side, W * side)`.
    """
    batch, _, frames, height, width = x.shape
    x = x.reshape(batch, -1, side, side, frames, height, width).permute(0, 1, 4, 5, 3, 6, 2)
    return x.reshape(batch, -1, frames, height * side, width * side)


class Streamed(nn.Module, abc.ABC):
    """A network of clips, which maps them as a whole or piece by piece."""

    unit: int = 1
    """Its pieces have multiples of so many frames."""
    first: bool = False
    """Whether one frame more belongs to the first piece."""
    pixels: int = 1
    """Pixels of a clip that an entry of its input stands for."""

    @abc.abstractmethod
    def step(self, x: Tensor, past: Past = None) -> tuple[Tensor, Past]:
        """Map the next frames.

        Args:
            x: `(B, C, t, H, W)`, t a multiple of `unit`, and one more at the beginning where `first` says so.
            past: what the step before gave; None at the beginning.

        Returns:
            What they become, and what the next step is to be given.
        """

    def forward(self, x: Tensor) -> Tensor:
        """Map whole clips `(B, C, T, H, W)`."""
        return self.step(x)[0]


PIXELS = 1 << 21
"""Pixels of the clip in a piece, about."""


def pieces(network: Streamed, x: Tensor) -> Tensor:
    """Map clips piece by piece, in memory that grows by the result alone.

    Args:
        network: what maps them.
        x: clips, or latents of clips, `(B, C, T, H, W)`.

    Returns:
        What the network gives for the whole, to float accuracy.
    """
    size = piece(network, x.shape[0] * x.shape[-2] * x.shape[-1])
    if x.shape[2] <= size + network.first:
        return network(x)
    found, past, at = [], None, 0
    while at < x.shape[2]:
        stop = at + size + (network.first and at == 0)
        y, past = network.step(x[:, :, at:stop], past)
        found.append(y)
        at = stop
    return torch.cat(found, dim=2)


def piece(network: Streamed, entries: int) -> int:
    """Say how many entries in time make a piece.

    Args:
        network: what maps them.
        entries: how many there are at one time.

    Returns:
        A multiple of the network's unit.
    """
    return max(1, PIXELS // (max(1, entries) * network.pixels * network.unit)) * network.unit
