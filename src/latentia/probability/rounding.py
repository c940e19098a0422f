"""Rounded latents: uniform noise in training, multiples of a step otherwise."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.probability.posteriors import Posterior

EDGE = 1e-3
"""By this share of a step a value may lie outside of its cell: rounding in float32 is not finer."""


class Rounded(Distribution):
    r"""A cell around each number: what is drawn is the multiple of the step next to its location.

    A draw passes its gradient straight through to the location. The density is that of
    U(loc - step / 2, loc + step / 2), log q = -log(step) for each number: then -log2 of p(z) / q(z), with p
    the density of a prior with noise of one step, is what coding the multiple takes, as log p(z) + log(step)
    is the logarithm of the prior's mass in the cell of z.

    References:
        Johannes Ballé, Valero Laparra, Eero Simoncelli, "End-to-end Optimized Image Compression", 2017.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    has_rsample = True

    def __init__(self, loc: Tensor, step: Tensor, noisy: bool) -> None:
        """Place it.

        Args:
            loc: what the encoder gives, shape `(B, *latent)`.
            step: of each example, shape `(B, 1, ...)` with as many dimensions.
            noisy: whether `dithered` has noise.
        """
        self.loc, self.step, self.noisy = loc, step, noisy
        super().__init__(loc.shape[:1], loc.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The nearest multiple of the step."""
        whole = (self.loc / self.step).round() * self.step
        return whole.detach() + (self.loc - self.loc.detach())

    @property
    def variance(self) -> Tensor:
        """That of a cell, step^2 / 12."""
        return (self.step.square() / 12).expand_as(self.loc)

    def rsample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Give the nearest multiples, shape `(*sample_shape, B, *latent)`: all draws are alike."""
        return self.mean.expand(*sample_shape, *self.loc.shape)

    def dithered(self) -> Tensor:
        """Give values anywhere in the cells, by which the rate is learned; without noise the multiples.

        Returns:
            Shape `(B, *latent)`.
        """
        return self.loc + self.step * (torch.rand_like(self.loc) - 0.5) if self.noisy else self.mean

    def log_prob(self, value: Tensor) -> Tensor:
        """Give -log(step) for each number, summed, shape `(*, B)`; minus infinity outside of a cell."""
        apart = (value - self.loc).abs() / self.step
        each = torch.where(apart <= 0.5 + EDGE, -self.step.log(), -math.inf)
        return each.expand_as(apart).flatten(-len(self.event_shape)).sum(dim=-1)


@register("posterior", "rounded")
class RoundedPosterior(Posterior):
    r"""Latents of a codec: rounded to multiples of a step; their rate is learned with noise of that width.

    Where the finest step is not the coarsest, each training example has a step of its own, log-uniform in
    between, so that one model has many rates. Otherwise examples have `step`, which can be set.
    Where the encoder is frozen, or nearly learned, a prior learns better what it will code without noise.

    Attributes:
        step: of examples outside of training; the geometric mean of the ends at first.

    References:
        Johannes Ballé, Valero Laparra, Eero Simoncelli, "End-to-end Optimized Image Compression", 2017
        (noise in the place of rounding).
        David Minnen, Saurabh Singh, "Channel-wise Autoregressive Entropy Models for Learned Image
        Compression", 2020 (noise for the rate alone, rounded values for the decoder).
        Yoojin Choi, Mostafa El-Khamy, Jungwon Lee, "Variable Rate Deep Image Compression With a Conditional
        Autoencoder", 2019 (one model with steps of many sizes).
    """

    pointwise: ClassVar[bool] = True
    certain: ClassVar[bool] = True
    """Whether all draws are alike; see `Quantiser`."""

    def __init__(
        self, latent: tuple[int, ...], finest: float = 1.0, coarsest: float = 1.0, noise: bool = True
    ) -> None:
        """Set the ends.

        Args:
            latent: shape of one latent.
            finest: the smallest step.
            coarsest: the largest step.
            noise: learn the rate of numbers with noise; else of rounded ones, whose gradient passes straight
                through.

        Raises:
            ConfigError: if there are no steps in between.
        """
        super().__init__(latent)
        if not 0 < finest <= coarsest < math.inf:
            raise ConfigError(
                "'posterior.finest' must be positive and 'posterior.coarsest' no less, not "
                f"{finest} and {coarsest}"
            )
        self.finest, self.coarsest, self.noise = finest, coarsest, noise
        self.step = math.sqrt(finest * coarsest)

    def forward(self, features: Tensor) -> Rounded:
        """Give the cells around the features; see `Posterior`."""
        first = features.flatten(1)[:, :1].view(-1, *[1] * len(self.latent))  # a count would stay in exports
        step = torch.full_like(first, self.step)
        if self.training and self.finest < self.coarsest:
            low, high = math.log(self.finest), math.log(self.coarsest)
            step = (low + (high - low) * torch.rand_like(step)).exp()
        return Rounded(features, step, noisy=self.training and self.noise)
