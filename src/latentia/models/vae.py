"""The variational autoencoder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.core import config
from latentia.core.errors import ConfigError
from latentia.core.event import Event
from latentia.core.registry import register
from latentia.core.types import Batch, Coder, Pass
from latentia.models.decoding import DecodingModel, ModelParts, check_sizes, usual
from latentia.models.equivariance import moved
from latentia.networks import MLP, Network, cropped, reflected, through
from latentia.probability import Likelihood, Posterior, Prior, Quantiser


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
    """The names of the parts that fit this model, where nobody names one."""
    downsample: int | None = None
    """How many times smaller than an image the latent's grid is, where the model asks for one."""

    def __init__(
        self,
        event: tuple[int, ...],
        latent_dim: int = 16,
        equivariance: float = 0.0,
        **parts: Unpack[ModelParts],
    ) -> None:
        """Wire the parts.

        Args:
            event: what one example is, or its shape.
            latent_dim: dimensions of the latent, or of each place of a grid that the network keeps.
            equivariance: share of the training steps in which latents on a grid are scaled and turned before
                they are decoded, and have to give the pictures scaled and turned alike; see `moved`.
            **parts: network, posterior, prior and likelihood; see `ModelParts`.

        Raises:
            ConfigError: if event or latent has no entries, or a part does not fit them.
        """
        super().__init__()
        network = parts.get("network") or MLP()
        self.event = Event.of(event)
        self.latent = network.latent(self.event, latent_dim, self.downsample)
        check_sizes(self.event, self.latent, posterior=parts.get("posterior"), prior=parts.get("prior"))
        self.posterior: Posterior = parts.get("posterior") or self._usual("posterior")
        self.prior: Prior = parts.get("prior") or self._usual("prior")
        self.likelihood: Likelihood = parts.get("likelihood") or self._usual("likelihood")
        self.take(parts.get("inputs"))
        if network.convolutional and self.posterior.pointwise:
            self.strides, self.lead = network.strides(self.event, self.latent), network.lead
        self.equivariance = equivariance
        self._check_equivariance()
        self._wire(network)
        self.prior.attach(self.encode)

    def _check_equivariance(self) -> None:
        """Refuse latents that cannot be moved as pictures can, and what is no share."""
        if not 0 <= self.equivariance <= 1:
            raise ConfigError(f"'model.equivariance' is a share of the steps, not {self.equivariance}")
        if self.equivariance and (len(self.strides) != 2 or self.coder is not None):
            raise ConfigError(
                "'model.equivariance' moves latents on a grid of numbers, and this model has others; use "
                "network.name=kl_codec with a posterior such as diagonal_gaussian, or leave it out"
            )

    def _usual(self, kind: str) -> Any:
        """Build the part of a kind that `defaults` name."""
        name = self.defaults.get(kind, "bernoulli")
        given = {"latent": self.latent, "event": self.event, "condition": self.condition}
        if kind == "prior":
            given["posterior"] = self.posterior  # a prior over codes is told of them
        return config.build(kind, {"name": name}, **given)

    def _wire(self, network: Network) -> None:
        """Build encoder and decoder; a model with other inputs wires them otherwise."""
        self.encoder = network.encoder(self.entrance, self.posterior.features)
        self.decoder = network.decoder(self.latent, self.likelihood.features(self.event))

    @property
    def coder(self) -> Coder | None:
        """The posterior, where it is a quantiser; see `LatentModel`."""
        return self.posterior if isinstance(self.posterior, Quantiser) else None

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        """Give q(z|x); see `LatentModel`."""
        # Networks may run in bfloat16; probabilities are sums over many terms and need float32.
        return self.posterior(through(self.encoder, reflected(self.seen(x), self.strides, self.lead)).float())

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        """Give p(x|z); see `LatentModel`."""
        return self.likely(self.outputs(z, c))

    def begin(self, x: Tensor) -> None:
        """Show decoder and prior some training examples; see `LatentModel`."""
        super().begin(x)
        self.prior.begin(x if self.inputs is None else torch.where(x.isnan(), usual(x), x))

    def outputs(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Run the decoder alone.

        Args:
            z: latents, shape `(*batch, *latent)`.
            c: the condition, which this model ignores.

        Returns:
            What the likelihood reads, shape `(*batch, *features)`, its `features` of the event.
        """
        batch = z.shape[: z.dim() - len(self.latent)]
        magnified = max(self.strides, default=1)
        return through(self.decoder, z.flatten(0, len(batch) - 1), magnified).unflatten(0, batch).float()

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
        decoded = z
        if self.equivariance and self.training and float(torch.rand(())) < self.equivariance:
            decoded, x = moved(z, reflected(batch.x, self.strides), self.strides)
            batch = replace(batch, x=x)
        h = self.outputs(decoded, c)
        if self.strides:
            h = cropped(h, batch.x)
        if self.training:
            self.likelihood.observe(h, batch.x)
        return Pass(batch, q, z, self.prior(c), self.likely(h), hidden=hidden)

    def told(self, c: Tensor | None) -> Tensor | None:
        """Give the condition as the parts get it; a model may hide it while it trains.

        Args:
            c: the condition, shape `(B, C)`, or None.

        Returns:
            The same shape, or None.
        """
        return c
