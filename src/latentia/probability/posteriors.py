"""Posteriors q(z|x): from the encoder's output to a distribution over latents."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from latentia.probability.delta import Delta
from latentia.registry import register


class Posterior(nn.Module):
    """Maps features `(B, *features)` to q(z|x) with batch shape `(B,)` and event shape `latent`."""

    kind: ClassVar[str] = "posterior"
    density: ClassVar[bool] = True
    """Whether q(z|x) has a density; without one there is no bound on log p(x)."""
    codes: ClassVar[bool] = False
    """Whether it is over codes, which have probabilities instead."""

    def __init__(self, latent: tuple[int, ...]) -> None:
        """Remember the latent shape.

        Args:
            latent: shape of one latent; its first dimension is the channels.
        """
        super().__init__()
        self.latent = latent

    @property
    def features(self) -> tuple[int, ...]:
        """The shape that the encoder must give for one example."""
        return self.latent

    def forward(self, features: Tensor) -> Distribution:
        """Give q(z|x)."""
        raise TypeError("a posterior defines its own forward")


@register("posterior", "delta")
class DeltaPosterior(Posterior):
    """All mass at the encoder's output: the autoencoder's posterior."""

    density: ClassVar[bool] = False

    def forward(self, features: Tensor) -> Distribution:
        """Give the point mass at the features."""
        return Delta(features, len(self.latent))


@register("posterior", "diagonal_gaussian")
class DiagonalGaussian(Posterior):
    r"""N(z; mu(x), diag(sigma(x)^2)) from mu and log sigma^2, side by side in the channels.

    References:
        Diederik Kingma, Max Welling, "Auto-Encoding Variational Bayes", 2013.
    """

    LIMIT = 20.0
    """log sigma^2 is held within plus and minus this, where float32 still resolves the KL."""

    @property
    def features(self) -> tuple[int, ...]:
        """Twice the channels of the latent: means, then log variances."""
        return (2 * self.latent[0], *self.latent[1:])

    def forward(self, features: Tensor) -> Distribution:
        """Give N(mu, sigma^2), independent over the latent's dimensions."""
        mean, log_variance = features.chunk(2, dim=1)
        scale = (0.5 * F.hardtanh(log_variance, -self.LIMIT, self.LIMIT)).exp()
        return Independent(Normal(mean, scale, validate_args=False), len(self.latent), validate_args=False)
