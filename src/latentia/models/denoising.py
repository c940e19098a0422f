"""Autoencoders that see corrupted examples and are asked for the clean ones."""

from __future__ import annotations

from typing import ClassVar, Unpack

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.core.registry import register
from latentia.core.types import Batch, Pass
from latentia.data.corruptions import Corruption, Dropout, GaussianNoise
from latentia.models.autoencoder import Autoencoder
from latentia.models.decoding import ModelParts
from latentia.networks import Network, centre


@register("model", "denoising_autoencoder")
class DenoisingAutoencoder(Autoencoder):
    r"""z = g(x~), x' = f(z) with x~ a corrupted x, and x' held against the clean x.

    ```
    x ─ corruption ─ x~ ─ encoder ─ posterior ─ q(z|x~) ─ z ─ decoder ─ p(x|z)
    ```

    With `posterior=diagonal_gaussian` and `objective=elbo` it is the denoising VAE: q(z|x~) is a posterior
    like any other, so the bound stays a bound on log p(x).

    References:
        Pascal Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders", 2008.
        Daniel Im et al., "Denoising Criterion for Variational Auto-Encoding Framework", 2017.
    """

    defaults: ClassVar[dict[str, str]] = {**Autoencoder.defaults, "corruption": "gaussian_noise"}

    def __init__(
        self,
        event: tuple[int, ...],
        latent_dim: int = 16,
        *,
        corruption: Corruption | None = None,
        **parts: Unpack[ModelParts],
    ) -> None:
        """Wire the parts.

        Args:
            event: shape of one example.
            latent_dim: dimensions of the latent.
            corruption: what is done to the encoder's input; Gaussian noise by default.
            **parts: network, posterior, prior and likelihood; see `ModelParts`.
        """
        super().__init__(event, latent_dim, **parts)
        self.corruption = corruption or self._default()

    def _default(self) -> Corruption:
        return GaussianNoise()

    def look(self, seen: Tensor, hidden: Tensor) -> Distribution:
        """Give q(z|x~).

        Args:
            seen: the corrupted data, shape `(B, *event)`.
            hidden: where entries were hidden, same shape.

        Returns:
            A distribution with batch shape `(B,)`.
        """
        # What is hidden is as missing as a hole, where the encoder is told of holes.
        return self.encode(seen if self.inputs is None else seen.masked_fill(hidden, torch.nan))

    def forward(self, batch: Batch, samples: int = 1) -> Pass:
        """Compute everything that an objective reads, from corrupted examples; see `LatentModel`."""
        seen, hidden = self.corruption(batch.x)
        return self._passed(batch, self.look(seen, hidden), samples, hidden=hidden)


@register("model", "masked_autoencoder")
class MaskedAutoencoder(DenoisingAutoencoder):
    """A denoising autoencoder whose encoder is told which entries it does not see.

    The mask stands beside the data: twice the channels of an image, twice the columns of a table. What is
    seen is x less the corruption's `fill`, the mean of the training data, and zero where x is hidden, so that
    it cannot reach the encoder. `corruption=patches` hides squares of images.

    References:
        Kaiming He et al., "Masked Autoencoders Are Scalable Vision Learners", 2022.
    """

    defaults: ClassVar[dict[str, str]] = {
        **DenoisingAutoencoder.defaults,
        "corruption": "dropout",
        "objective": "masked_reconstruction",
    }

    def _default(self) -> Corruption:
        return Dropout()

    def _wire(self, network: Network) -> None:
        super()._wire(network)
        if self.inputs is not None:  # which say what is hidden
            return
        doubled = (2 * self.event[0], *self.event[1:])
        self.encoder = network.encoder(doubled, self.posterior.features)

    def begin(self, x: Tensor) -> None:
        """Let the encoder begin around the mean example less the fill; see `LatentModel`."""
        super().begin(x)
        if self.inputs is None:
            centre(self.encoder, x.new_full(self.event, -self.corruption.fill))

    def look(self, seen: Tensor, hidden: Tensor) -> Distribution:
        """Give q(z|x~, mask); see `DenoisingAutoencoder`."""
        if self.inputs is not None:
            return super().look(seen, hidden)
        missing = seen.isnan()  # only where holes are filled in: this encoder knows what to make of them
        shown = (seen - self.corruption.fill).masked_fill(missing, 0.0)
        hidden = missing | hidden.bool()
        return self.posterior(self.encoder(torch.cat([shown, hidden.to(seen.dtype)], dim=1)).float())

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        """Give the posterior where nothing is hidden; see `LatentModel`."""
        if self.inputs is not None:
            return super().encode(x, c)
        return self.look(x, torch.zeros_like(x))
