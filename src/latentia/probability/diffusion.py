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

from latentia.probability.moving import Moving
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

PARTS = 22
"""Parts of lambda in each of which levels are as likely as any other."""
EVENLY = 0.1
"""Share of the levels that are drawn evenly."""
TOGETHER = 1 << 18
"""Numbers of examples that are denoised at all of their levels in one call."""
WINDOW = 50
"""Batches that a part's second moment looks back on."""


class Levels(nn.Module, Moving):
    r"""Where along lambda a bound is looked at: often where its integrand is large, anywhere now and then.

    The density is constant within each of 22 parts of lambda, c + (1 - c) sqrt(E[g^2]) up to a factor, with g
    the integrand and its second moment a running mean over training: what makes the variance of one draw the
    least, but for the share c = 0.1 that is spread evenly, so that no part is forgotten. Drawn evenly, one
    draw had a deviation of 38 nats about a gain of 17 on a VAE of MNIST; so, 16.

    References:
        Alex Nichol, Prafulla Dhariwal, "Improved Denoising Diffusion Probabilistic Models", 2021 (sampling of
        levels by importance).
    """

    energy: Tensor
    batches: Tensor

    def __init__(self, lowest: float, highest: float) -> None:
        """Begin without a preference.

        Args:
            lowest: the least lambda.
            highest: the greatest.
        """
        super().__init__()
        self.lowest, self.highest = lowest, highest
        self.register_buffer("energy", torch.ones(PARTS))
        self.register_buffer("batches", torch.zeros(PARTS))

    def draw(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Turn uniform numbers in [0, 1) into lambda, with the density at each; both of the same shape."""
        width = (self.highest - self.lowest) / PARTS
        wanted = (self.energy + 1e-6).sqrt()  # a network that gives zeros has no integrand anywhere
        share = EVENLY / PARTS + (1 - EVENLY) * wanted / wanted.sum()
        edges = share.cumsum(dim=0)
        part = torch.searchsorted(edges, u.contiguous()).clamp(max=PARTS - 1)
        within = (u - (edges - share)[part]) / share[part]
        return self.lowest + width * (part + within.clamp(0, 1)), share[part] / width

    @torch.no_grad()
    def observe(self, level: Tensor, integrand: Tensor) -> None:
        """Note the integrand of some examples, each at its lambda; both of shape `(N,)`."""
        part = ((level - self.lowest) * (PARTS / (self.highest - self.lowest))).long().clamp(0, PARTS - 1)
        sums = torch.zeros_like(self.energy)
        count = sums.index_add(0, part, torch.ones_like(integrand))
        self.see(sums.index_add(0, part, integrand.square()), count)

    @torch.no_grad()
    def move(self, *seen: Tensor) -> None:
        """Move the second moments of the parts that were seen; see `Moving`."""
        sums, count = seen
        self.batches += count > 0
        towards = (sums / count.clamp(min=1e-9) - self.energy) / self.batches.clamp(1, WINDOW)
        self.energy += torch.where(count > 0, towards, 0.0)


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
        self.levels = Levels(schedule.lowest, schedule.highest)
        self.target: Target = target
        self.condition = condition
        self.dropped = dropped

    def _told(self, z: Tensor, level: Tensor, t: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Run the denoiser; give its output, and what x and what eps it means."""
        out = self.denoiser(z, t, c if self.condition else None).to(z.dtype)
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
        integrand = 0.5 * torch.sigmoid(level) * gain
        if self.training:
            self.levels.observe(level, integrand.detach())
        return base + integrand / density, error

    def bound(self, x: Tensor, c: Tensor | None, levels: int) -> Tensor:
        """Estimate the bound from levels spread over lambda, with noise from torch's generator.

        Args:
            x: examples, shape `(N, *shape)`.
            c: conditions, shape `(N, C)`, or None.
            levels: how many, one in each of as many parts that are equally likely.

        Returns:
            In nats, shape `(N,)`: its expectation is a lower bound on log p(x).
        """
        part = torch.rand(levels, len(x), device=x.device) + torch.arange(levels, device=x.device)[:, None]
        level, density = self.levels.draw(part / levels)
        t = self.schedule.time(level)
        if levels * x.numel() <= TOGETHER:  # of small latents calls cost more than arithmetic
            every = x.repeat(levels, *[1] * (x.dim() - 1))
            told = None if c is None else c.repeat(levels, 1)
            found = self.gained(every, told, t.flatten(), density.flatten())[0].view(levels, -1)
        else:
            found = torch.stack([self.gained(x, c, *each)[0] for each in zip(t, density, strict=True)])
        return found.mean(dim=0)

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
