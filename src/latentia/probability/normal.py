"""The normal distribution in two forms that cost less than torch's own: of one shape, and N(0, 1)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, Normal, register_kl


class PlainNormal(Normal):
    """N(loc, scale^2), with both given in one shape.

    Beside large products, which leave the caches cold, what an operation on a few numbers takes is felt, and
    torch's own class takes several more to bring its parameters to one shape, and to draw.
    """

    def __init__(
        self, loc: Tensor, scale: Tensor, validate_args: bool = False, *, log_scale: Tensor | None = None
    ) -> None:
        """Take both as they are.

        Args:
            loc: means.
            scale: standard deviations, same shape.
            validate_args: whether values are checked against the support.
            log_scale: logarithms of the standard deviations, where they are known.
        """
        self.loc, self.scale, self.log_scale = loc, scale, log_scale
        Distribution.__init__(self, loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> PlainNormal:
        """Give the same distribution in a larger batch shape; see `torch.distributions.Distribution`."""
        log_scale = None if self.log_scale is None else self.log_scale.expand(batch_shape)
        return PlainNormal(self.loc.expand(batch_shape), self.scale.expand(batch_shape), log_scale=log_scale)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008 - immutable
        """Give loc + noise * scale, with a gradient to both; see `torch.distributions.Distribution`."""
        shape = self._extended_shape(sample_shape)
        noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return torch.addcmul(self.loc, noise, self.scale)


class UnitNormal(Normal):
    """N(0, 1), known to be so: its KL from a normal needs a third of the general form's operations."""


@register_kl(Normal, UnitNormal)
def _kl_normal_unit(q: Normal, p: UnitNormal) -> Tensor:
    known = q.log_scale if isinstance(q, PlainNormal) else None
    log_scale = q.scale.log() if known is None else known
    return 0.5 * (q.loc.square().addcmul(q.scale, q.scale) - 1) - log_scale
