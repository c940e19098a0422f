"""Models that are a prior and nothing else: over latents that another model has encoded."""

from __future__ import annotations

from typing import ClassVar, Unpack

import torch
from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.core.needs import ALONE, COMPLETE, SCORES_PRIOR, Words
from latentia.core.registry import register
from latentia.models.decoding import ModelParts
from latentia.models.vae import VAE
from latentia.networks import Identity


@register("model", "diffusion")
class DiffusionModel(VAE):
    """p(z) alone: the latent is the example, or drawn from its moments, and the prior is what is learned.

    Train it on a folder of latents (`latentia encode RUN DATA FOLDER`), and sample the codec with it
    (`latentia sample RUN --sampler run --with THIS`). The usual prior is a diffusion; any other will do.

    References:
        Robin Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022.
    """

    defaults: ClassVar[dict[str, str]] = {
        "network": "identity",
        "transform": "none",
        "posterior": "delta",
        "prior": "diffusion",
        "objective": "density",
        "likelihood": "mse",
    }

    needs: ClassVar[Words] = frozenset({SCORES_PRIOR, COMPLETE})
    gives: ClassVar[Words] = VAE.gives | {ALONE}
    copies: ClassVar[bool] = True

    def __init__(self, event: tuple[int, ...], latent_dim: int = 1, **parts: Unpack[ModelParts]) -> None:
        """Wire the parts.

        Args:
            event: what one example is, or its shape.
            latent_dim: without meaning where the latent is the example.
            **parts: network, posterior, prior and likelihood; see `ModelParts`.

        Raises:
            ConfigError: if the network would change the example.
        """
        network = parts.setdefault("network", Identity())
        if not isinstance(network, Identity):
            raise ConfigError(
                "a model that is a prior alone has no encoder; leave network.name out, or use --model vae"
            )
        super().__init__(event, latent_dim, **parts)

    def begin(self, x: Tensor) -> None:
        """Bring the prior to the scale of the latents; see `LatentModel`."""
        with torch.no_grad():
            self.prior.fit_scale(self.encode(x).sample())


@register("model", "conditional_diffusion")
class ConditionalDiffusionModel(DiffusionModel):
    """p(z|c), and p(z) as well: of each example the label, or other numbers, are told.

    A share of the examples has its condition hidden while it trains (`prior.drop`), so that one network knows
    both, and `guidance` can go from one beyond the other.

    References:
        Jonathan Ho, Tim Salimans, "Classifier-Free Diffusion Guidance", 2022.
    """

    defaults: ClassVar[dict[str, str]] = {**DiffusionModel.defaults, "condition": "labels"}

    def __init__(
        self,
        event: tuple[int, ...],
        latent_dim: int = 1,
        *,
        condition: int = 1,
        **parts: Unpack[ModelParts],
    ) -> None:
        """Wire the parts.

        Args:
            event: what one example is, or its shape.
            latent_dim: without meaning where the latent is the example.
            condition: how many numbers the condition has.
            **parts: network, posterior, prior and likelihood; see `ModelParts`.

        Raises:
            ConfigError: if the condition has no number.
        """
        if condition < 1:
            raise ConfigError(f"'model.condition' must be at least 1 number, not {condition}")
        self.condition = condition
        super().__init__(event, latent_dim, **parts)
        self.dropped = bool(getattr(self.prior, "drop", 0.0))
