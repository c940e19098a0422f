"""The variational autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.core.types import Batch, Coder, Pass
from latentia.models.decoding import DecodingModel, check_sizes
from latentia.networks import MLP, Network
from latentia.probability import (
    Bernoulli,
    DiagonalGaussian,
    Likelihood,
    Posterior,
    Prior,
    Quantiser,
    StandardNormal,
)


@register("model", "vae")
class VAE(DecodingModel):
    r"""p(x, z) = p(z) p(x|z) with the amortised posterior q(z|x).

    ```
    x (B, *event) ─ encoder ─ posterior ─ q(z|x) ─ rsample ─ z (S, B, *latent)
                                   p(z) ─ prior ┘                  │
    p(x|z) ─ likelihood ─ h (S, B, *features) ─ decoder ───────────┘
    ```

    References:
        Diederik Kingma, Max Welling, "Auto-Encoding Variational Bayes", 2013.
        Danilo Rezende, Shakir Mohamed, Daan Wierstra, "Stochastic Backpropagation and Approximate
        Inference in Deep Generative Models", 2014.

    Example:
        >>> vae = VAE((1, 8, 8), latent_dim=2)
        >>> vae.decode(vae.encode(torch.rand(5, 1, 8, 8)).rsample((3,))).mean.shape
        torch.Size([3, 5, 1, 8, 8])
    """

    defaults: ClassVar[dict[str, str]] = {
        "posterior": "diagonal_gaussian",
        "prior": "standard_normal",
        "objective": "elbo",
    }
    """The names of the parts that fit this model, where a run file names none."""

    def __init__(
        self,
        event: tuple[int, ...],
        latent_dim: int = 16,
        *,
        network: Network | None = None,
        posterior: Posterior | None = None,
        prior: Prior | None = None,
        likelihood: Likelihood | None = None,
    ) -> None:
        """Wire the parts.

        Args:
            event: shape of one example.
            latent_dim: dimensions of the latent.
            network: the recipe for encoder and decoder; an MLP by default.
            posterior: q(z|x); diagonal Gaussian by default.
            prior: p(z); standard normal by default.
            likelihood: p(x|z); Bernoulli by default.

        Raises:
            ConfigError: if event or latent has no entries, or a part does not fit them.
        """
        super().__init__()
        network = network or MLP()
        self.event = tuple(event)
        self.latent = self._latent(latent_dim)
        check_sizes(self.event, self.latent, posterior=posterior, prior=prior)
        self.posterior = posterior or DiagonalGaussian(self.latent)
        self.prior = prior or StandardNormal(self.latent)
        self.likelihood = likelihood or Bernoulli()
        self._wire(network)
        self.prior.attach(self.encode)

    @classmethod
    def latent_of(cls, event: tuple[int, ...], settings: Mapping[str, Any]) -> tuple[int, ...]:
        """Give the shape of a latent; see `LatentModel`.

        Args:
            event: shape of one example.
            settings: the model's arguments.

        Returns:
            `(latent_dim,)`.

        Raises:
            ConfigError: if the latent has no dimension.
        """
        if settings["latent_dim"] < 1:
            raise ConfigError(f"'model.latent_dim' must be at least 1, not {settings['latent_dim']}")
        return (settings["latent_dim"],)

    def _latent(self, latent_dim: int) -> tuple[int, ...]:
        """Give the shape of a latent for the arguments of the constructor."""
        return self.latent_of(self.event, {"latent_dim": latent_dim})

    def _wire(self, network: Network) -> None:
        """Build encoder and decoder; a model with other inputs wires them otherwise."""
        self.encoder = network.encoder(self.event, self.posterior.features)
        self.decoder = network.decoder(self.latent, self.likelihood.features(self.event))

    @property
    def coder(self) -> Coder | None:
        """The posterior, where it is a quantiser; see `LatentModel`."""
        return self.posterior if isinstance(self.posterior, Quantiser) else None

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        """Give q(z|x); see `LatentModel`."""
        # Networks may run in bfloat16; probabilities are sums over many terms and need float32.
        return self.posterior(self.encoder(x).float())

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        """Give p(x|z); see `LatentModel`."""
        return self.likelihood(self.outputs(z, c), len(self.event))

    def begin(self, x: Tensor) -> None:
        """Show decoder and prior some training examples; see `LatentModel`."""
        super().begin(x)
        self.prior.begin(x)

    def outputs(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Run the decoder alone.

        Args:
            z: latents, shape `(*batch, *latent)`.
            c: the condition, which this model ignores.

        Returns:
            What the likelihood reads, shape `(*batch, *features)`, its `features` of the event.
        """
        batch = z.shape[: z.dim() - len(self.latent)]
        return self.decoder(z.flatten(0, len(batch) - 1)).unflatten(0, batch).float()

    def forward(self, batch: Batch, samples: int = 1) -> Pass:
        """Compute everything that an objective reads; see `LatentModel`."""
        c = self.told(batch.c)
        return self._passed(batch, self.encode(batch.x, c), samples, c)

    def _passed(
        self,
        batch: Batch,
        q: Distribution,
        samples: int,
        c: Tensor | None = None,
        hidden: Tensor | None = None,
    ) -> Pass:
        """Sample a posterior and decode the samples."""
        z = q.rsample(torch.Size((samples,)))
        h = self.outputs(z, c)
        if self.training:
            self.likelihood.observe(h, batch.x)
        return Pass(batch, q, z, self.prior(c), self.likelihood(h, len(self.event)), hidden=hidden)

    def told(self, c: Tensor | None) -> Tensor | None:
        """Give the condition as the parts get it; a model may hide it while it trains.

        Args:
            c: the condition, shape `(B, C)`, or None.

        Returns:
            The same shape, or None.
        """
        return c
