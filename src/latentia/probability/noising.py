r"""The forward process of diffusion: how much of an example is left at each noise level.

z_t = alpha x + sigma eps with eps ~ N(0, I) and alpha^2 + sigma^2 = 1. A level is known by its log ratio of
signal to noise, lambda = log(alpha^2 / sigma^2), so alpha^2 = sigmoid(lambda): what the field calls abar. A
schedule says which lambda belongs to t in [0, 1]; a target says what a network is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from latentia.core.errors import ConfigError

ScheduleName = Literal["cosine", "linear", "flow"]
Target = Literal["v", "eps", "x", "flow"]
BETAS = 0.1, 20.0
"""Rates of noise at both ends of the linear schedule: 1000 steps of 1e-4 to 0.02."""


def _linear(u: Tensor) -> Tensor:
    first, last = BETAS
    return -torch.log(torch.expm1(first * u + 0.5 * (last - first) * u.square()))


def _linear_slope(u: Tensor) -> Tensor:
    first, last = BETAS
    lost = first * u + 0.5 * (last - first) * u.square()
    return (first + (last - first) * u) / torch.expm1(-lost)


def _linear_time(level: Tensor) -> Tensor:
    first, last = BETAS
    lost = torch.nn.functional.softplus(-level)  # -log alpha^2
    # The root of a quadratic, in the form that does not cancel where little is lost.
    return 2 * lost / (first + torch.sqrt(first**2 + 2 * (last - first) * lost))


@dataclass(frozen=True)
class _Curve:
    """lambda(u), its slope and its inverse."""

    level: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    time: Callable[[Tensor], Tensor]


CURVES = {
    "cosine": _Curve(
        lambda u: -2 * torch.log(torch.tan(0.5 * math.pi * u)),
        lambda u: -2 * math.pi / torch.sin(math.pi * u),
        lambda level: torch.atan(torch.exp(-0.5 * level)) * (2 / math.pi),
    ),
    "linear": _Curve(_linear, _linear_slope, _linear_time),
    "flow": _Curve(
        lambda u: 2 * torch.log((1 - u) / u),
        lambda u: -2 / (u * (1 - u)),
        lambda level: torch.sigmoid(-0.5 * level),
    ),
}


@dataclass(frozen=True)
class Schedule:
    r"""lambda as a function of t: from `highest` at t = 0 down to `lowest` at t = 1.

    `cosine` is lambda = -2 log tan(pi t / 2), `linear` the DDPM's rate of noise that grows with t, `flow` the
    straight path (1 - t) x + t eps, whose ratio is (1 - t) / t; each over the stretch of t between the two
    ends. `shift` s moves every lambda by -2 log s: more noise for s > 1, as larger pictures need.

    References:
        Jonathan Ho, Ajay Jain, Pieter Abbeel, "Denoising Diffusion Probabilistic Models", 2020 (linear).
        Alex Nichol, Prafulla Dhariwal, "Improved Denoising Diffusion Probabilistic Models", 2021 (cosine).
        Yaron Lipman et al., "Flow Matching for Generative Modeling", 2023 (flow).
        Emiel Hoogeboom, Jonathan Heek, Tim Salimans, "Simple Diffusion", 2023 (shift).
        Diederik Kingma, Ruiqi Gao, "Understanding Diffusion Objectives as the ELBO with Simple Data
        Augmentation", 2023 (all of them as functions lambda(t)).

    Attributes:
        name: which of them.
        shift: s.
        highest: lambda at t = 0.
        lowest: lambda at t = 1.
    """

    name: ScheduleName = "cosine"
    shift: float = 1.0
    highest: float = 12.0
    lowest: float = -10.0

    def __post_init__(self) -> None:
        if self.shift <= 0:
            raise ConfigError(f"'shift' must be positive, not {self.shift}")
        if not self.lowest < self.highest:
            raise ConfigError(f"'highest' must be above 'lowest', not {self.highest} and {self.lowest}")

    @property
    def _ends(self) -> tuple[float, float]:
        """The stretch of the curve's own time that is used."""
        ends = torch.tensor([self.highest, self.lowest], dtype=torch.float64) + 2 * math.log(self.shift)
        first, last = CURVES[self.name].time(ends).tolist()
        return first, last

    def level(self, t: Tensor) -> Tensor:
        """Give lambda(t), same shape."""
        first, last = self._ends
        return CURVES[self.name].level(first + (last - first) * t) - 2 * math.log(self.shift)

    def slope(self, t: Tensor) -> Tensor:
        """Give d lambda / dt, same shape, negative."""
        first, last = self._ends
        return (last - first) * CURVES[self.name].slope(first + (last - first) * t)

    def time(self, level: Tensor) -> Tensor:
        """Give t for lambda, same shape: the inverse of `level`."""
        first, last = self._ends
        return (CURVES[self.name].time(level + 2 * math.log(self.shift)) - first) / (last - first)


def amounts(level: Tensor) -> tuple[Tensor, Tensor]:
    """Give what is left of an example, and how much noise there is.

    Args:
        level: lambda, any shape.

    Returns:
        alpha and sigma, same shape.
    """
    return torch.sigmoid(level).sqrt(), torch.sigmoid(-level).sqrt()


def noised(x: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """Draw from q(z_t | x) = N(alpha x, sigma^2 I), by reparametrisation.

    Args:
        x: shape `(N, *event)`.
        noise: standard normal, same shape.
        level: lambda, shape `(N,)`.

    Returns:
        z_t, shape of `x`.
    """
    alpha, sigma = amounts(beside(level, x))
    return alpha * x + sigma * noise


def beside(level: Tensor, x: Tensor) -> Tensor:
    """Give `(N,)` numbers the shape `(N, 1, ...)` in which they multiply `(N, *event)`."""
    return level.reshape(-1, *[1] * (x.dim() - 1))


def target_of(target: Target, level: Tensor) -> tuple[Tensor | float, Tensor | float]:
    """Give p and q of what a network is asked for, p x + q eps.

    Args:
        target: `eps` the noise, `x` the example, `v` the velocity alpha eps - sigma x of the angle between
            the two, `flow` the velocity eps - x of the straight path.
        level: lambda, any shape.

    Returns:
        Both, numbers or tensors of that shape.
    """
    alpha, sigma = amounts(level)
    known = {"eps": (0.0, 1.0), "x": (1.0, 0.0), "v": (-sigma, alpha), "flow": (-1.0, 1.0)}
    return known[target]


def split(target: Target, out: Tensor, z: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Take z apart into the example and the noise that an output means: one affine map for each target.

    Args:
        target: what the network was asked for.
        out: what it gave, shape `(N, *event)`.
        z: what it saw, same shape.
        level: lambda, shape `(N,)`.

    Returns:
        x and eps with alpha x + sigma eps = z and p x + q eps = out.
    """
    level = beside(level, z)
    alpha, sigma = amounts(level)
    p, q = target_of(target, level)
    size = alpha * q - sigma * p
    return (q * z - sigma * out) / size, (alpha * out - p * z) / size
