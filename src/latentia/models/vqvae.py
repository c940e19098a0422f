"""The vector-quantised variational autoencoder."""

from __future__ import annotations

from typing import ClassVar, Unpack

from latentia.core.registry import register
from latentia.models.decoding import ModelParts
from latentia.models.vae import VAE


@register("model", "vqvae")
class VQVAE(VAE):
    r"""p(x, z) = p(z) p(x|z) with z from a finite set: `VAE` whose posterior is a quantiser.

    The latent of an image has height and width, whatever the network: one vector, and so one code, for each
    `downsample` by `downsample` pixels. Of other data it is one vector.

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
        **parts: Unpack[ModelParts],
    ) -> None:
        """Wire the parts.

        Args:
            event: what one example is, or its shape.
            latent_dim: dimensions of the vector at each place.
            downsample: how many times smaller than the image the grid is, along each side.
            **parts: network, posterior, prior and likelihood; see `ModelParts`.
        """
        self.downsample = downsample
        super().__init__(event, latent_dim, **parts)
