"""Densities whose scale or tails are free: the Gaussian with a sigma for each entry, and Student's t."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.distributions as D
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.distributions.utils import broadcast_all

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.probability.discrete import widened
from latentia.probability.likelihoods import Likelihood, Several, positive

LARGEST = 1e3
"""Upper limit on a scale that the decoder gives."""


def bounded_exp(log_scale: Tensor, smallest: float) -> Tensor:
    """Take a scale from its logarithm, within limits.

    Args:
        log_scale: its logarithm.
        smallest: lower limit on the scale; without one, a perfect fit has infinite density.

    Returns:
        The scale, same shape.
    """
    return F.hardtanh(log_scale, math.log(smallest), math.log(LARGEST)).exp()


@register("likelihood", "gaussian_diagonal")
class GaussianDiagonal(Several):
    """N(x; mu(z), sigma(z)^2): the decoder gives mu and log sigma^2 of each entry.

    References:
        Diederik Kingma, Max Welling, "Auto-Encoding Variational Bayes", 2013.
        Pierre-Alexandre Mattei, Jes Frellsen, "Leveraging the Exact Likelihood of Deep Latent Variable
        Models", 2018 (why sigma needs a lower limit).
    """

    sharp: ClassVar[bool] = True
    numbers: int = 2

    def __init__(self, smallest: float = 1e-3) -> None:
        """Set the limit.

        Args:
            smallest: lower limit on sigma, in the units of the transformed data.
        """
        super().__init__()
        self.smallest = positive(smallest, "likelihood.smallest")

    def pixels(self, h: Tensor) -> Distribution:
        """Give N(mu, sigma^2) from `h`, shape `(*batch, *event, 2)`."""
        mean, log_variance = h.unbind(dim=-1)
        return D.Normal(mean, bounded_exp(0.5 * log_variance, self.smallest), validate_args=False)

    def output_for(self, mean: Tensor) -> Tensor:
        """Give mu, and sigma = 1; see `Likelihood`."""
        return self.beside(mean, torch.zeros_like(mean))


class HeavyTailed(D.StudentT):
    """Student's t with one number of degrees of freedom, whose constant is taken in float64.

    It is a difference of two logarithms of the gamma function, which float32 loses where they are large.
    """

    def __init__(self, df: Tensor, loc: Tensor, scale: Tensor) -> None:
        """Place it.

        Args:
            df: degrees of freedom nu, a scalar.
            loc: location mu.
            scale: scale s, broadcastable against the location.
        """
        # Not torch's constructor: its chi-squared distribution looks at the values, which no graph can hold.
        self.df, self.loc, self.scale = broadcast_all(df.to(loc.dtype), loc, scale)
        self._chi2 = D.Chi2(self.df, validate_args=False)
        Distribution.__init__(self, self.loc.shape, validate_args=False)
        self._nu = df

    @property
    def mean(self) -> Tensor:
        """The location: there are more than one degree of freedom."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """s^2 nu / (nu - 2), infinite for two degrees of freedom or fewer."""
        spread = self.scale**2 * self.df / (self.df - 2)
        return torch.where(self.df > 2, spread, torch.inf)

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log p(value) of each entry, in nats."""
        nu = widened(self._nu)
        constant = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - 0.5 * torch.log(math.pi * nu)
        z = (value - self.loc) / self.scale
        return (
            constant.to(self.loc.dtype) - self.scale.log() - 0.5 * (self.df + 1) * torch.log1p(z**2 / self.df)
        )


def _log_excess(df: float) -> Tensor:
    if df <= 1:
        raise ConfigError(f"'likelihood.df' must be greater than 1, where the mean exists, not {df}")
    return torch.tensor(df - 1.0).log()


class _StudentT(Likelihood):
    """What both have in common: the degrees of freedom, as log(nu - 1)."""

    log_excess: Tensor

    def _set_df(self, df: float, learn_df: bool) -> None:
        start = _log_excess(df)
        if learn_df:
            self.log_excess = nn.Parameter(start)
        else:
            self.register_buffer("log_excess", start)

    @property
    def df(self) -> Tensor:
        """Degrees of freedom nu, more than 1, so that the mean exists."""
        return 1 + widened(self.log_excess).exp()


@register("likelihood", "student_t")
class StudentT(_StudentT):
    """t_nu(x; mu(z), s), heavy-tailed: an outlier costs the logarithm of its distance, not the square.

    One scale s is learned by gradient, as log s.

    References:
        Kenneth Lange, Roderick Little, Jeremy Taylor, "Robust Statistical Modeling Using the t
        Distribution", 1989.
    """

    def __init__(self, df: float = 5.0, learn_df: bool = False, initial_scale: float = 0.3) -> None:
        """Set the tails.

        Args:
            df: degrees of freedom nu, greater than 1; fewer make heavier tails.
            learn_df: learn nu by gradient, from `df` on.
            initial_scale: the scale before training, in the units of the transformed data.
        """
        super().__init__()
        self._set_df(df, learn_df)
        self.log_scale = nn.Parameter(torch.tensor(positive(initial_scale, "likelihood.initial_scale")).log())

    def pixels(self, h: Tensor) -> Distribution:
        """Give t_nu(mu, s) from mu."""
        return HeavyTailed(self.df, h, self.log_scale.exp())

    def output_for(self, mean: Tensor) -> Tensor:
        """Give mu; see `Likelihood`."""
        return mean


@register("likelihood", "student_t_diagonal")
class StudentTDiagonal(_StudentT, Several):
    """t_nu(x; mu(z), s(z)): the decoder gives mu and log s of each entry.

    References:
        Hiroshi Takahashi et al., "Student-t Variational Autoencoder for Robust Density Estimation", 2018.
    """

    sharp: ClassVar[bool] = True
    numbers: int = 2

    def __init__(self, df: float = 5.0, learn_df: bool = False, smallest: float = 1e-3) -> None:
        """Set the tails and the limit.

        Args:
            df: degrees of freedom nu, greater than 1; fewer make heavier tails.
            learn_df: learn nu by gradient, from `df` on.
            smallest: lower limit on s, in the units of the transformed data.
        """
        super().__init__()
        self._set_df(df, learn_df)
        self.smallest = positive(smallest, "likelihood.smallest")

    def pixels(self, h: Tensor) -> Distribution:
        """Give t_nu(mu, s) from `h`, shape `(*batch, *event, 2)`."""
        mean, log_scale = h.unbind(dim=-1)
        return HeavyTailed(self.df, mean, bounded_exp(log_scale, self.smallest))

    def output_for(self, mean: Tensor) -> Tensor:
        """Give mu, and s = 1; see `Likelihood`."""
        return self.beside(mean, torch.zeros_like(mean))
