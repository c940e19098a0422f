"""The conditional variational autoencoder."""

from __future__ import annotations

import math
from typing import ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.models.decoding import ModelParts
from latentia.models.vae import VAE
from latentia.networks import Embedding, Network


class Merge(nn.Module):
    """What the encoder saw and what it is told, to what the posterior needs."""

    def __init__(self, width: int, told: int, features: tuple[int, ...]) -> None:
        """Build two dense layers.

        Args:
            width: numbers from the encoder.
            told: numbers from the condition.
            features: shape of the output for one example.
        """
        super().__init__()
        self.features = features
        self.body = nn.Sequential(
            nn.SiLU(),
            nn.Linear(width + told, width),
            nn.SiLU(),
            nn.Linear(width, math.prod(features)),
        )

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        """Map `(B, width)` and `(B, told)` to `(B, *features)`."""
        return self.body(torch.cat([h, e], dim=1)).unflatten(1, self.features)


@register("model", "conditional_vae")
class ConditionalVAE(VAE):
    r"""p(x, z|c) = p(z|c) p(x|z,c) with the posterior q(z|x,c).

    ```
    x (B, *event) ─ encoder ─ h (B, width) ─┐
    c (B, C) ─ embedding ─ e ───────────────┴ merge ─ posterior ─ q(z|x,c) ─ rsample ─ z (S, B, D)
    p(x|z,c) ─ likelihood ─ decoder ─ [z, e] ─────────────────────────────────────────┘
    ```

    With `drop` over 0 the condition is hidden from that share of the training examples, at random, so that
    one network holds p(x|z,c) and p(x|z), q(z|x,c) and q(z|x).

    References:
        Kihyuk Sohn, Honglak Lee, Xinchen Yan, "Learning Structured Output Representation using Deep
        Conditional Generative Models", 2015.
        Diederik Kingma et al., "Semi-supervised Learning with Deep Generative Models", 2014 (labels as
        conditions).
        Jonathan Ho, Tim Salimans, "Classifier-Free Diffusion Guidance", 2022 (dropping the condition).
    """

    defaults: ClassVar[dict[str, str]] = {**VAE.defaults, "condition": "labels"}

    def __init__(
        self,
        event: tuple[int, ...],
        latent_dim: int = 16,
        width: int = 256,
        drop: float = 0.0,
        *,
        condition: int = 1,
        **parts: Unpack[ModelParts],
    ) -> None:
        """Wire the parts.

        Args:
            event: what one example is, or its shape.
            latent_dim: dimensions of the latent.
            width: numbers that the encoder gives, and the condition's embedding at the most.
            drop: share of the training examples whose condition is hidden.
            condition: how many numbers the condition has.
            **parts: network, posterior, prior and likelihood; see `ModelParts`.

        Raises:
            ConfigError: if a size is not positive or `drop` is no share.
        """
        if condition < 1:
            raise ConfigError(f"'model.condition' must be at least 1 number, not {condition}")
        if width < 1:
            raise ConfigError(f"'model.width' must be at least 1, not {width}")
        if not 0 <= drop < 1:
            raise ConfigError(f"'model.drop' is a share of the examples, at least 0 and below 1, not {drop}")
        self.condition = condition
        self.dropped = drop > 0
        self.drop = drop
        self.width = width
        super().__init__(event, latent_dim, **parts)

    @property
    def embedded(self) -> int:
        """How many numbers the condition's embedding has."""
        return min(self.width, max(16, self.condition))

    def _wire(self, network: Network) -> None:
        if len(self.latent) != 1:
            raise ConfigError(
                "a condition stands beside a latent that is a vector, and the network keeps height and "
                "width; use network.name=conv, or --model vae"
            )
        told = self.embedded
        self.embedding: nn.Module = Embedding(self.condition, told)
        self.encoder = network.encoder(self.entrance, (self.width,))
        self.merge = Merge(self.width, told, self.posterior.features)
        self.decoder = network.decoder((self.latent[0] + told,), self.likelihood.features(self.event))

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        """Give q(z|x,c); see `LatentModel`."""
        e = self.embedding(self._rows(c, x))
        return self.posterior(self.merge(self.encoder(self.seen(x)), e.expand(x.shape[0], -1)).float())

    def outputs(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Run the decoder alone; see `VAE`.

        Args:
            z: latents, shape `(*batch, D)`.
            c: the condition, shape `(B, C)` with B the last batch dimension of z, or one row for all.

        Returns:
            What the likelihood reads.
        """
        e = self.embedding(self._rows(c, z)).expand(*z.shape[:-1], -1)
        return super().outputs(torch.cat([z, e], dim=-1))

    def _rows(self, c: Tensor | None, like: Tensor) -> Tensor:
        return like.new_full((1, self.condition), math.nan) if c is None else c

    def told(self, c: Tensor | None) -> Tensor | None:
        """Hide the condition of a share of the examples while training; see `VAE`."""
        if c is None or not (self.training and self.drop):
            return c
        return c.masked_fill(torch.rand(len(c), 1, device=c.device) < self.drop, math.nan)
