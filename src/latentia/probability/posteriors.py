"""Posteriors q(z|x): from the encoder's output to a distribution over latents."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal

from latentia.core.errors import ConfigError
from latentia.core.needs import CONTINUOUS, DENSITY, FACTORISED, Words
from latentia.core.registry import register
from latentia.probability.delta import Delta
from latentia.probability.normal import PlainNormal
from latentia.probability.precision import exact

LIMIT = 20.0
"""log sigma^2 is held within plus and minus this, where float32 still resolves the KL."""


def log_deviation(log_variance: Tensor) -> Tensor:
    """Give log sigma for what an encoder says of log sigma^2.

    Args:
        log_variance: any shape and size.

    Returns:
        log sigma, same shape, from -10 to 10.
    """
    return 0.5 * F.hardtanh(log_variance, -LIMIT, LIMIT)


def deviation(log_variance: Tensor) -> Tensor:
    """Give sigma for what an encoder says of log sigma^2.

    Args:
        log_variance: any shape and size.

    Returns:
        sigma, same shape, from e^-10 to e^10.
    """
    return log_deviation(log_variance).exp()


class Posterior(nn.Module):
    """Maps features `(B, *features)` to q(z|x) with batch shape `(B,)` and event shape `latent`."""

    kind: ClassVar[str] = "posterior"
    gives: ClassVar[Words] = frozenset({CONTINUOUS, DENSITY})
    """What it gives to the other parts of a run; see `latentia.core.needs`."""
    pointwise: ClassVar[bool] = False
    """Whether it treats every place of a grid alike, and so takes features of a grid of any size."""

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

    gives: ClassVar[Words] = frozenset({CONTINUOUS})
    pointwise: ClassVar[bool] = True

    def forward(self, features: Tensor) -> Distribution:
        """Give the point mass at the features."""
        return Delta(features, len(self.latent))


@register("posterior", "diagonal_gaussian")
class DiagonalGaussian(Posterior):
    r"""N(z; mu(x), diag(sigma(x)^2)) from mu and log sigma^2, side by side in the channels.

    References:
        Diederik Kingma, Max Welling, "Auto-Encoding Variational Bayes", 2013.
    """

    gives: ClassVar[Words] = Posterior.gives | {FACTORISED}
    pointwise: ClassVar[bool] = True

    @property
    def features(self) -> tuple[int, ...]:
        """Twice the channels of the latent: means, then log variances."""
        return (2 * self.latent[0], *self.latent[1:])

    def forward(self, features: Tensor) -> Distribution:
        """Give N(mu, sigma^2), independent over the latent's dimensions."""
        mean, log_variance = features.chunk(2, dim=1)
        log_scale = log_deviation(log_variance)
        normal = PlainNormal(mean, log_scale.exp(), log_scale=log_scale)
        return Independent(normal, len(self.latent), validate_args=False)


@register("posterior", "shared_gaussian")
class SharedGaussian(Posterior):
    r"""N(z; mu(x), sigma(x)^2 I) at each place of a grid: one log sigma^2 for all channels, after the means.

    References:
        Yoav HaCohen et al., "LTX-Video: Realtime Video Latent Diffusion", 2024.
    """

    gives: ClassVar[Words] = Posterior.gives | {FACTORISED}
    pointwise: ClassVar[bool] = True

    @property
    def features(self) -> tuple[int, ...]:
        """One channel more than the latent has."""
        return (self.latent[0] + 1, *self.latent[1:])

    def forward(self, features: Tensor) -> Distribution:
        """Give N(mu, sigma^2 I)."""
        mean, log_variance = features[:, :-1], features[:, -1:]
        log_scale = log_deviation(log_variance).expand_as(mean)
        normal = PlainNormal(mean, log_scale.exp(), log_scale=log_scale)
        return Independent(normal, len(self.latent), validate_args=False)


class _FullNormal(MultivariateNormal):
    """torch's distribution in full precision: its draws and densities are products of matrices."""

    def rsample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        with exact(self.loc):
            return super().rsample(torch.Size(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        with exact(self.loc):
            return super().log_prob(value)


@register("posterior", "full_gaussian")
class FullGaussian(Posterior):
    r"""N(z; mu(x), L(x) L(x)^T): a Gaussian with a covariance between the latent's dimensions.

    L is lower triangular: L = diag(sigma) (I + R), with R strictly lower triangular. Features are mu,
    log sigma^2 and the D (D - 1) / 2 entries of R, row by row; R = 0 is the diagonal Gaussian. The
    entries are held within plus and minus 10.

    References:
        Danilo Rezende, Shakir Mohamed, Daan Wierstra, "Stochastic Backpropagation and Approximate
        Inference in Deep Generative Models", 2014.
        Diederik Kingma, Max Welling, "An Introduction to Variational Autoencoders", 2019 (section 2.5).
    """

    REACH = 10.0
    below: Tensor

    def __init__(self, latent: tuple[int, ...]) -> None:
        """Make the posterior.

        Args:
            latent: shape of one latent, which must be flat.
        """
        super().__init__(latent)
        if len(latent) != 1:
            shape = "x".join(map(str, latent))
            raise ConfigError(
                f"posterior 'full_gaussian' needs a flat latent, not one of shape {shape}; "
                "use posterior.name=diagonal_gaussian"
            )
        self.register_buffer("below", torch.tril_indices(*2 * latent, offset=-1), persistent=False)

    @property
    def features(self) -> tuple[int, ...]:
        """Means, log variances and what is below the diagonal: 2 D + D (D - 1) / 2."""
        size = self.latent[0]
        return (2 * size + size * (size - 1) // 2,)

    def forward(self, features: Tensor) -> Distribution:
        """Give N(mu, L L^T)."""
        size = self.latent[0]
        mean, log_variance, entries = features.split([size, size, features.shape[1] - 2 * size], dim=1)
        unit = torch.eye(size, device=features.device, dtype=features.dtype).repeat(features.shape[0], 1, 1)
        unit[:, self.below[0], self.below[1]] = F.hardtanh(entries, -self.REACH, self.REACH)
        factor = deviation(log_variance).unsqueeze(-1) * unit
        return _FullNormal(mean, scale_tril=factor, validate_args=False)
