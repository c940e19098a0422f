"""The dense ladder."""

from __future__ import annotations

from torch import nn

from latentia.core.registry import register
from latentia.networks.base import Activation, Network, Shape, check_positive
from latentia.networks.ladder import Ladder
from latentia.networks.mlp import MLP


@register("ladder", "ladder_mlp")
class LadderMLP(Ladder):
    """Residual blocks of dense layers, one width for all levels; latents are vectors.

    Another network may stand between the data and the ladder: with a convolutional one at its ends, images
    are seen and drawn by convolutions, and what lies between is dense.
    """

    def __init__(
        self,
        width: int = 256,
        blocks: int = 1,
        activation: Activation = "silu",
        ends: Network = MLP(hidden=()),  # noqa: B008 - immutable
    ) -> None:
        """Describe the pair.

        Args:
            width: numbers in the state.
            blocks: residual blocks for each level, on each way.
            activation: what stands before each layer.
            ends: the network from the data to the first state and from the last state to the data; one
                dense layer by default.
        """
        check_positive((width,), "network.width")
        check_positive((blocks,), "network.blocks")
        self.width = width
        self.blocks = blocks
        self.activation = activation
        self.ends = ends

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
        """Build the encoder of the ends; see `Ladder`."""
        return [self.ends.encoder(event, state)]

    def leave(self, state: Shape, event: Shape) -> list[nn.Module]:
        """Build the decoder of the ends; see `Ladder`."""
        return [self.ends.decoder(state, event)]

    def change(self, before: Shape, after: Shape) -> list[nn.Module]:
        """Build nothing: all states are of one size."""
        return []
