"""The regularised autoencoder: smooth without noise."""

from __future__ import annotations

from typing import ClassVar, Literal, Unpack

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.core.registry import register
from latentia.core.types import Batch, Pass
from latentia.models.autoencoder import Autoencoder
from latentia.models.decoding import ModelParts
from latentia.networks.base import LAYERS

STEP = 1e-2
"""How far from a latent the decoder's slope is taken."""


@register("model", "rae")
class RAE(Autoencoder):
    r"""z = g(x), x' = f(z) with a decoder that is kept smooth, in the place of the noise of a VAE.

    `smooth` says how: `gradient` gives the objective |df/dz|^2, the squared norm of the Jacobian, `weights`
    the sum of the squares of the decoder's weights, and `spectral` divides each layer's weights by their
    largest singular value and gives nothing. The squared norm is estimated by |f(z + h v) - f(z)|^2 / h^2
    with v ~ N(0, I), whose mean it is up to O(h^2): it costs a pass of the decoder, and is as well known in
    validation as in training.

    Its prior takes no part in training: sample with `--sampler mixture`, fitted to the latents afterwards.

    References:
        Partha Ghosh, Mehdi Sajjadi, Antonio Vergari, Michael Black, Bernhard Schölkopf, "From Variational to
        Deterministic Autoencoders", 2020.
        Takeru Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018.
    """

    defaults: ClassVar[dict[str, str]] = {**Autoencoder.defaults, "objective": "rae"}

    def __init__(
        self,
        event: tuple[int, ...],
        latent_dim: int = 16,
        smooth: Literal["gradient", "weights", "spectral"] = "gradient",
        **parts: Unpack[ModelParts],
    ) -> None:
        """Wire the parts.

        Args:
            event: what one example is, or its shape.
            latent_dim: dimensions of the latent, or of each place of a grid that the network keeps.
            smooth: what keeps the decoder smooth.
            **parts: network, posterior, prior and likelihood; see `ModelParts`.
        """
        super().__init__(event, latent_dim, **parts)
        self.smooth = smooth
        if smooth == "spectral":
            for layer in [module for module in self.decoder.modules() if isinstance(module, LAYERS)]:
                nn.utils.parametrizations.spectral_norm(layer)

    def _passed(
        self,
        batch: Batch,
        q: Distribution,
        samples: int,
        c: Tensor | None = None,
        hidden: Tensor | None = None,
    ) -> Pass:
        """Compute the roughness of the decoder beside the rest; see `VAE`."""
        state = super()._passed(batch, q, samples, c, hidden)
        rough = self._roughness(state)
        return Pass(batch, state.q, state.z, state.p_z, state.p_x, hidden=hidden, roughness=rough)

    def _roughness(self, state: Pass) -> Tensor:
        """Give what is to be small, shape `(B,)`."""
        count = len(state.batch.x)
        if self.smooth == "spectral":
            return state.z.new_zeros(count)
        if self.smooth == "weights":
            return torch.stack([w.square().sum() for w in self.decoder.parameters()]).sum().expand(count)
        moved = self.decode(state.z + STEP * torch.randn_like(state.z)).mean
        apart = (moved - state.p_x.mean).flatten(2).square().sum(dim=2)
        return apart.mean(dim=0) / STEP**2
