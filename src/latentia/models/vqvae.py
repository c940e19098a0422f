"""The vector-quantised variational autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.models.vae import VAE
from latentia.networks import Network
from latentia.probability import EMACodebook, Likelihood, Posterior, Prior, UniformCodes


@register("model", "vqvae")
class VQVAE(VAE):
    r"""p(x, z) = p(z) p(x|z) with z from a finite set: `VAE` whose posterior is a quantiser.

    The latent of an image has height and width: one vector, and so one code, for each `downsample` by
    `downsample` pixels. Of other data it is one vector.

    References:
        Aaron van den Oord, Oriol Vinyals, Koray Kavukcuoglu, "Neural Discrete Representation Learning", 2017.
    """

    defaults: ClassVar[dict[str, str]] = {
        "posterior": "ema_codebook",
        "prior": "uniform_codes",
        "objective": "vq",
        "network": "grid",
    }

    def __init__(
        self,
        event: tuple[int, ...],
        latent_dim: int = 8,
        downsample: int = 4,
        *,
        network: Network | None = None,
        posterior: Posterior | None = None,
        prior: Prior | None = None,
        likelihood: Likelihood | None = None,
    ) -> None:
        """Wire the parts.

        Args:
            event: shape of one example.
            latent_dim: dimensions of the vector at each place.
            downsample: how many times smaller than the image the grid is, along each side.
            network: the recipe for encoder and decoder; an MLP by default.
            posterior: a quantiser; a codebook of 512 vectors by default.
            prior: uniform over the codes by default.
            likelihood: p(x|z); Bernoulli by default.
        """
        self.downsample = downsample
        if posterior is None:
            settings = {"latent_dim": latent_dim, "downsample": downsample}
            posterior = EMACodebook(self.latent_of(event, settings))
            prior = prior or UniformCodes(posterior.latent, posterior)
        super().__init__(
            event, latent_dim, network=network, posterior=posterior, prior=prior, likelihood=likelihood
        )

    def _latent(self, latent_dim: int) -> tuple[int, ...]:
        """Give the shape of a latent, a grid's; see `VAE`."""
        return self.latent_of(self.event, {"latent_dim": latent_dim, "downsample": self.downsample})

    @classmethod
    def latent_of(cls, event: tuple[int, ...], settings: Mapping[str, Any]) -> tuple[int, ...]:
        """Give the shape of a latent; see `LatentModel`.

        Args:
            event: shape of one example.
            settings: the model's arguments.

        Returns:
            `(D, H / downsample, W / downsample)` for images, `(D,)` else.

        Raises:
            ConfigError: if the grid does not fit the image.
        """
        (dim,), factor = super().latent_of(event, settings), settings["downsample"]
        if factor < 1:
            raise ConfigError(f"'model.downsample' must be at least 1, not {factor}")
        if len(event) != 3:
            return (dim,)
        height, width = event[1:]
        if height % factor or width % factor:
            fits = [n for n in range(1, min(height, width) + 1) if height % n == width % n == 0]
            near = max((n for n in fits if n < factor), default=1)
            raise ConfigError(
                f"model.downsample={factor} does not divide images of {height}x{width}; use "
                f"model.downsample={near}, or data.size={factor * max(1, round(height / factor))}"
            )
        return dim, height // factor, width // factor
