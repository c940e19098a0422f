"""A linear code of blocks of clips beside a causal network, and where it begins: at principal components."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.networks.causal import Causal, Past, Streamed

CANDIDATES = 512
"""Cosines of largest variance, of which the principal components of blocks of clips are made."""
BLOCKS = 4096
"""Blocks that they are measured on, at the most."""
SHRUNK = 0.8
"""How far their covariances are drawn towards 0: blocks of a few films are alike, those of others are not.
On 17 windows of films that were held out of 50 it was worth 1.1 dB: 24.7 and not 23.6."""
NOISE = 0.01
"""The share of what a code misses anyway that a single log variance adds to it at the beginning."""
SMALLEST_SHARE = 1e-6
"""The least share of the variance of all components that one is taken to have."""

Sides = tuple[int, int, int]


class BlockConv(nn.Conv3d):
    """A convolution whose stride is its kernel, and whose weights are kept in multiples of their usual size.

    A step of Adam changes every weight by about the learning rate, whatever its size. Those of 24,576 inputs
    are a thousand times smaller than that, and one step would undo what they begin at.
    """

    gain: Tensor

    def __init__(self, before: int, after: int, sides: Sides) -> None:
        """Build it.

        Args:
            before: channels in.
            after: channels out.
            sides: frames, height and width of a block.
        """
        super().__init__(before, after, sides, sides)
        self.register_buffer("gain", torch.ones(()))

    def forward(self, input: Tensor) -> Tensor:
        """Map `(B, C, T, H, W)` to a place for each block."""
        return F.conv3d(input, self.weight * self.gain, self.bias, self.stride)  # pyright: ignore


class BlockTranspose(nn.ConvTranspose3d):
    """What leads back from places to blocks; see `BlockConv`."""

    gain: Tensor

    def __init__(self, before: int, after: int, sides: Sides, bias: bool = True) -> None:
        """Build it; see `BlockConv`."""
        super().__init__(before, after, sides, sides, bias=bias)
        self.register_buffer("gain", torch.ones(()))

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map places to `(B, C, T, H, W)`."""
        return F.conv_transpose3d(input, self.weight * self.gain, self.bias, self.stride)  # pyright: ignore


@torch.no_grad()
def _set(layer: BlockConv | BlockTranspose, weight: Tensor) -> None:
    """Let a layer have some weights; rows beyond them are zero."""
    layer.gain.copy_(weight.square().mean().sqrt().clamp(min=torch.finfo(torch.float32).tiny))
    layer.weight.zero_()
    layer.weight[: len(weight)] = (weight / layer.gain).to(layer.weight)


class BlocksIn(Causal):
    """A linear map of each block of a clip to a place of its grid, and of blocks of the first frame alone."""

    def __init__(self, before: int, after: int, sides: Sides, first: bool) -> None:
        """Build it.

        Args:
            before: channels in.
            after: channels out.
            sides: frames, height and width of a block.
            first: whether the first frame of a clip has blocks of its own.
        """
        super().__init__()
        flat = (1, sides[1], sides[2])
        self.image = BlockConv(before, after, flat) if first else None
        self.clip = BlockConv(before, after, sides)

    def forward(self, x: Tensor, past: Past = None) -> tuple[Tensor, Past]:
        """Map the next frames; see `Causal`."""
        if self.image is None or past is not None:
            return self.clip(x), ()
        alone = self.image(x[:, :, :1])
        return torch.cat((alone, self.clip(x[:, :, 1:])), dim=2) if x.shape[2] > 1 else alone, ()


