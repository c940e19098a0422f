"""Denoisers: what a diffusion over vectors and grids learns, and the one for vectors."""

from __future__ import annotations

import abc
import math
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks.base import Shape, check_positive
from latentia.networks.embedding import NoiseLevel


class Denoiser(abc.ABC):
    """A recipe for a network that looks at a noisy tensor and says what it is made of."""

    kind: ClassVar[str] = "denoiser"
    extra: ClassVar[tuple[str, str] | None] = None
    """The package that it needs beyond the usual ones, and the extra that brings it."""

    @abc.abstractmethod
    def build(self, shape: Shape, condition: int = 0) -> nn.Module:
        """Build the map from `(N, *shape)`, t `(N,)` and c `(N, C)` or None to `(N, *shape)`.

        Its output is zero before it is trained, whatever it sees.

        Args:
            shape: of what is denoised.
            condition: how many numbers the condition has; 0 for none.

        Returns:
            The module, called with z, t in [0, 1] and c; a row of NaN is a condition that is not known.

        Raises:
            ConfigError: if it cannot be built for such a shape.
        """


def usual_denoiser(shape: Shape) -> str:
    """Name the denoiser that suits a shape where nobody names one.

    Args:
        shape: of what is denoised.

    Returns:
        The name of the one for vectors, for pictures, or for what has other sides.
    """
    return {1: "denoiser_mlp", 3: "denoiser_unet"}.get(len(shape), "denoiser_dit")


def check_multiples(values: tuple[int, ...], of: int, where: str, what: str = "") -> None:
    """Refuse widths that cannot be divided into equal parts.

    Args:
        values: the widths.
        of: how many parts.
        where: the setting, for the message.
        what: what the parts are, for the message; the number itself by default.

    Raises:
        ConfigError: naming the setting and the nearest width that fits.
    """
    for value in values:
        if value % of:
            nearest = max(of, of * round(value / of))
            raise ConfigError(f"'{where}' must be a multiple of {what or of}, not {value}; use {nearest}")


def silent(layer: nn.Linear | nn.Conv2d) -> nn.Module:
    """Let a layer begin by giving zeros.

    Args:
        layer: changed in place.

    Returns:
        The layer.
    """
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class _Block(nn.Module):
    """A residual block of two dense layers, scaled and shifted by what it is told."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.told = silent(nn.Linear(width, 3 * width))
        self.inner = nn.Linear(width, 2 * width)
        self.outer = nn.Linear(2 * width, width)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        shift, scale, gate = self.told(e).chunk(3, dim=1)
        inner = self.inner(self.norm(h) * (1 + scale) + shift)
        return h + (1 + gate) * self.outer(F.silu(inner))


class _Dense(nn.Module):
    """Residual blocks over a flat vector."""

    def __init__(self, shape: Shape, condition: int, width: int, blocks: int) -> None:
        super().__init__()
        self.shape = shape
        self.told = NoiseLevel(width, condition)
        self.first = nn.Linear(math.prod(shape), width)
        self.blocks = nn.ModuleList([_Block(width) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)
        self.last = silent(nn.Linear(width, math.prod(shape)))

    def forward(self, z: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        e = F.silu(self.told(t, c))
        h = self.first(z.flatten(1))
        for block in self.blocks:
            h = block(h, e)
        return self.last(F.silu(self.norm(h))).view(len(z), *self.shape)


@register("denoiser", "denoiser_mlp")
class DenoiserMLP(Denoiser):
    """Residual blocks of dense layers, each scaled and shifted by noise level and condition.

    References:
        William Peebles, Saining Xie, "Scalable Diffusion Models with Transformers", 2023 (scales and shifts
        that begin at nothing).
    """

    def __init__(self, width: int = 256, blocks: int = 4) -> None:
        """Describe the network.

        Args:
            width: numbers between the blocks; each is twice as wide inside.
            blocks: how many blocks.
        """
        check_positive((width, blocks), "denoiser.width and blocks")
        self.width, self.blocks = width, blocks

    def build(self, shape: Shape, condition: int = 0) -> nn.Module:
        """Build it for latents of any shape, which it sees flat; see `Denoiser`."""
        return _Dense(shape, condition, self.width, self.blocks)
