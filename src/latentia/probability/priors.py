"""Priors p(z)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from latentia.core.needs import CONDITION, CONTINUOUS, PRIOR_DENSITY, Words
from latentia.core.registry import register
from latentia.probability.normal import UnitNormal
from latentia.probability.precision import exact


class Prior(nn.Module):
    """Gives p(z), or p(z|c), with event shape `latent`.

    The batch shape is `()`, or `(B,)` for a prior that depends on the condition.
    """

    kind: ClassVar[str] = "prior"
    needs: ClassVar[Words] = frozenset({CONTINUOUS})
    """What the other parts of a run must give; see `latentia.core.needs`."""
    gives: ClassVar[Words] = frozenset({PRIOR_DENSITY})
    """What it gives to them."""

    def __init__(self, latent: tuple[int, ...]) -> None:
        """Remember the latent shape.

        Args:
            latent: shape of one latent.
        """
        super().__init__()
        self.latent = latent

    def forward(self, c: Tensor | None = None) -> Distribution:
        """Give p(z), or p(z|c).

        Args:
            c: conditions, shape `(B, C)`, which a prior that depends on none ignores.

        Returns:
            A distribution with event shape `latent` and batch shape `()`, or `(B,)` where it depends on c.
        """
        raise TypeError("a prior defines its own forward")

    def attach(self, encode: Callable[[Tensor], Distribution]) -> None:
        """Take the encoder of the model that this prior belongs to; called once, by the model.

        Args:
            encode: gives q(z|x) of examples `(B, *event)`. Whoever keeps it must not register it as a
                part: its weights are the model's.
        """

    def fit_scale(self, z: Tensor) -> None:
        """Take the scale of latents that are there before training starts; most priors learn it.

        Args:
            z: latents, shape `(N, *latent)`.

        Raises:
            ConfigError: if there is no density of such latents.
        """

    def begin(self, x: Tensor) -> None:
        """See some training examples once, before a run starts.

        Args:
            x: transformed examples in random order, shape `(N, *event)`.
        """

    def begin_at(self, latents: Callable[[], Tensor]) -> None:
        """See where latents of training examples are, before a run starts whose encoder is trained already.

        Args:
            latents: gives those of some training examples, shape `(N, *latent)`; it takes a while.
        """


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
        self._made = self._make()

    def _make(self) -> Independent:
        normal = UnitNormal(self.zero, self.one, validate_args=False)
        return Independent(normal, len(self.latent), validate_args=False)

    def forward(self, c: Tensor | None = None) -> Independent:
        """Give N(0, I), whatever the condition."""
        if self._made.base_dist.loc is not self.zero:  # the buffers have moved to another device
            self._made = self._make()
        return self._made  # always the same: to make it anew takes as long as a small layer


@register("prior", "conditional_normal")
class ConditionalNormal(Prior):
    """N(z; mu(c), diag(sigma(c)^2)) with an affine map of the condition; N(0, I) where c is not known.

    It starts as N(0, I) for every condition.

    References:
        Kihyuk Sohn, Honglak Lee, Xinchen Yan, "Learning Structured Output Representation using Deep
        Conditional Generative Models", 2015.
    """

    needs: ClassVar[Words] = Prior.needs | {CONDITION}
    LIMIT = 10.0
    """log sigma is held within plus and minus this."""

    def __init__(self, latent: tuple[int, ...], condition: int = 1) -> None:
        """Make the prior.

        Args:
            latent: shape of one latent.
            condition: how many numbers the condition has.
        """
        super().__init__(latent)
        self.parameters_of = nn.Linear(condition, 2 * math.prod(latent))
        nn.init.zeros_(self.parameters_of.weight)
        nn.init.zeros_(self.parameters_of.bias)

    def forward(self, c: Tensor | None = None) -> Distribution:
        """Give N(mu(c), sigma(c)^2) with batch shape `(B,)`, or N(0, I) for None."""
        if c is None:
            zero = self.parameters_of.weight.new_zeros(self.latent)
            return Independent(Normal(zero, zero + 1, validate_args=False), len(self.latent))
        unknown = c.isnan().any(dim=1, keepdim=True)
        with exact(c):
            given = self.parameters_of(c.nan_to_num())
        mean, log_scale = torch.where(unknown, 0.0, given).unflatten(1, (2, *self.latent)).unbind(1)
        scale = log_scale.clamp(-self.LIMIT, self.LIMIT).exp()
        return Independent(Normal(mean, scale, validate_args=False), len(self.latent), validate_args=False)
