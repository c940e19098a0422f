"""A transformer that denoises grids with any number of sides."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks.base import Shape, check_positive
from latentia.networks.denoiser import Denoiser, check_multiples, silent
from latentia.networks.embedding import FREQUENCIES, SLOWEST, NoiseLevel

INNER = 4
"""How many times wider than its tokens a block is inside."""


class _Block(nn.Module):
    """Attention and two dense layers, each shifted, scaled and gated by what the block is told."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.told = silent(nn.Linear(width, 6 * width))
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)
        self.inner = nn.Linear(width, INNER * width)
        self.outer = nn.Linear(INNER * width, width)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        shift, scale, gate, shift2, scale2, gate2 = self.told(e).unsqueeze(1).chunk(6, dim=2)
        h = h + gate * self._attend(moved(h, shift, scale))
        inner = F.gelu(self.inner(moved(h, shift2, scale2)), approximate="tanh")
        return h + gate2 * self.outer(inner)

    def _attend(self, h: Tensor) -> Tensor:
        """Let every token look at all others, `(N, L, D)` to the same shape."""
        q, k, v = self.to_qkv(h).unflatten(2, (3, self.heads, -1)).movedim(1, 3).unbind(1)
        return self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def moved(h: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Normalise tokens, scale and shift them.

    Args:
        h: tokens, shape `(N, L, D)`.
        shift: shape `(N, 1, D)`.
        scale: what is added to a factor of 1, shape `(N, 1, D)`.

    Returns:
        Shape `(N, L, D)`.
    """
    return F.layer_norm(h, h.shape[-1:], eps=1e-6) * (1 + scale) + shift


def positions(sides: Shape, width: int) -> Tensor:
    """Give fixed vectors for the places of a grid: sines and cosines of each coordinate, side by side.

    Args:
        sides: of the grid, the last running fastest; the vector's first part is of the last side.
        width: length of a vector.

    Returns:
        Shape `(places, width)`.
    """
    if not sides:  # a vector is one token
        return torch.zeros(1, width)
    each = width // (2 * len(sides))
    waves = SLOWEST ** (-torch.arange(each, dtype=torch.float64) / each)
    axes = torch.meshgrid(*[torch.arange(side, dtype=torch.float64) for side in sides], indexing="ij")
    parts = [axis.flatten()[:, None] * waves for axis in reversed(axes)]
    found = torch.cat([each for part in parts for each in (part.sin(), part.cos())], dim=1)
    return F.pad(found, (0, width - found.shape[1])).float()


class DiT(nn.Module):
    """Patches of a grid as tokens, blocks over them, and patches again."""

    places: Tensor

    def __init__(self, shape: Shape, condition: int, patch: int, width: int, blocks: int, heads: int) -> None:
        """Build the network; see `DenoiserDiT`.

        Args:
            shape: channels and sides of what is denoised.
            condition: how many numbers the condition has; 0 for none.
            patch: sides of a patch.
            width: numbers of a token.
            blocks: how many blocks.
            heads: heads of each attention.
        """
        super().__init__()
        self.patch = patch
        channels, *sides = shape
        self.sides = tuple(side // patch for side in sides)
        values = channels * patch ** len(sides)
        # Waves as diffusers' DiTTransformer2DModel has them, which an export can become then.
        self.told = NoiseLevel(width, condition, FREQUENCIES - 1)
        self.first = nn.Linear(values, width)
        self.blocks = nn.ModuleList([_Block(width, heads) for _ in range(blocks)])
        self.told_last = silent(nn.Linear(width, 2 * width))
        self.last = silent(nn.Linear(width, values))
        self.register_buffer("places", positions(self.sides, width), persistent=False)

    def forward(self, z: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        """Map `(N, C, *sides)`, `(N,)` and `(N, condition)` to `(N, C, *sides)`."""
        e = F.silu(self.told(t, c))
        h = self.first(self._tokens(z)) + self.places
        for block in self.blocks:
            h = block(h, e)
        shift, scale = self.told_last(e).unsqueeze(1).chunk(2, dim=2)
        return self._grid(self.last(moved(h, shift, scale)), z.shape)

    def _tokens(self, z: Tensor) -> Tensor:
        """Cut `(N, C, *sides)` into patches `(N, places, C * patch^k)`, channels first in each."""
        cut = itertools.chain.from_iterable((side, self.patch) for side in self.sides)
        parts = z.reshape(*z.shape[:2], *cut)
        count = len(self.sides)
        order = (0, *range(2, 2 + 2 * count, 2), 1, *range(3, 3 + 2 * count, 2))
        return parts.permute(order).reshape(len(z), math.prod(self.sides), -1)

    def _grid(self, tokens: Tensor, shape: torch.Size) -> Tensor:
        """Join patches; the inverse of `_tokens`."""
        count = len(self.sides)
        parts = tokens.reshape(len(tokens), *self.sides, shape[1], *[self.patch] * count)
        pairs = itertools.chain.from_iterable((1 + k, 2 + count + k) for k in range(count))
        return parts.permute(0, 1 + count, *pairs).reshape(shape)


@register("denoiser", "denoiser_dit")
class DenoiserDiT(Denoiser):
    """A transformer over the patches of a grid, or over the whole of a vector as a single one.

    References:
        William Peebles, Saining Xie, "Scalable Diffusion Models with Transformers", 2023 (adaLN-Zero).
    """

    def __init__(self, width: int = 192, blocks: int = 6, heads: int = 3, patch: int = 1) -> None:
        """Describe the network.

        Args:
            width: numbers of a token, a multiple of `heads`.
            blocks: how many blocks.
            heads: heads of each attention.
            patch: sides of the patch of a grid that is a token.
        """
        check_positive((width, blocks, heads, patch), "denoiser.width, blocks, heads and patch")
        check_multiples((width,), heads, "denoiser.width", "the number of heads")
        self.width, self.blocks, self.heads, self.patch = width, blocks, heads, patch

    def build(self, shape: Shape, condition: int = 0) -> nn.Module:
        """Build it for latents of any shape whose sides the patch divides; see `Denoiser`."""
        if any(side % self.patch for side in shape[1:]):
            sides = "x".join(map(str, shape[1:]))
            raise ConfigError(f"'denoiser.patch' {self.patch} does not divide latents of {sides}; use 1")
        if len(shape) > 1 and self.width < 2 * (len(shape) - 1):
            raise ConfigError(f"'denoiser.width' {self.width} is too small for places; use 192")
        return DiT(shape, condition, self.patch, self.width, self.blocks, self.heads)
