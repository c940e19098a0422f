"""Pictures too large for memory, worked through in tiles: what comes out is what the whole gives."""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentia.networks.causal import Streamed, pieces
from latentia.networks.codec import WithLinear
from latentia.networks.stages import GroupNorm, Stage, Staged

SIDE = 512
"""Pixels along the side of a tile, where the resolution is highest; pictures of twice as many go in tiles."""
BUDGET = 1 << 28
"""Numbers of a feature map that is kept whole between stages, at the most: 1 GiB of float32."""

Box = tuple[slice, slice]


def reflected(x: Tensor, strides: tuple[int, ...], lead: int = 0) -> Tensor:
    """Make sides as long as the next multiple of their stride, by what stands before the last edge, mirrored.

    Args:
        x: `(B, C, *sides)`.
        strides: what shall divide each side; nothing is done where there are none.
        lead: how many entries of the first side stand before what its stride shall divide.

    Returns:
        The same, or with mirrored entries after the last of a side; a side of 1 is repeated.
    """
    for axis, stride in enumerate(strides, start=2):
        size, alone = x.shape[axis], lead if axis == 2 else 0
        if (size - alone) % stride:
            whole = alone + math.ceil((size - alone) / stride) * stride
            place = torch.arange(whole, device=x.device)
            turn = max(1, 2 * (size - 1))
            place = place % turn
            x = x.index_select(axis, torch.minimum(place, turn - place) % size)
    return x


def cropped(x: Tensor, like: Tensor) -> Tensor:
    """Cut off what `reflected` made beyond the edge.

    Args:
        x: `(*, *sides)`, with as many sides as channels and sides of `like`, or more before them.
        like: `(B, C, *sides)`, examples before they were reflected.

    Returns:
        The first entries of each of the last sides, as many as `like` has.
    """
    for axis in range(1, like.dim() - 1):
        if x.shape[-axis] > like.shape[-axis]:
            x = x.narrow(-axis, 0, like.shape[-axis])
    return x


def through(network: nn.Module, x: Tensor, magnified: float = 1.0) -> Tensor:
    """Map pictures by a network: one by one and in tiles where they are large and no gradient is wanted.

    Clips are mapped piece by piece where they are long.

    Args:
        network: what maps them; only one of stages can work in tiles.
        x: pictures, or latents on a grid, `(B, C, H, W)`; or clips, `(B, C, T, H, W)`.
        magnified: how many times larger than `x` the pictures are that the network works on.

    Returns:
        What the network gives for them.
    """
    if isinstance(network, Streamed) and not torch.is_grad_enabled():
        return pieces(network, x)
    staged = isinstance(network, Staged | WithLinear)
    if not staged or torch.is_grad_enabled() or max(x.shape[-2:]) * magnified <= 2 * SIDE:
        return network(x)
    side = max(1, int(SIDE / magnified))
    return torch.cat([tiled(network, one, side) for one in x.split(1)])


