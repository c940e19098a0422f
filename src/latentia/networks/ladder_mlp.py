"""The dense ladder."""

from __future__ import annotations

import math

from torch import nn

from latentia.networks.base import Activation, Shape, check_positive
from latentia.networks.ladder import Ladder
from latentia.registry import register


@register("ladder", "ladder_mlp")
class LadderMLP(Ladder):
    """Residual blocks of dense layers, one width for all levels; latents are vectors."""

    def __init__(self, width: int = 256, blocks: int = 1, activation: Activation = "silu") -> None:
        """Describe the pair.

        Args:
            width: numbers in the state.
            blocks: residual blocks for each level, on each way.
            activation: what stands before each layer.
        """
        check_positive((width,), "network.width")
        check_positive((blocks,), "network.blocks")
        self.width = width
        self.blocks = blocks
        self.activation = activation

    def shapes(self, event: Shape, levels: tuple[int, ...]) -> list[Shape]:
        """Give vectors; see `Ladder`."""
        return [(size,) for size in levels]

    def states(self, event: Shape, levels: tuple[int, ...]) -> list[Shape]:
        """Give vectors; see `Ladder`."""
        return [(self.width,)] * len(levels)

    def layer(self, before: int, after: int) -> nn.Module:
        """Build a dense layer."""
        return nn.Linear(before, after)

    def enter(self, event: Shape, state: Shape) -> list[nn.Module]:
        """Build a dense layer; see `Ladder`."""
        return [nn.Flatten(), nn.Linear(math.prod(event), self.width)]

    def leave(self, state: Shape, event: Shape) -> list[nn.Module]:
        """Build a dense layer; see `Ladder`."""
        return [nn.Linear(self.width, math.prod(event)), nn.Unflatten(1, event)]

    def change(self, before: Shape, after: Shape) -> list[nn.Module]:
        """Build nothing: all states are of one size."""
        return []
