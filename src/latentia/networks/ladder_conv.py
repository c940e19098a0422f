"""The convolutional ladder, for any image size."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import nn

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks.base import Activation, Shape, activation_named, check_positive, image_size
from latentia.networks.conv import KERNEL, PADDING, STRIDE, doubling
from latentia.networks.ladder import Ladder

MOST_HALVINGS = 3
"""How often the top level's image is halved where nothing is said, at the most."""


@register("ladder", "ladder_conv")
class LadderConv(Ladder):
    """Residual blocks of 3x3 convolutions; latents are images, smaller ones above larger ones."""

    def __init__(
        self,
        channels: int = 32,
        blocks: int = 1,
        halvings: tuple[int, ...] = (),
        activation: Activation = "silu",
    ) -> None:
        """Describe the pair.

        Args:
            channels: channels of the state.
            blocks: residual blocks for each level, on each way.
            halvings: how often the image is halved at each level, the top one first; spread over the levels
                by default, from three at the top to one.
            activation: what stands before each layer.
        """
        check_positive((channels,), "network.channels")
        check_positive((blocks,), "network.blocks")
        self.channels = channels
        self.blocks = blocks
        self.halvings = halvings
        self.activation = activation

    def _sizes(self, event: Shape, levels: tuple[int, ...]) -> list[tuple[int, int]]:
        """Give height and width of each level, the top one first."""
        _, height, width = image_size(event, "ladder_conv", "ladder_mlp")
        most = int(math.log2(min(height, width)))
        halvings = self.halvings or _spread(min(MOST_HALVINGS, most), len(levels))
        if len(halvings) != len(levels):
            raise ConfigError(
                f"'network.halvings' has {len(halvings)} numbers, and 'model.levels' has {len(levels)}; give "
                "one for each level"
            )
        if any(below > above for above, below in pairwise(halvings)) or min(halvings) < 0:
            raise ConfigError(
                f"'network.halvings' must not rise from the top level down, nor be negative, not "
                f"{list(halvings)}"
            )
        if halvings[0] > most:
            raise ConfigError(
                f"'network.halvings' asks for {halvings[0]}, and an image of {height}x{width} can be halved "
                f"{most} times"
            )
        return [(height >> times, width >> times) for times in halvings]

    def shapes(self, event: Shape, levels: tuple[int, ...]) -> list[Shape]:
        """Give images of `levels` channels; see `Ladder`."""
        return [(size, *side) for size, side in zip(levels, self._sizes(event, levels), strict=True)]

    def states(self, event: Shape, levels: tuple[int, ...]) -> list[Shape]:
        """Give images of `channels` channels; see `Ladder`."""
        return [(self.channels, *side) for side in self._sizes(event, levels)]

    def layer(self, before: int, after: int) -> nn.Module:
        """Build a convolution."""
        return nn.Conv2d(before, after, 3, padding=1)

    def enter(self, event: Shape, state: Shape) -> list[nn.Module]:
        """Build strided convolutions; see `Ladder`."""
        if event[1:] == state[1:]:
            return [self.layer(event[0], self.channels)]
        first = nn.Conv2d(event[0], self.channels, KERNEL, STRIDE, PADDING)
        return [first, *self.change((self.channels, event[1] // 2, event[2] // 2), state)]

    def leave(self, state: Shape, event: Shape) -> list[nn.Module]:
        """Build transposed convolutions; see `Ladder`."""
        if event[1:] == state[1:]:
            return [self.layer(self.channels, event[0])]
        last = doubling(self.channels, event[0], (event[1], event[2]))
        return [*self.change(state, (self.channels, event[1] // 2, event[2] // 2)), last]

    def change(self, before: Shape, after: Shape) -> list[nn.Module]:
        """Build convolutions that halve or double as often as it takes; see `Ladder`."""
        made: list[nn.Module] = []
        (height, width), (small, _) = before[1:], after[1:]
        while height > small:
            height, width = height // 2, width // 2
            made += [self._active(), nn.Conv2d(self.channels, self.channels, KERNEL, STRIDE, PADDING)]
        for size in self._between((height, width), (after[1], after[2])):
            made += [self._active(), doubling(self.channels, self.channels, size)]
        return made

    def _active(self) -> nn.Module:
        return activation_named(self.activation)

    def _between(self, small: tuple[int, int], large: tuple[int, int]) -> list[tuple[int, int]]:
        """List the sizes that lie between two, the first one excluded."""
        sizes = [large] if large != small else []
        while sizes and (sizes[0][0] // 2, sizes[0][1] // 2) != small:
            sizes.insert(0, (sizes[0][0] // 2, sizes[0][1] // 2))
        return sizes


def _spread(most: int, levels: int) -> tuple[int, ...]:
    """Spread halvings evenly from the top level to one at the bottom, or none where none fits."""
    least = min(1, most)
    if levels == 1:
        return (least,)
    return tuple(round(most - (most - least) * level / (levels - 1)) for level in range(levels))
