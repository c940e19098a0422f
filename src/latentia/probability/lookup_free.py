"""Lookup-free quantisation: every channel is a bit."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution

from latentia.core.errors import ConfigError
from latentia.core.needs import CODE_ENTROPY, Words
from latentia.core.registry import register
from latentia.probability.codes import Coded
from latentia.probability.quantisers import Quantiser

MOST = 18
"""Bits of a code at the most, as in the paper; priors and figures count all 2^18 codes."""
GROUP = 8
"""Bits whose joint entropy is computed; of more than these, the sum over groups."""


class SoftBits(Coded):
    r"""A choice of codes for certain, beside the odds of a soft one: p(c|x) ~ exp(-|x - c|^2 / temperature).

    The codes' entries are -1 and 1, so that the odds factorise: those of a bit are exp(4 x_d / temperature).
    """

    def __init__(
        self, loc: Tensor, event_dims: int, codes: Tensor, commitment: Tensor, logits: Tensor
    ) -> None:
        """Choose codes; see `Coded`.

        Args:
            loc: their vectors, shape `(B, *latent)`.
            event_dims: how many dimensions a latent has.
            codes: the codes, int64, shape `(B, *codes)`.
            commitment: what the choice cost, shape `(B,)`.
            logits: log odds of the bits, shape `(B, places, D)`.
        """
        super().__init__(loc, event_dims, codes, commitment)
        self.logits = logits

    def entropies(self) -> tuple[Tensor, Tensor]:
        """Give the mean entropy of an example's places, `(B,)`, and that of the mean choice, `()`, in nats.

        The second is over all codes where they have `GROUP` bits at most; else the sum over groups of bits,
        which is more by what the groups have in common.
        """
        p = self.logits.sigmoid()
        own = F.binary_cross_entropy_with_logits(self.logits, p, reduction="none").sum(dim=2).mean(dim=1)
        whole = p.new_zeros(())
        for bits in p.flatten(0, 1).split(GROUP, dim=1):
            joint = bits.new_ones(len(bits), 1)
            for bit in bits.split(1, dim=1):
                joint = torch.cat([joint * (1 - bit), joint * bit], dim=1)
            whole = whole + torch.special.entr(joint.mean(dim=0)).sum()
        return own, whole


@register("posterior", "lookup_free")
class LookupFree(Quantiser):
    r"""z = sign(f(x)): D channels are the bits of one of 2^D codes, the first channel the lowest bit.

    Nothing is learned and nothing looked up. It is meant for the objective `code_entropy`, which keeps all
    codes in use by the entropy of the soft choice; see `SoftBits`.

    References:
        Lijun Yu et al., "Language Model Beats Diffusion: Tokenizer is Key to Visual Generation", 2023.
    """

    gives: ClassVar[Words] = Quantiser.gives | {CODE_ENTROPY}
    places: Tensor

    def __init__(self, latent: tuple[int, ...], temperature: float = 1.0) -> None:
        """Count the codes.

        Args:
            latent: shape of one latent; its first dimension is the number of bits.
            temperature: of the soft choice.

        Raises:
            ConfigError: if there are too many bits, or the temperature is not positive.
        """
        super().__init__(latent)
        if latent[0] > MOST:
            raise ConfigError(
                f"posterior 'lookup_free' has a bit for each channel, {MOST} at the most, and the latent has "
                f"{latent[0]}; use model.latent_dim={MOST}"
            )
        if not temperature > 0:
            raise ConfigError(f"'posterior.temperature' must be positive, not {temperature}")
        self.temperature = temperature
        self.size = 2 ** latent[0]
        self.register_buffer("places", 2 ** torch.arange(latent[0]), persistent=False)

    @property
    def tables(self) -> Tensor:
        """The vectors of all codes; see `Quantiser`."""
        return self._signs(torch.arange(self.size, device=self.places.device)).unsqueeze(0)

    def vectors(self, codes: Tensor) -> Tensor:
        """Turn codes into latents; see `Quantiser`."""
        return self._signs(codes).movedim(-1, -len(self.latent))

    def moments(self) -> tuple[Tensor, Tensor]:
        """Give mean 0 and variance 1; see `Quantiser`."""
        mean = torch.zeros(self.latent, device=self.places.device)
        return mean, torch.ones_like(mean)

    def forward(self, features: Tensor) -> Distribution:
        """Take the signs; see `Posterior`."""
        points = self._points(features)
        bits = points > 0
        codes = (bits * self.places).sum(dim=-1)
        chosen = 2 * bits.to(points.dtype) - 1
        commitment = 0.5 * (points - chosen).square().flatten(start_dim=1).sum(dim=1)
        coded = self._coded(features, chosen, codes, commitment)
        logits = 4 / self.temperature * points.reshape(points.shape[0], -1, self.latent[0])
        return SoftBits(coded.loc, len(self.latent), coded.codes, commitment, logits.float())

    def _signs(self, codes: Tensor) -> Tensor:
        """Give -1 and 1 for the bits of codes, in a last dimension."""
        return 2.0 * (codes.unsqueeze(-1) // self.places % 2) - 1
