"""The autoencoder: a VAE whose posterior is a point."""

from __future__ import annotations

from typing import ClassVar

from latentia.core.registry import register
from latentia.models.vae import VAE


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
