"""Priors p(z)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, register_kl

from latentia.registry import register


class Prior(nn.Module):
    """Gives p(z) with batch shape `()` and event shape `latent`."""

    kind: ClassVar[str] = "prior"
    needs_density: ClassVar[bool] = False
    """Whether it is made of posteriors, which then must have a density."""

    def __init__(self, latent: tuple[int, ...]) -> None:
        """Remember the latent shape.

        Args:
            latent: shape of one latent.
        """
        super().__init__()
        self.latent = latent

    def forward(self, c: Tensor | None = None) -> Distribution:
        """Give p(z).

        Args:
            c: a condition, which an unconditional prior ignores.

        Returns:
            A distribution with batch shape `()` and event shape `latent`.
        """
        raise TypeError("a prior defines its own forward")

    def attach(self, encode: Callable[[Tensor], Distribution]) -> None:
        """Take the encoder of the model that this prior belongs to; called once, by the model.

        Args:
            encode: gives q(z|x) of examples `(B, *event)`. Whoever keeps it must not register it as a
                part: its weights are the model's.
        """

    def begin(self, x: Tensor) -> None:
        """See some training examples once, before a run starts.

        Args:
            x: transformed examples in random order, shape `(N, *event)`.
        """


class UnitNormal(Normal):
    """N(0, 1), known to be so: its KL from a normal needs a third of the general form's operations."""


@register_kl(Normal, UnitNormal)
def _kl_normal_unit(q: Normal, p: UnitNormal) -> Tensor:
    return 0.5 * (q.loc.square() + q.scale.square() - 1) - q.scale.log()


@register("prior", "standard_normal")
class StandardNormal(Prior):
    """N(z; 0, I)."""

    zero: Tensor
    one: Tensor

    def __init__(self, latent: tuple[int, ...]) -> None:
        """Make the prior.

        Args:
            latent: shape of one latent.
        """
        super().__init__(latent)
        self.register_buffer("zero", torch.zeros(latent), persistent=False)
        self.register_buffer("one", torch.ones(latent), persistent=False)

    def forward(self, c: Tensor | None = None) -> Distribution:
        """Give N(0, I), independent over the latent's dimensions."""
        unit = UnitNormal(self.zero, self.one, validate_args=False)
        return Independent(unit, len(self.latent), validate_args=False)
