r"""From noise to examples and back, along the levels of a diffusion.

A field says of z at a level what example and what noise it is made of. With y = z / (alpha + sigma) and tau =
sigma / (alpha + sigma) its probability flow is dy/dtau = eps - x; a step of Euler's method there is a step of
DDIM, which is why there is one function for both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from latentia.core.errors import ConfigError

Solver = Literal["ddim", "heun", "dpm", "ancestral"]
SOLVERS: tuple[Solver, ...] = ("ddim", "heun", "dpm", "ancestral")
Field = Callable[[Tensor, float], tuple[Tensor, Tensor]]
"""z and t to x and eps, each of the shape of z."""
Amounts = Callable[[float], tuple[float, float]]
"""t to alpha and sigma."""


@dataclass(frozen=True)
class Walk:
    """How to walk from noise to an example.

    Attributes:
        steps: how many steps; `heun` looks twice at each but the last.
        solver: `ddim` (Euler's method along the flow), `heun` (second order), `dpm` (second order from the
            step before, DPM-Solver++), or `ancestral`, which draws new noise in each step.
        guidance: w in eps(z) + w (eps(z, c) - eps(z)): 1 is the condition's own, 0 forgets it.
    """

    steps: int = 50
    solver: Solver = "dpm"
    guidance: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"'steps' must be at least 1, not {self.steps}")
        if self.solver not in SOLVERS:
            raise ConfigError(f"'solver' is '{self.solver}'; known: {', '.join(SOLVERS)}")
        if not 0 <= self.guidance < float("inf"):
            raise ConfigError(f"'guidance' must not be negative, not {self.guidance}")


def times(steps: int) -> list[float]:
    """Give the noise levels of a walk, from 1 to 0, `steps + 1` of them."""
    return [1 - k / steps for k in range(steps)] + [0.0]


def walked(field: Field, amounts: Amounts, z: Tensor, walk: Walk) -> Iterator[tuple[Tensor, Tensor]]:
    """Walk from noise to examples.

    Args:
        field: says what z is made of.
        amounts: says how much of each is at a level.
        z: noise of deviation 1, shape `(N, *event)`.
        walk: how.

    Yields:
        After each step z, and the examples that the field made of what it saw before it, both `(N, *event)`;
        the last z are the examples.

    References:
        Jiaming Song, Chenlin Meng, Stefano Ermon, "Denoising Diffusion Implicit Models", 2021.
        Tero Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models", 2022 (Heun).
        Cheng Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models",
        2022.
    """
    known: tuple[Tensor, float] | None = None  # what dpm saw in the step before, and how far that was
    for now, then in itertools.pairwise(times(walk.steps)):
        (alpha, sigma), (alpha1, sigma1) = amounts(now), amounts(then) if then else (1.0, 0.0)
        x, eps = field(z, now)
        if not then:
            z = x
        elif walk.solver == "ancestral":
            fresh = sigma1 / sigma * (1 - (alpha / alpha1) ** 2) ** 0.5
            z = alpha1 * x + (sigma1**2 - fresh**2) ** 0.5 * eps + fresh * torch.randn_like(z)
        elif walk.solver == "heun":
            ahead, noise = field(alpha1 * x + sigma1 * eps, then)
            tau, tau1 = sigma / (alpha + sigma), sigma1 / (alpha1 + sigma1)
            slope = 0.5 * (eps - x + noise - ahead)
            z = (z / (alpha + sigma) + (tau1 - tau) * slope) * (alpha1 + sigma1)
        elif walk.solver == "dpm":
            step = _half(alpha1, sigma1) - _half(alpha, sigma)
            seen = x if known is None else x + (x - known[0]) * (step / (2 * known[1]))
            ratio = sigma1 / sigma
            z = ratio * z + (alpha1 - alpha * ratio) * seen
            known = x, step
        else:
            z = alpha1 * x + sigma1 * eps
        yield z, x


def _half(alpha: float, sigma: float) -> float:
    """Give half of the log signal-to-noise ratio."""
    return float(torch.log(torch.tensor(alpha / sigma, dtype=torch.float64)))


def inverted(field: Field, amounts: Amounts, x: Tensor, steps: int) -> Tensor:
    """Walk along the flow from examples to the noise that they come from, by Heun's method.

    Args:
        field: says what z is made of.
        amounts: says how much of each is at a level.
        x: shape `(N, *event)`.
        steps: how many steps.

    Returns:
        Noise, shape of `x`.
    """
    y = x / _total(amounts, 0.0)
    for then, now in itertools.pairwise(times(steps)[::-1]):
        y = _heun(lambda y, t: _velocity(field, amounts, y, t), amounts, y, then, now)
    return y * _total(amounts, 1.0)


def flow_log_prob(field: Field, amounts: Amounts, x: Tensor, steps: int) -> Tensor:
    r"""Give the log density under the flow: log p(y_0) = log p(y_1) + int div(dy/dtau) dtau.

    The divergence is exact: a derivative for each of the D numbers of an example.

    Args:
        field: says what z is made of, differentiably.
        amounts: says how much of each is at a level.
        x: shape `(N, *event)`.
        steps: how many steps.

    Returns:
        In nats, shape `(N,)`.

    References:
        Yang Song et al., "Score-Based Generative Modeling through Stochastic Differential Equations", 2021.
    """
    size = x[0].numel()

    def slopes(state: Tensor, t: float) -> Tensor:
        y = state[:, :size].view_as(x).detach().requires_grad_()
        with torch.enable_grad():
            velocity = _velocity(field, amounts, y, t).flatten(1)
            divergence = torch.zeros_like(velocity[:, 0])
            for k in range(size):
                (slope,) = torch.autograd.grad(velocity[:, k].sum(), y, retain_graph=k + 1 < size)
                divergence = divergence + slope.flatten(1)[:, k]
        return torch.cat([velocity, divergence[:, None]], dim=1).detach()

    first, last = _total(amounts, 0.0), _total(amounts, 1.0)
    state = torch.cat([x.flatten(1) / first, x.new_zeros(len(x), 1)], dim=1)
    for then, now in itertools.pairwise(times(steps)[::-1]):
        state = _heun(slopes, amounts, state, then, now)
    z, gained = state[:, :size] * last, state[:, size]
    base = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(dim=1)
    change = size * torch.log(torch.tensor(last / first, dtype=torch.float64)).to(base)
    return base + change + gained


def _total(amounts: Amounts, t: float) -> float:
    return sum(amounts(t))


def _tau(amounts: Amounts, t: float) -> float:
    alpha, sigma = amounts(t)
    return sigma / (alpha + sigma)


def _velocity(field: Field, amounts: Amounts, y: Tensor, t: float) -> Tensor:
    """Give dy/dtau."""
    x, eps = field(y * _total(amounts, t), t)
    return eps - x


def _heun(
    slope: Callable[[Tensor, float], Tensor], amounts: Amounts, y: Tensor, now: float, then: float
) -> Tensor:
    """Take a step of Heun's method from one level to another."""
    step = _tau(amounts, then) - _tau(amounts, now)
    first = slope(y, now)
    return y + 0.5 * step * (first + slope(y + step * first, then))
