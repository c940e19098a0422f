"""Counts and names: negative binomials, and one of several categories of which some were never seen."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.distributions as D
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, constraints

from latentia.probability.discrete import picked, widened
from latentia.probability.observed import weighted

UNSEEN = 1e-4
"""The weight of the uniform distribution in one over categories, so that none is impossible."""


class NegativeBinomial(Distribution):
    r"""Counts of mean mu and variance mu + mu^2 / r; a share pi of them zeros for another reason, if given.

    P(k) = Gamma(k + r) / (k! Gamma(r)) (r / (r + mu))^r (mu / (r + mu))^k, and with inflation
    pi [k = 0] + (1 - pi) P(k). Logarithms of the gamma function are large and cancel, so they are in float64.
    What is no whole number from 0 on has no probability.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore

    def __init__(self, log_mean: Tensor, log_dispersion: Tensor, inflation: Tensor | None = None) -> None:
        """Set the moments.

        Args:
            log_mean: log mu.
            log_dispersion: log r, broadcastable.
            inflation: logits of pi, shape of `log_mean`; None for none.
        """
        self.log_mean, self.log_dispersion, self.inflation = log_mean, log_dispersion, inflation
        super().__init__(log_mean.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log P of each count, in nats."""
        k = widened(value.clamp(min=0))
        log_mu, log_r = widened(self.log_mean), widened(self.log_dispersion)
        r, total = log_r.exp(), torch.logaddexp(log_mu, log_r)
        log_p = (k + r).lgamma() - r.lgamma() - (k + 1).lgamma() + r * (log_r - total) + k * (log_mu - total)
        log_p = log_p.to(self.log_mean.dtype)
        if self.inflation is not None:
            other = F.logsigmoid(-self.inflation) + log_p
            log_p = torch.where(value == 0, torch.logaddexp(F.logsigmoid(self.inflation), other), other)
        return log_p.masked_fill((value < 0) | (value != value.round()), -math.inf)

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw a rate from a gamma distribution, and the count of a Poisson distribution of that rate."""
        with torch.no_grad():
            r = self.log_dispersion.exp().expand(self.log_mean.shape)
            rate = D.Gamma(r, (self.log_dispersion - self.log_mean).exp(), validate_args=False)
            count = torch.poisson(rate.sample(torch.Size(sample_shape)))
            if self.inflation is None:
                return count
            return count * (torch.rand_like(count) >= self.inflation.sigmoid())

    @property
    def mean(self) -> Tensor:
        """(1 - pi) mu."""
        mean = self.log_mean.exp()
        return mean if self.inflation is None else mean * (-self.inflation).sigmoid()

    @property
    def variance(self) -> Tensor:
        """(1 - pi) (mu + mu^2 / r + pi mu^2)."""
        mu = self.log_mean.exp()
        spread = mu + mu.square() / self.log_dispersion.exp()
        if self.inflation is None:
            return spread
        share = self.inflation.sigmoid()
        return (1 - share) * (spread + share * mu.square())


class Names(Distribution):
    """One of the codes 0..K-1, or K for another value, for each of several columns.

    A small share is uniform over all of them, so that a code which training never saw has a probability. It
    is not drawn, and neither is another value that is `unseen`.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore

    def __init__(self, logits: Tensor, sizes: Tensor, unseen: Tensor) -> None:
        """Set the probabilities.

        Args:
            logits: shape `(*batch, n, M)`, minus infinity for codes that a column does not have.
            sizes: the categories of each column, K, shape `(n,)`.
            unseen: columns without other values in training, shape `(n,)`, bool.
        """
        self.logits, self.sizes, self.unseen = logits, sizes, unseen
        super().__init__(logits.shape[:-1], validate_args=False)

    @property
    def drawn(self) -> Tensor:
        """The logits of what is drawn."""
        codes = torch.arange(self.logits.shape[-1], device=self.logits.device)
        other = self.unseen[:, None] & (codes == self.sizes[:, None])
        return self.logits.masked_fill(other, -math.inf)

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log P of each code, in nats; what is no code is another value."""
        code = value.round().long()
        code = torch.where(code < 0, self.sizes, torch.minimum(code, self.sizes))
        found = picked(self.logits.log_softmax(dim=-1), code)
        share = math.log(UNSEEN) - (self.sizes + 1).log()
        return torch.logaddexp(found + math.log1p(-UNSEEN), share.to(found).expand_as(found))

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw codes: the largest of the logits with Gumbel noise is a draw."""
        with torch.no_grad():
            drawn = self.drawn
            noise = torch.empty((*sample_shape, *drawn.shape), dtype=drawn.dtype, device=drawn.device)
            return (drawn - noise.exponential_().log_()).argmax(dim=-1).to(drawn.dtype)

    @property
    def mean(self) -> Tensor:
        """The likeliest code: names have no mean."""
        return self.drawn.argmax(dim=-1).to(self.logits.dtype)

    @property
    def variance(self) -> Tensor:
        """The probability that the likeliest code is wrong."""
        return 1 - self.drawn.softmax(dim=-1).amax(dim=-1)

    def blended(self, weights: Tensor) -> Tensor:
        """Give the likeliest code of a mixture; see `latentia.probability.blended`."""
        found = weighted(self.drawn.softmax(dim=-1), weights)
        return found.argmax(dim=-1).to(self.logits.dtype)
