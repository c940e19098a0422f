"""The autoencoder: a VAE whose posterior is a point."""

from __future__ import annotations

from typing import ClassVar

from latentia.core.registry import register
from latentia.models.vae import VAE
from latentia.networks import Network
from latentia.probability import DeltaPosterior, Likelihood, Posterior, Prior, mse


@register("model", "autoencoder")
class Autoencoder(VAE):
    """z = g(x), x' = f(z): `VAE` with a delta posterior.

    Its prior takes no part in training; it is where "random sampling" draws from, and why that
    fails for an autoencoder. The aggregate of its latents is what to sample.

    References:
        Geoffrey Hinton, Ruslan Salakhutdinov, "Reducing the Dimensionality of Data with Neural
        Networks", 2006.
    """

    defaults: ClassVar[dict[str, str]] = {
        "posterior": "delta",
        "prior": "standard_normal",
        "objective": "reconstruction",
        "likelihood": "mse",
    }

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
            posterior: a delta by default.
            prior: standard normal by default.
            likelihood: squared error by default.
        """
        super().__init__(
            event,
            latent_dim,
            network=network,
            posterior=posterior or DeltaPosterior(self.latent_of(event, {"latent_dim": latent_dim})),
            prior=prior,
            likelihood=likelihood or mse(),
        )
