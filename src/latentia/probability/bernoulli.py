"""Likelihoods of values in [0, 1]: Bernoulli over 0 and 1, and the density of the continuous Bernoulli.

Asking for "bce" gives the likelihood whose negative logarithm the binary cross-entropy is.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.distributions as D
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, Independent

from latentia.core.registry import register
from latentia.probability.likelihoods import Likelihood, logits_of


class _LogitBernoulli(D.Bernoulli):
    """Takes logits as they are; see `PlainNormal` for why."""

    def __init__(self, logits: Tensor, validate_args: bool = False) -> None:
        self.logits = self._param = logits  # pyright: ignore[reportAttributeAccessIssue] - as torch does
        Distribution.__init__(self, logits.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> _LogitBernoulli:
        return _LogitBernoulli(self.logits.expand(batch_shape))


class _BernoulliEntries(Independent):
    """Independent Bernoulli entries whose log density is summed before it is negated.

    torch's own negates every entry first; over images that is a whole pass through memory, and
    another one in the backward pass.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        logits = self.base_dist.logits
        if not (torch.is_grad_enabled() and (logits.requires_grad or value.requires_grad)):
            return _bernoulli_sum(
                logits.flatten(len(self.batch_shape)), value.flatten(-len(self.event_shape))
            )
        losses = F.binary_cross_entropy_with_logits(logits, value.expand_as(logits), reduction="none")
        return -losses.flatten(start_dim=len(self.batch_shape)).sum(dim=-1)


FACTORS = 120
"""Factors of at least 1/2 whose product float32 holds: 2^-126 is a normal number, 2^-127 is none."""


def _bernoulli_sum(h: Tensor, x: Tensor) -> Tensor:
    r"""Sum x h - softplus(h) over the last dimension, without a gradient.

    x h - softplus(h) = ((2 x - 1) h - |h|) / 2 + log sigmoid(|h|), and the sum of the logarithms is taken as
    the logarithm of products: a likelihood of thousands of latents spends its time here, and a
    logarithm costs as much as ten multiplications. The first difference is taken entry by entry: sums of
    its two terms would cancel.
    """
    size = h.abs()
    total = size.addcmul(h, 2 * x - 1, value=-1).sum(dim=-1).mul_(-0.5)
    size.sigmoid_()
    entries = size.shape[-1]
    # Chunks that leave no rest make one loop of compiled code.
    chunk = next((n for n in range(FACTORS, FACTORS // 2, -1) if entries % n == 0), FACTORS)
    whole = entries // chunk * chunk
    if whole:
        total += size[..., :whole].unflatten(-1, (-1, chunk)).prod(dim=-1).log_().sum(dim=-1)
    if whole < entries:
        total += size[..., whole:].prod(dim=-1).log_()
    return total


@register("likelihood", "bernoulli")
class Bernoulli(Likelihood):
    """Bernoulli(x; sigmoid(h)), a probability on 0 and 1; values between give the cross-entropy."""

    support: ClassVar[tuple[float, float]] = (0.0, 1.0)
    discrete: ClassVar[bool] = True
    binary: ClassVar[bool] = True

    def forward(self, h: Tensor, event_dims: int) -> Distribution:
        """Give p(x|z); see `Likelihood`."""
        return _BernoulliEntries(self.pixels(h), event_dims, validate_args=False)

    def pixels(self, h: Tensor) -> Distribution:
        """Give the Bernoulli distribution with logits `h`."""
        return _LogitBernoulli(h)

    def output_for(self, mean: Tensor) -> Tensor:
        """Give the logits; see `Likelihood`."""
        return logits_of(mean)


class _ContinuousBernoulli(D.ContinuousBernoulli):
    """torch's distribution with moments that are exact to rounding.

    Its own are differences of large numbers near logit 0, and lose four digits there.
    """

    @property
    def mean(self) -> Tensor:
        """1/(1 - exp(-h)) - 1/h for logit h, and its series about 0."""
        h = self.logits
        near, size = self._near_and_size(h)
        half = 1 / -torch.expm1(-size) - 1 / size
        far = torch.where(h < 0, 1 - half, half)
        square = h * h
        series = h * (1 / 12 - square * (1 / 720 - square * (1 / 30240 - square / 1209600)))
        return torch.where(near, 0.5 + series, far)

    @property
    def variance(self) -> Tensor:
        """1/h^2 - exp(-h)/(1 - exp(-h))^2, and its series about 0."""
        h = self.logits
        near, size = self._near_and_size(h)
        far = 1 / size**2 - torch.exp(-size) / torch.expm1(-size) ** 2
        square = h * h
        series = 1 / 12 - square * (1 / 240 - square * (1 / 6048 - square / 172800))
        return torch.where(near, series, far)

    @staticmethod
    def _near_and_size(h: Tensor) -> tuple[Tensor, Tensor]:
        """Say where the series holds, and give |h|, or 1 where that is so, for a gradient without NaN."""
        near = h.abs() < 1
        return near, torch.where(near, torch.ones_like(h), h.abs())


@register("likelihood", "continuous_bernoulli")
class ContinuousBernoulli(Likelihood):
    """The Bernoulli form normalised on [0, 1], a density for grey values.

    References:
        Gabriel Loaiza-Ganem, John Cunningham, "The continuous Bernoulli: fixing a pervasive error
        in variational autoencoders", 2019.
    """

    support: ClassVar[tuple[float, float]] = (0.0, 1.0)
    REACH = 50.0
    """The largest logit that a fresh decoder begins at: a mean of 0.98."""

    def pixels(self, h: Tensor) -> Distribution:
        """Give the continuous Bernoulli distribution with logits `h`."""
        return _ContinuousBernoulli(logits=h, validate_args=False)

    def output_for(self, mean: Tensor) -> Tensor:
        """Give the logits, by bisection: the mean rises with the logit; see `Likelihood`."""
        low, high = torch.full_like(mean, -self.REACH), torch.full_like(mean, self.REACH)
        for _ in range(30):
            middle = 0.5 * (low + high)
            below = self.pixels(middle).mean < mean
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return 0.5 * (low + high)


@register("likelihood", "bce")
def bce() -> Bernoulli:
    """Build the Bernoulli whose -log p is the binary cross-entropy."""
    return Bernoulli()