class BlocksOut(Causal):
    """A linear map of each place of a grid to a block of a clip, of the first to one of the first frame."""

    def __init__(self, before: int, after: int, sides: Sides, first: bool) -> None:
        """Build it; see `BlocksIn`."""
        super().__init__()
        flat = (1, sides[1], sides[2])
        # The bias is the colour in the middle, for both; the layer that holds it is the last one.
        self.image = BlockTranspose(before, after, flat, bias=False) if first else None
        self.clip = BlockTranspose(before, after, sides)

    def forward(self, x: Tensor, past: Past = None) -> tuple[Tensor, Past]:
        """Map the next latents; see `Causal`."""
        if self.image is None or past is not None:
            return self.clip(x), ()
        bias = self.clip.bias.view(-1, 1, 1, 1)  # pyright: ignore[reportOptionalMemberAccess]
        alone = self.image(x[:, :, :1]) + bias
        return torch.cat((alone, self.clip(x[:, :, 1:])), dim=2) if x.shape[2] > 1 else alone, ()


class WithBlocks(Streamed):
    """A causal network and a linear map of blocks: the sum of both, which begins as the linear map alone."""

    def __init__(self, body: Streamed, last: nn.Conv3d, linear: BlocksIn | BlocksOut) -> None:
        """Put them together.

        Args:
            body: the network.
            last: its last layer, which begins at zero.
            linear: the linear map.
        """
        super().__init__()
        self.unit, self.first, self.pixels = body.unit, body.first, body.pixels
        self.linear = linear if isinstance(linear, BlocksIn) else None
        self.body = body
        if isinstance(linear, BlocksOut):
            self.linear = linear  # the layer that was built last has the bias that a decoder begins at
        with torch.no_grad():
            last.weight.zero_()
            last.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]

    def step(self, x: Tensor, past: Past = None) -> tuple[Tensor, Past]:
        """Map the next frames by both, and add; see `Streamed`."""
        body, linear = (None, None) if past is None else past
        y, body = self.body.step(x, body)
        beside, linear = self.linear(x, linear)  # pyright: ignore[reportOptionalCall]
        return y + beside, (body, linear)


class Components(NamedTuple):
    """Principal components of blocks.

    Attributes:
        basis: orthonormal blocks, `(K, C, t, h, w)`, float64.
        variances: that of each, `(K,)`.
        rest: the variance that a pixel keeps without them.
    """

    basis: Tensor
    variances: Tensor
    rest: Tensor


def cosines(count: int) -> Tensor:
    """Give the orthonormal discrete cosine transform.

    Args:
        count: length of a signal.

    Returns:
        A frequency in each row, `(count, count)`, float64.
    """
    places = torch.arange(count, dtype=torch.float64)
    rows = torch.cos(math.pi / count * (places + 0.5) * places.view(-1, 1)) * math.sqrt(2 / count)
    rows[0] /= math.sqrt(2)
    return rows


def components(blocks: Tensor, count: int) -> Components:
    """Find principal components of blocks among sums of a few hundred cosines.

    A block of 8x32x32 pixels in three colours has 24,576 numbers, whose covariance would have to be learned
    from as many blocks. The colours are turned to their own principal axes, and the cosines over time, height
    and width with the largest variances are what components are made of, those of their covariance drawn
    towards its diagonal.

    Args:
        blocks: about their mean, `(n, C, t, h, w)`.
        count: how many are wanted, at the most.

    Returns:
        The components, nearly by falling variance; as many as there are cosines, at the most.
    """
    n, channels, *sides = blocks.shape
    colours = torch.linalg.eigh(torch.einsum("nc...,nd...->cd", blocks, blocks).double()).eigenvectors.T
    maps = [cosines(side) for side in sides]
    turned = torch.einsum("dc,ncthw->ndthw", colours.to(blocks), blocks)
    for axis, rows in enumerate(maps, start=2):
        turned = (turned.movedim(axis, -1) @ rows.T.to(blocks)).movedim(-1, axis)
    flat = turned.reshape(n, -1)
    power = flat.double().square().mean(dim=0)
    chosen = power.argsort(descending=True)[: max(CANDIDATES, count)]
    few = flat[:, chosen].double()
    covariance = few.T @ few / n
    drawn = torch.lerp(covariance, covariance.diag().diag(), SHRUNK)
    vectors = torch.linalg.eigh(drawn).eigenvectors.flip(1)[:, :count]
    variances = (vectors * (covariance @ vectors)).sum(dim=0).clamp(min=0)
    spectrum = torch.zeros(vectors.shape[1], flat.shape[1], dtype=torch.float64)
    spectrum[:, chosen] = vectors.T
    basis = spectrum.view(-1, channels, *sides)
    for axis, rows in enumerate(maps, start=2):
        basis = (basis.movedim(axis, -1) @ rows).movedim(-1, axis)
    basis = torch.einsum("dc,kdthw->kcthw", colours, basis)
    rest = (power.sum() - variances.sum()).clamp(min=0) / flat.shape[1]
    return Components(basis, variances, rest)