@torch.no_grad()
def tiled(network: Staged | WithLinear, x: Tensor, side: int, budget: int = BUDGET) -> Tensor:
    """Map one picture in tiles, and give what the network gives for the whole of it, to float accuracy.

    A tile comes with so much of its surroundings as its stages reach. What normalises over the whole picture
    gets its statistics from one pass over all tiles for each normalisation; what has to see all of it at once
    is given the whole, which is small where that is done. A feature map that fits the budget is kept, and
    the next stages start from there.

    Args:
        network: of stages.
        x: one picture, or its latent, `(1, C, H, W)`.
        side: entries along the side of a tile of `x`.
        budget: numbers of a feature map that is kept, at the most.

    Returns:
        What the network gives.
    """
    if isinstance(network, WithLinear):
        return tiled(network.body, x, side, budget).add_(network.linear(x))
    # A copy of the structure with the same weights: others may use the network meanwhile.
    shared = {id(each): each for each in itertools.chain(network.parameters(), network.buffers())}
    stages = copy.deepcopy(network, shared).stages()
    widths = _widths(stages, x)
    place = 0
    while place < len(stages):
        if stages[place].whole:
            x, place = stages[place](x), place + 1
            continue
        end = _stop(stages, widths, place, x, budget)
        # A tile shows the same part of the picture everywhere, whatever the resolution is by now.
        here = max(1, side * _factor(stages[:place], "up") // _factor(stages[:place], "down"))
        x, place = _segment(stages[place:end], widths[end - 1], x, here), end
    return x


def _factor(stages: Sequence[Stage], way: str) -> int:
    """Give what stages multiply the sides with, or divide them by."""
    return math.prod(getattr(stage, way) for stage in stages)


def _widths(stages: Sequence[Stage], x: Tensor) -> list[int]:
    """Give the channels after each stage, by showing them something small."""
    small = 2 * _factor(stages, "down")
    probe, found = x.new_zeros(1, x.shape[1], small, small), []
    for stage in stages:
        probe = stage(probe)
        found.append(probe.shape[1])
    return found


def _stop(stages: Sequence[Stage], widths: Sequence[int], place: int, x: Tensor, budget: int) -> int:
    """Give where the next feature map is kept: after the first normalisation where it fits, or at the end."""
    numbers, normalised = x[0, 0].numel(), False
    for end in range(place, len(stages)):
        stage = stages[end]
        if stage.whole:
            return end
        numbers = numbers * stage.up**2 // stage.down**2
        normalised = normalised or any(isinstance(each, GroupNorm) for each in _owned(stage))
        if normalised and numbers * widths[end] <= budget:
            return end + 1
    return len(stages)


def _owned(stage: Stage) -> Iterator[nn.Module]:
    """Give the modules that a stage uses, those included that stand elsewhere."""
    yield from stage.modules()
    yield from getattr(stage, "layers", ())


def _segment(stages: Sequence[Stage], channels: int, x: Tensor, side: int) -> Tensor:
    """Map a whole feature map by stages that see neighbourhoods alone, in tiles."""
    up, down = _factor(stages, "up"), _factor(stages, "down")
    margin = 0
    for stage in reversed(stages):
        margin = stage.margin(margin)
    margin = math.ceil(margin / down) * down
    tiles = list(_tiles(x.shape[-2:], math.ceil(side / down) * down, margin))
    statistics = _Statistics(tiles[0])
    norms = [each for stage in stages for each in _owned(stage) if isinstance(each, GroupNorm)]
    for norm in norms:
        norm.statistics = statistics
    while len(statistics.known) < len(norms):
        for tile in tiles:
            statistics.gather(tile, x, stages)
        statistics.settle()
    height, width = (n * up // down for n in x.shape[-2:])
    out = x.new_empty(1, channels, height, width)
    for tile in tiles:
        found = tile.cut(x)
        for stage in stages:
            found = stage(found)
        rows, columns = (slice(part.start * up // down, part.stop * up // down) for part in tile.core)
        out[..., rows, columns] = tile.inner(found)
    return out


@dataclass(frozen=True)
class _Tile:
    """A part of a feature map, and the part around it that is needed to compute it."""

    core: Box
    around: Box

    def cut(self, x: Tensor) -> Tensor:
        """Give the surroundings."""
        return x[..., self.around[0], self.around[1]]

    def inner(self, found: Tensor) -> Tensor:
        """Give what belongs to the part of what was computed, at any resolution, for the surroundings."""
        box = []
        for core, around, size in zip(self.core, self.around, found.shape[-2:], strict=True):
            length = around.stop - around.start
            first, last = ((edge - around.start) * size // length for edge in (core.start, core.stop))
            box.append(slice(first, last))
        return found[..., box[0], box[1]]


def _tiles(shape: Sequence[int], side: int, margin: int) -> Iterator[_Tile]:
    """Divide a feature map."""
    starts = [range(0, size, side) for size in shape]
    for corner in itertools.product(*starts):
        core = [slice(start, min(start + side, size)) for start, size in zip(corner, shape, strict=True)]
        around = [
            slice(max(0, part.start - margin), min(size, part.stop + margin))
            for part, size in zip(core, shape, strict=True)
        ]
        yield _Tile((core[0], core[1]), (around[0], around[1]))


class _Gathered(Exception):
    """What a tile says of the next unknown statistics was noted; what follows would need them."""


class _Statistics:
    """Statistics of a whole picture that normalisations ask for, gathered tile by tile."""

    def __init__(self, tile: _Tile) -> None:
        self.tile = tile
        self.known: dict[int, tuple[Tensor, Tensor]] = {}
        self.noted: list[tuple[GroupNorm, Tensor, Tensor, int]] = []

    def __call__(self, norm: GroupNorm, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give mean and reciprocal deviation of groups, each `(1, groups, 1)`; or note what the tile says."""
        if id(norm) in self.known:
            return self.known[id(norm)]
        inner = self.tile.inner(x).unflatten(1, (norm.num_groups, -1)).flatten(2).double()
        sums, squares = inner.sum(dim=2, keepdim=True), inner.square().sum(dim=2, keepdim=True)
        self.noted.append((norm, sums, squares, inner.shape[2]))
        raise _Gathered

    def gather(self, tile: _Tile, x: Tensor, stages: Sequence[Stage]) -> None:
        """Go through a tile as far as the statistics are known, and note what it says of the next ones."""
        self.tile = tile
        found = tile.cut(x)
        with contextlib.suppress(_Gathered):
            for stage in stages:
                found = stage(found)

    def settle(self) -> None:
        """Take what all tiles said for the statistics of the picture."""
        norms, sums, squares, counts = zip(*self.noted, strict=True)
        norm, count, dtype = norms[0], sum(counts), norms[0].weight.dtype
        mean = torch.stack(sums).sum(dim=0) / count
        variance = (torch.stack(squares).sum(dim=0) / count - mean.square()).clamp(min=0)
        self.known[id(norm)] = mean.to(dtype), torch.rsqrt(variance + norm.eps).to(dtype)
        self.noted = []
