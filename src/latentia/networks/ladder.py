"""Ladders: networks of several levels, one way up from the data and one way down to it.

A ladder is a recipe for a pair. `bottom_up(event, levels)` maps `(B, *event)` to one tensor of features for
each level; `top_down(event, levels)` is a `TopDown`, whose stages carry a state from level to level.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from latentia.networks.base import Activation, Layered, Network, ResidualBlock, Shape, activation_named


class Residual(ResidualBlock):
    """`x + f(x)` with two layers after an activation each; the deeper the stack, the smaller f starts."""

    def __init__(self, first: nn.Module, last: nn.Module, activation: str, depth: int) -> None:
        """Build the block.

        Args:
            first: the first layer.
            last: the last layer; its weights are scaled down.
            activation: name of the activation.
            depth: how many such blocks stand in a row.
        """
        super().__init__()
        self.body = nn.Sequential(activation_named(activation), first, activation_named(activation), last)
        with torch.no_grad():
            for parameter in last.parameters():
                parameter /= math.sqrt(depth)


class BottomUp(Layered):
    """From the data to features for each level: the stages lead from the last level to the top one."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map `(B, *event)` to features, those of the top level first."""
        return super().forward(x)[::-1]


class Stage(nn.Module):
    """One level of the way down.

    ```
    state above ─ arrive ─ h ─┬─ prior ─────────────── 2 C numbers for p(z_l | z above)
                 features d ──┴─ posterior ─────────── 2 C numbers for q(z_l | z above, x)
                         h + merge(z_l) ─ the next state
    ```
    """

    def __init__(self, arrive: nn.Module, prior: nn.Module, posterior: nn.Module, merge: nn.Module) -> None:
        """Take the parts.

        Args:
            arrive: from the state above to that of this level.
            prior: from the state to what the prior needs.
            posterior: from the state beside the features to what the posterior needs.
            merge: from latents to what is added to the state.
        """
        super().__init__()
        self.arrive = arrive
        self.prior = prior
        self.posterior = posterior
        self.merge = merge


class TopDown(nn.Module):
    """The way down: a learned start, a stage for each level, and what leads to the data."""

    def __init__(self, start: Shape, stages: list[Stage], finish: nn.Module) -> None:
        """Take the parts.

        Args:
            start: shape of the state before the first level, for one example.
            stages: the levels, the top one first.
            finish: from the last state to the event.
        """
        super().__init__()
        self.start = nn.Parameter(torch.zeros(1, *start))
        self.stages = nn.ModuleList(stages)
        self.finish = finish

    def __iter__(self) -> Iterator[Stage]:
        """Go through the stages, the top one first."""
        for stage in self.stages:
            yield cast(Stage, stage)


class Zeros(nn.Module):
    """Zeros whatever the state is: what the top level's prior, N(0, I), reads."""

    def __init__(self, shape: Shape) -> None:
        """Remember the shape.

        Args:
            shape: shape of the output for one example.
        """
        super().__init__()
        self.shape = shape

    def forward(self, h: Tensor) -> Tensor:
        """Give `(B, *shape)`."""
        return h.new_zeros(h.shape[0], *self.shape)


class Chain(nn.Module):
    """What leads from each level to its neighbours, where levels know nothing else of each other.

    Attributes:
        up: `up[n]` maps level n + 1 to what level n is inferred by, counted from the top.
        down: `down[n]` maps level n to what level n + 1 is given by.
    """

    def __init__(self, levels: tuple[int, ...], numbers: list[Shape], link: Network) -> None:
        """Build the links.

        Args:
            levels: latents of each level, the top one first.
            numbers: shapes of what each level's distribution reads.
            link: the recipe for a pair.
        """
        super().__init__()
        pairs = range(len(levels) - 1)
        self.up = nn.ModuleList(link.encoder((levels[n + 1],), numbers[n]) for n in pairs)
        self.down = nn.ModuleList(link.decoder((levels[n],), numbers[n + 1]) for n in pairs)


class Ladder(abc.ABC):
    """A recipe for the way up and the way down; what it is made of is the subclass's business."""

    kind: ClassVar[str] = "ladder"
    blocks: int
    activation: Activation

    @abc.abstractmethod
    def shapes(self, event: Shape, levels: tuple[int, ...]) -> list[Shape]:
        """Give the shape of each level's latents.

        Args:
            event: shape of one example.
            levels: latents or channels of each level, the top one first.

        Returns:
            The shapes, the top one first.
        """

    @abc.abstractmethod
    def states(self, event: Shape, levels: tuple[int, ...]) -> list[Shape]:
        """Give the shape of the state at each level; see `shapes`."""

    @abc.abstractmethod
    def layer(self, before: int, after: int) -> nn.Module:
        """Build a layer between states of one size."""

    @abc.abstractmethod
    def enter(self, event: Shape, state: Shape) -> list[nn.Module]:
        """Build what leads from the data to a state."""

    @abc.abstractmethod
    def leave(self, state: Shape, event: Shape) -> list[nn.Module]:
        """Build what leads from a state to the data."""

    @abc.abstractmethod
    def change(self, before: Shape, after: Shape) -> list[nn.Module]:
        """Build what leads from the state of one level to that of its neighbour."""

    def bottom_up(self, event: Shape, levels: tuple[int, ...]) -> BottomUp:
        """Build the way up: `(B, *event)` to the features of each level, the top one first.

        Args:
            event: shape of one example.
            levels: latents or channels of each level, the top one first.

        Returns:
            The module.
        """
        states = self.states(event, levels)[::-1]
        depth = len(levels)
        stages = [[*self.enter(event, states[0]), *self._blocks(states[0], depth)]]
        stages += [[*self.change(a, b), *self._blocks(b, depth)] for a, b in pairwise(states)]
        return BottomUp([nn.Sequential(*stage) for stage in stages])

    def top_down(self, event: Shape, levels: tuple[int, ...]) -> TopDown:
        """Build the way down.

        Args:
            event: shape of one example.
            levels: latents or channels of each level, the top one first.

        Returns:
            The module. The prior of its top stage is N(0, I), which is not learned.
        """
        states, depth = self.states(event, levels), len(levels)
        stages = []
        for level, size in enumerate(levels):
            width = states[level][0]
            arrive: list[nn.Module] = []
            prior: nn.Module = Zeros((2 * size, *states[level][1:]))
            if level:
                arrive = [*self.change(states[level - 1], states[level]), *self._blocks(states[level], depth)]
                prior = nn.Sequential(activation_named(self.activation), _silent(self.layer(width, 2 * size)))
            posterior = nn.Sequential(
                activation_named(self.activation), self.layer(2 * width, width),
                activation_named(self.activation), self.layer(width, 2 * size),
            )  # fmt: skip
            stages.append(Stage(nn.Sequential(*arrive), prior, posterior, self.layer(size, width)))
        last = [*self._blocks(states[-1], depth), activation_named(self.activation)]
        return TopDown(states[0], stages, nn.Sequential(*last, *self.leave(states[-1], event)))

    def _blocks(self, state: Shape, depth: int) -> list[nn.Module]:
        width = state[0]
        count = self.blocks * depth
        return [
            Residual(self.layer(width, width), self.layer(width, width), self.activation, count)
            for _ in range(self.blocks)
        ]


def _silent(layer: nn.Module) -> nn.Module:
    """Let a layer begin with zeros: each prior begins as the standard normal."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
