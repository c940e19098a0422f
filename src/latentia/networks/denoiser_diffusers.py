"""Denoisers of diffusers behind the same door: its U-Net and its transformer, told what ours are told."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.core.extras import optional
from latentia.core.registry import register
from latentia.networks.base import Shape, check_positive, image_size
from latentia.networks.denoiser import Denoiser, check_multiples, silent
from latentia.networks.embedding import LEVELS, Embedding

EXTRA = "diffusers", "diffusers"
"""The package, and the extra that brings it."""
GROUPS = 8
"""Groups of each normalisation of the U-Net, and channels of a head of its attention."""
EPSILON = 1e-6
"""What the transformer's norms add to a variance."""


class DiffusersUNet(nn.Module):
    """`UNet2DModel`, told a condition as a vector that is added to that of the noise level."""

    def __init__(
        self, shape: tuple[int, int, int], condition: int, widths: tuple[int, ...], blocks: int
    ) -> None:
        """Build the network; see `UNetOfDiffusers`.

        Args:
            shape: channels, height and width of what is denoised.
            condition: how many numbers the condition has; 0 for none.
            widths: channels of each level.
            blocks: residual blocks of each level on the way down.
        """
        super().__init__()
        channels, *sides = shape
        self.condition = Embedding(condition, 4 * widths[0]) if condition else None
        self.net = optional(*EXTRA, "denoiser 'diffusers_unet'").UNet2DModel(
            sample_size=sides[0] if sides[0] == sides[1] else tuple(sides),
            in_channels=channels,
            out_channels=channels,
            down_block_types=("DownBlock2D",) * len(widths),
            up_block_types=("UpBlock2D",) * len(widths),
            block_out_channels=widths,
            layers_per_block=blocks,
            norm_num_groups=GROUPS,
            attention_head_dim=GROUPS,
            class_embed_type="identity" if condition else None,
        )
        silent(self.net.conv_out)

    def forward(self, z: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        """Map `(N, C, H, W)`, `(N,)` and `(N, condition)` to `(N, C, H, W)`."""
        told = None
        if self.condition is not None:
            told = self.condition.unknown.expand(len(z), -1) if c is None else self.condition(c)
        return self.net(z, LEVELS * t, class_labels=told, return_dict=False)[0]


class _Unlabelled(nn.Module):
    """Stands where a block of the transformer embeds a label, and adds nothing."""

    def forward(self, c: Tensor | None) -> float:
        return 0.0


class _Labelled(Embedding):
    """Stands there where there is a condition, and takes it as it is; nothing drops it but the model."""


class DiffusersDiT(nn.Module):
    """`DiTTransformer2DModel`, whose blocks embed a condition, each for itself."""

    def __init__(
        self, shape: tuple[int, int, int], condition: int, patch: int, width: int, blocks: int, heads: int
    ) -> None:
        """Build the network; see `DiTOfDiffusers`.

        Args:
            shape: channels, height and width of what is denoised, both sides alike.
            condition: how many numbers the condition has; 0 for none.
            patch: sides of a patch.
            width: numbers of a token.
            blocks: how many blocks.
            heads: heads of each attention.
        """
        super().__init__()
        self.condition = condition
        self.net = optional(*EXTRA, "denoiser 'diffusers_dit'").DiTTransformer2DModel(
            num_attention_heads=heads,
            attention_head_dim=width // heads,
            in_channels=shape[0],
            out_channels=shape[0],
            num_layers=blocks,
            sample_size=shape[1],
            patch_size=patch,
            num_embeds_ada_norm=1,
            norm_eps=EPSILON,
        )
        for block in self.net.transformer_blocks:
            silent(block.norm1.linear)
            block.norm1.emb.class_embedder = _Labelled(condition, width) if condition else _Unlabelled()
        silent(self.net.proj_out_1)
        silent(self.net.proj_out_2)

    def forward(self, z: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        """Map `(N, C, H, H)`, `(N,)` and `(N, condition)` to `(N, C, H, H)`."""
        if c is None and self.condition:
            c = z.new_full((len(z), self.condition), float("nan"))
        return self.net(z, LEVELS * t, class_labels=c, return_dict=False)[0]


@register("denoiser", "diffusers_unet")
class UNetOfDiffusers(Denoiser):
    """The U-Net of diffusers: residual blocks at several sizes, and attention at the smallest one.

    References:
        Jonathan Ho, Ajay Jain, Pieter Abbeel, "Denoising Diffusion Probabilistic Models", 2020.
        Patrick von Platen et al., "Diffusers: State-of-the-Art Diffusion Models", 2022.
    """

    extra: ClassVar[tuple[str, str] | None] = EXTRA

    def __init__(self, widths: tuple[int, ...] = (64, 128), blocks: int = 2) -> None:
        """Describe the network.

        Args:
            widths: channels of each level, the finest first, multiples of 8; each has half the sides of the
                one before.
            blocks: residual blocks of each level on the way down; one more on the way up.
        """
        check_positive((*widths, blocks), "denoiser.widths and blocks")
        check_multiples(widths, GROUPS, "denoiser.widths")
        self.widths, self.blocks = widths, blocks

    def build(self, shape: Shape, condition: int = 0) -> nn.Module:
        """Build it for latents `(C, H, W)` whose sides can be halved so often; see `Denoiser`."""
        channels, height, width = image_size(shape, "diffusers_unet", "denoiser_mlp")
        if height % 2 ** (len(self.widths) - 1) or width % 2 ** (len(self.widths) - 1):
            raise ConfigError(
                f"denoiser 'diffusers_unet' halves the sides {len(self.widths) - 1} times, and latents of "
                f"{height}x{width} cannot be; give denoiser.widths fewer levels, or use "
                "denoiser.name=denoiser_unet"
            )
        return DiffusersUNet((channels, height, width), condition, self.widths, self.blocks)


@register("denoiser", "diffusers_dit")
class DiTOfDiffusers(Denoiser):
    """The transformer of diffusers' `DiTPipeline`, over the patches of a square grid.

    References:
        William Peebles, Saining Xie, "Scalable Diffusion Models with Transformers", 2023.
        Patrick von Platen et al., "Diffusers: State-of-the-Art Diffusion Models", 2022.
    """

    extra: ClassVar[tuple[str, str] | None] = EXTRA

    def __init__(self, width: int = 192, blocks: int = 6, heads: int = 3, patch: int = 1) -> None:
        """Describe the network.

        Args:
            width: numbers of a token, a multiple of `heads` and of 4.
            blocks: how many blocks.
            heads: heads of each attention.
            patch: sides of the patch that is a token.
        """
        check_positive((width, blocks, heads, patch), "denoiser.width, blocks, heads and patch")
        check_multiples((width,), math.lcm(4, heads), "denoiser.width", "4 and of the number of heads")
        self.width, self.blocks, self.heads, self.patch = width, blocks, heads, patch

    def build(self, shape: Shape, condition: int = 0) -> nn.Module:
        """Build it for square latents whose sides the patch divides; see `Denoiser`."""
        channels, height, width = image_size(shape, "diffusers_dit", "denoiser_mlp")
        if height != width:
            raise ConfigError(
                f"denoiser 'diffusers_dit' takes square latents, not {height}x{width}; use "
                "denoiser.name=denoiser_dit"
            )
        if height % self.patch:
            raise ConfigError(
                f"'denoiser.patch' {self.patch} does not divide latents of {height}x{width}; use 1"
            )
        sides = (channels, height, width)
        return DiffusersDiT(sides, condition, self.patch, self.width, self.blocks, self.heads)
