"""A small U-Net that denoises grids of any size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.core.registry import register
from latentia.networks.base import Shape, check_positive, image_size
from latentia.networks.denoiser import Denoiser, check_multiples, silent
from latentia.networks.embedding import NoiseLevel
from latentia.networks.stages import Attention, GroupNorm

GROUPS = 8
"""Groups of each normalisation; widths are multiples of it."""


class _Block(nn.Module):
    """A residual block of two convolutions, whose middle is scaled and shifted by what it is told."""

    def __init__(self, before: int, after: int, told: int) -> None:
        super().__init__()
        self.norm1 = GroupNorm(GROUPS, before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.told = nn.Linear(told, 2 * after)
        self.norm2 = GroupNorm(GROUPS, after)
        self.conv2 = silent(nn.Conv2d(after, after, 3, padding=1))
        self.beside = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.told(e)[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.beside(x) + h


class _UNet(nn.Module):
    """Down over the levels, through the middle, and up again with what each level held."""

    def __init__(self, channels: int, condition: int, widths: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        self.widths, self.blocks = widths, blocks
        told = 4 * widths[0]
        self.told = NoiseLevel(told, condition)
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        held, before = [widths[0]], widths[0]
        for width in [width for width in widths for _ in range(blocks)]:
            self.down.append(_Block(before, width, told))
            before = width
            held.append(before)
        self.narrow = nn.ModuleList([nn.Conv2d(w, w, 3, stride=2, padding=1) for w in widths[:-1]])
        self.wide = nn.ModuleList([nn.Conv2d(w, w, 3, padding=1) for w in widths[:0:-1]])
        self.middle = nn.ModuleList([_Block(before, before, told) for _ in range(2)])
        self.attention = Attention(before, GROUPS)
        for width in [width for width in reversed(widths) for _ in range(blocks)]:
            self.up.append(_Block(before + held.pop(), width, told))
            before = width
        self.norm = GroupNorm(GROUPS, before + held.pop())
        self.last = silent(nn.Conv2d(before + widths[0], channels, 3, padding=1))

    def forward(self, z: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        e = F.silu(self.told(t, c))
        h = self.first(z)
        held = [h]
        for number in range(len(self.widths) * self.blocks):
            if number and number % self.blocks == 0:
                h = self.narrow[number // self.blocks - 1](h)
            h = self.down[number](h, e)
            held.append(h)
        h = self.middle[1](self.attention(self.middle[0](h, e)), e)
        for number in range(len(self.widths) * self.blocks):
            if number and number % self.blocks == 0:  # to the size of the level above, odd ones as well
                h = F.interpolate(h, held[-1].shape[-2:], mode="nearest")
                h = self.wide[number // self.blocks - 1](h)
            h = self.up[number](torch.cat([h, held.pop()], dim=1), e)
        return self.last(F.silu(self.norm(torch.cat([h, held.pop()], dim=1))))


@register("denoiser", "denoiser_unet")
class DenoiserUNet(Denoiser):
    """Convolutions over a grid at several sizes, and attention over all places at the smallest one.

    References:
        Olaf Ronneberger, Philipp Fischer, Thomas Brox, "U-Net: Convolutional Networks for Biomedical Image
        Segmentation", 2015.
        Jonathan Ho, Ajay Jain, Pieter Abbeel, "Denoising Diffusion Probabilistic Models", 2020.
    """

    def __init__(self, widths: tuple[int, ...] = (64, 64), blocks: int = 1) -> None:
        """Describe the network.

        Args:
            widths: channels of each level, the finest first, multiples of 8; each has half the sides of the
                one before.
            blocks: residual blocks of each level, on the way down and on the way up.
        """
        check_positive((*widths, blocks), "denoiser.widths and blocks")
        check_multiples(widths, GROUPS, "denoiser.widths")
        self.widths, self.blocks = widths, blocks

    def build(self, shape: Shape, condition: int = 0) -> nn.Module:
        """Build it for latents `(C, H, W)`; see `Denoiser`."""
        channels, _, _ = image_size(shape, "denoiser_unet", "denoiser_mlp")
        return _UNet(channels, condition, self.widths, self.blocks)
