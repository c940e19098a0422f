r"""Diffusion as a density: a lower bound on log p(x), draws, and what noise an example comes from.

The bound of continuous time is an integral over noise levels of how well the noise was told. For the network
that knows nothing but that x ~ N(0, I) it has a closed form, and is exact; what another network adds is

    log p(x) >= log N(x; 0, I) + 1/2 int alpha^2 E[|v|^2 - |v - v'|^2] dlambda,     v = alpha eps - sigma x,

with v' what it tells of v, which N(0, I) leaves at 0. So there is no term of reconstruction and none at the
ends: beyond the levels that the network has learned, the process is that of N(0, I). A network that begins by
giving zeros begins as the standard normal prior. One level and one noise give an unbiased estimate, of small
variance, because what is common to both networks has been taken out of it.

References:
    Jascha Sohl-Dickstein et al., "Deep Unsupervised Learning using Nonequilibrium Thermodynamics", 2015.
    Jonathan Ho, Ajay Jain, Pieter Abbeel, "Denoising Diffusion Probabilistic Models", 2020.
    Diederik Kingma, Tim Salimans, Ben Poole, Jonathan Ho, "Variational Diffusion Models", 2021.
    Arash Vahdat, Karsten Kreis, Jan Kautz, "Score-based Generative Modeling in Latent Space", 2021.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from latentia.probability.noising import (
    Schedule,
    Target,
    amounts,
    beside,
    noised,
    split,
    target_of,
)
from latentia.probability.solvers import Field, Walk, flow_log_prob, inverted, walked


class Diffusion(nn.Module):
    """A denoiser, the levels that it knows, and what follows from both."""

    def __init__(
        self,
        denoiser: nn.Module,
        shape: tuple[int, ...],
        schedule: Schedule,
        target: Target,
        condition: int = 0,
        dropped: bool = True,
    ) -> None:
        """Bring the parts together.

        Args:
            denoiser: maps z `(N, *shape)`, t `(N,)` and c `(N, C)` or None to `(N, *shape)`.
            shape: of one example.
            schedule: lambda(t).
            target: what the denoiser is asked for.
            condition: how many numbers c has; 0 for none.
            dropped: whether conditions were hidden in training, so that p(z) is known as well.
        """
        super().__init__()
        self.denoiser = denoiser
        self.shape = tuple(shape)
        self.schedule = schedule
        self.target: Target = target
        self.condition = condition
        self.dropped = dropped

    def _told(self, z: Tensor, level: Tensor, t: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Run the denoiser; give its output, and what x and what eps it means."""
        out = self.denoiser(z, t, c if self.condition else None).float()
        return out, *split(self.target, out, z, level)

    def gained(self, x: Tensor, c: Tensor | None, t: Tensor, density: Tensor) -> tuple[Tensor, Tensor]:
        r"""Estimate the bound at one level for each example, and score the target there.

        Args:
            x: examples, shape `(N, *shape)`.
            c: conditions, shape `(N, C)`, or None.
            t: a level for each, shape `(N,)`.
            density: of the distribution over lambda that the levels were drawn from, shape `(N,)` or `()`.

        Returns:
            log N(x; 0, I) + alpha^2 (|v|^2 - |v - v'|^2) / (2 density), in nats, and the squared error of the
            target, both shape `(N,)`.
        """
        level = self.schedule.level(t)
        noise = torch.randn_like(x)
        z = noised(x, noise, level)
        out, told, eps = self._told(z, level, t, c)
        wide = beside(level, x)
        alpha, sigma = amounts(wide)
        v, known = alpha * noise - sigma * x, alpha * eps - sigma * told
        # |v|^2 - |v - v'|^2, without the difference of two large numbers.
        gain = (known * (2 * v - known)).flatten(1).sum(dim=1)
        p, q = target_of(self.target, wide)
        error = (out - p * x - q * noise).square().flatten(1).sum(dim=1)
        base = -0.5 * (x.square() + math.log(2 * math.pi)).flatten(1).sum(dim=1)
        return base + 0.5 * torch.sigmoid(level) * gain / density, error

    def bound(self, x: Tensor, c: Tensor | None, levels: int) -> Tensor:
        """Estimate the bound from levels spread evenly over lambda, with noise from torch's generator.

        Args:
            x: examples, shape `(N, *shape)`.
            c: conditions, shape `(N, C)`, or None.
            levels: how many, one in each of as many equal parts.

        Returns:
            In nats, shape `(N,)`: its expectation is a lower bound on log p(x).
        """
        schedule = self.schedule
        reach = schedule.highest - schedule.lowest
        part = torch.rand(levels, len(x), device=x.device) + torch.arange(levels, device=x.device)[:, None]
        t = schedule.time(schedule.lowest + reach * part / levels)
        found = [self.gained(x, c, each, x.new_tensor(1 / reach))[0] for each in t]
        return found[0] if levels == 1 else torch.stack(found).mean(dim=0)

    def scored(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """Estimate the bound and score the target at one level, drawn evenly over the schedule's t.

        Args:
            x: examples, shape `(N, *shape)`.
            c: conditions, shape `(N, C)`, or None.

        Returns:
            The bound in nats, and the squared error, both shape `(N,)`.
        """
        t = torch.rand(len(x), device=x.device)
        return self.gained(x, c, t, -1 / self.schedule.slope(t))

    def field(self, c: Tensor | None = None, guidance: float = 1.0) -> Field:
        """Say of z at a level what it is made of, for those who walk.

        Args:
            c: conditions, shape `(N, C)`; None where there is none, or none is known.
            guidance: see `Walk`.

        Returns:
            The function.
        """
        told = c if self.condition else None

        def field(z: Tensor, t: float) -> tuple[Tensor, Tensor]:
            at = z.new_full((len(z),), t)
            level = self.schedule.level(at)
            if told is None or guidance == 1.0:
                return self._told(z, level, at, told)[1:]
            unknown = torch.full_like(told, math.nan)
            double = (torch.cat([each, each]) for each in (z, level, at))
            _, x, eps = self._told(*double, torch.cat([told, unknown]))  # pyright: ignore[reportCallIssue]
            (own, free), (own_eps, free_eps) = x.chunk(2), eps.chunk(2)
            return free + guidance * (own - free), free_eps + guidance * (own_eps - free_eps)

        return field

    def amounts(self, t: float) -> tuple[float, float]:
        """Give alpha and sigma at a level."""
        alpha, sigma = amounts(self.schedule.level(torch.tensor(t, dtype=torch.float64)))
        return float(alpha), float(sigma)

    def path(self, noise: Tensor, c: Tensor | None, walk: Walk) -> Iterator[tuple[Tensor, Tensor]]:
        """Walk from noise to examples; see `walked`."""
        return walked(self.field(c, walk.guidance), self.amounts, noise, walk)

    @torch.no_grad()
    def made(self, noise: Tensor, c: Tensor | None, walk: Walk) -> Tensor:
        """Give the examples at the end of a walk.

        Args:
            noise: standard normal, shape `(N, *shape)`.
            c: conditions, shape `(N, C)`, or None.
            walk: how to go.

        Returns:
            Shape of `noise`.
        """
        for z, _ in self.path(noise, c, walk):
            noise = z
        return noise

    @torch.no_grad()
    def noise_of(self, x: Tensor, c: Tensor | None = None, steps: int = 50) -> Tensor:
        """Give the noise from which the flow leads to examples; see `inverted`."""
        return inverted(self.field(c), self.amounts, x, steps)

    def flow_log_prob(self, x: Tensor, c: Tensor | None = None, steps: int = 100) -> Tensor:
        """Give the log density under the flow, another density than the one that is bounded by `bound`.

        Args:
            x: examples, shape `(N, *shape)`.
            c: conditions, shape `(N, C)`, or None.
            steps: how many steps to the noise.

        Returns:
            In nats, shape `(N,)`.
        """
        return flow_log_prob(self.field(c), self.amounts, x, steps)
