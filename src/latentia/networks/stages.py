"""What codec networks are built of: maps of pictures of any size that say how far they see.

A codec network is a sequence of stages, each of which maps one picture-like tensor to another. A stage that
sees a neighbourhood alone says how far it reaches, so that it can be worked through in tiles (`tiles.py`).
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.networks.base import ResidualBlock


class Stage(nn.Module):
    """A map of `(B, C, H, W)` to `(B, C', H * up / down, W * up / down)`, the same at every place.

    Attributes:
        up, down: what the sides are multiplied with, and divided by; one of them is 1.
        reach: an output pixel depends on inputs at most so far beyond those that it stands for.
        whole: whether it depends on every place, and so can only be worked through as a whole.
    """

    up: int = 1
    down: int = 1
    reach: int = 0
    whole: ClassVar[bool] = False

    def margin(self, after: int) -> int:
        """Say how far inputs must be right for outputs to be right so far, in pixels beyond a tile's edge."""
        return math.ceil(after * self.down / self.up) + self.reach


class Convolution(nn.Conv2d, Stage):
    """A convolution that keeps the size, with zeros beyond the edge."""

    def __init__(self, before: int, after: int, kernel: int = 3) -> None:
        """Build it.

        Args:
            before: channels in.
            after: channels out.
            kernel: side of the kernel, odd.
        """
        super().__init__(before, after, kernel, padding=kernel // 2)
        self.reach = kernel // 2


class Staged(nn.Module, abc.ABC):
    """Stages one after another; subclasses name them as they please and list them in `stages`."""

    @abc.abstractmethod
    def stages(self) -> list[Stage]:
        """Give the stages in their order."""

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` by every stage in turn."""
        for stage in self.stages():
            x = stage(x)
        return x


Statistics = Callable[["GroupNorm", Tensor], tuple[Tensor, Tensor]]


class GroupNorm(nn.GroupNorm):
    """Group normalisation whose statistics may be those of a picture of which it sees a tile.

    Attributes:
        statistics: None, and it normalises what it is given by itself; else what knows, or gathers, mean and
            reciprocal deviation of the whole picture: called with the norm and its input, it gives both, each
            `(B, groups, 1)`.
    """

    def __init__(self, groups: int, channels: int) -> None:
        """Build it.

        Args:
            groups: groups of channels that are normalised together.
            channels: channels in and out.
        """
        super().__init__(groups, channels, eps=1e-6)
        self.statistics: Statistics | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `(B, C, H, W)`."""
        if self.statistics is None:
            # The function of the same name in torch.nn refuses a single pixel where a group is a channel.
            return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
        mean, scale = self.statistics(self, x)
        apart = (x.unflatten(1, (self.num_groups, -1)).flatten(2) - mean) * scale
        return apart.view_as(x) * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


class Ending(Stage):
    """A normalisation, an activation and a last layer: a stage over layers that others own."""

    def __init__(self, norm: nn.Module, activation: Callable[[Tensor], Tensor], last: Stage) -> None:
        """Take the layers, without owning them.

        Args:
            norm: the normalisation.
            activation: what follows it.
            last: the last layer.
        """
        super().__init__()
        self.layers = (norm, last)  # a tuple: they are parts of the network, and not once more of this
        self.activation = activation
        self.up, self.reach = last.up, last.reach

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` as the last layer does."""
        norm, last = self.layers
        return last(self.activation(norm(x)))


class Attention(Stage):
    """Self-attention of one head over all places, added to its input.

    References:
        Ashish Vaswani et al., "Attention Is All You Need", 2017.
    """

    whole: ClassVar[bool] = True

    def __init__(self, channels: int, groups: int) -> None:
        """Build it.

        Args:
            channels: channels in and out.
            groups: groups of the normalisation before it.
        """
        super().__init__()
        self.group_norm = GroupNorm(groups, channels)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to the same shape."""
        places = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (each(places).unsqueeze(1) for each in (self.to_q, self.to_k, self.to_v))
        seen = F.scaled_dot_product_attention(q, k, v).squeeze(1)
        return x + self.to_out[0](seen).transpose(1, 2).view_as(x)


class Residual(ResidualBlock, Stage):
    """A residual block of two normalised 3x3 convolutions; a 1x1 beside them where the channels change."""

    reach = 2

    def __init__(self, before: int, after: int, groups: int) -> None:
        """Build the block.

        Args:
            before: channels in.
            after: channels out.
            groups: groups of the normalisations.
        """
        super().__init__()
        self.norm1 = GroupNorm(groups, before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.norm2 = GroupNorm(groups, after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(before, after, 1) if before != after else None

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, before, H, W)` to `(B, after, H, W)`."""
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(x))