def blocks_of(x: Tensor, sides: Sides) -> Tensor:
    """Cut clips into blocks.

    Args:
        x: `(N, C, T, H, W)`; what the sides do not divide is left out at the end.
        sides: frames, height and width of a block.

    Returns:
        `(n, C, *sides)`, evenly spaced ones where there are too many.
    """
    for axis, side in enumerate(sides, start=2):
        x = x.unfold(axis, side, side)
    n, channels, t, h, w = x.shape[:5]
    count = n * t * h * w
    at = torch.arange(min(count, BLOCKS)) * count // max(1, min(count, BLOCKS))
    places = torch.stack(torch.unravel_index(at, (n, t, h, w)))
    return torch.stack([x[a, :, b, c, d] for a, b, c, d in places.T.tolist()]).view(-1, channels, *sides)


@torch.no_grad()
def begin_blocks(encoder: WithBlocks, decoder: WithBlocks, x: Tensor) -> None:
    """Let the linear maps of a fresh pair begin at principal components, of variance 1 in each channel.

    An encoder that gives a log variance for every channel begins it where the code of `begin_linear` does;
    one that gives a single one for each place at the one that adds little to the error that is there anyway.

    Args:
        encoder: of clips.
        decoder: of latents.
        x: examples, `(N, C, T, H, W)`, without holes.
    """
    there, back = encoder.linear, decoder.linear
    if not isinstance(there, BlocksIn) or not isinstance(back, BlocksOut):
        return
    mean = x.mean(dim=(0, 2, 3, 4), dtype=torch.float64)
    apart = x - mean.view(-1, 1, 1, 1).to(x)
    pairs = [(there.clip, back.clip, apart)]
    if there.image is not None and back.image is not None:
        pairs = [(there.clip, back.clip, apart[:, :, 1:]), (there.image, back.image, apart)]
    for inward, outward, frames in pairs:
        t, h, w = inward.kernel_size
        if frames.shape[2] >= t:  # clips may be of a single frame
            _begin(inward, outward, components(blocks_of(frames, (t, h, w)), outward.weight.shape[0]), mean)
    back.clip.bias.copy_(mean)  # pyright: ignore[reportOptionalMemberAccess]


def _begin(inward: BlockConv, outward: BlockTranspose, found: Components, mean: Tensor) -> None:
    """Set one pair of maps."""
    dim, count = outward.weight.shape[0], len(found.variances)
    total = found.variances.sum() + found.rest * found.basis[0].numel()
    floor = max(float(total) * SMALLEST_SHARE, torch.finfo(torch.float32).tiny)
    kept = found.variances.clamp(min=floor)
    deviation = kept.sqrt().view(-1, 1, 1, 1, 1)
    _set(inward, found.basis / deviation)
    bias = torch.zeros(inward.weight.shape[0], dtype=torch.float64)
    bias[:count] -= (found.basis / deviation).sum(dim=(2, 3, 4)) @ mean
    rest = found.rest.clamp(min=floor / found.basis[0].numel())
    numbers = inward.weight.shape[0] - dim
    if numbers == dim:
        bias[dim : dim + count] = (rest / kept).log()
    elif numbers == 1:
        bias[dim] = (NOISE * rest * found.basis[0].numel() / kept.sum()).log().clamp(max=0)
    inward.bias.copy_(bias)  # pyright: ignore[reportOptionalMemberAccess]
    _set(outward, found.basis * deviation)
