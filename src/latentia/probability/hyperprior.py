"""A prior of rounded latents that reads what is coded first: side information, and slices of channels."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh
from torch.special import log_ndtr

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks import Network
from latentia.probability.posteriors import Posterior
from latentia.probability.rounded_priors import CellPrior, Logistics, flattened, log_mass, places_of

LOG_VARIANCES = (-8.0, 8.0)
"""Range of log sigma^2, in the latents' units squared."""
SHARE = 5
"""Of so many numbers at a place one is side information, where the network does not say."""
SLOPE = 2.5
"""The j-th of J slices ends at (j / J)^2.5 of all numbers."""
DRAWS = 2048
"""Draws of what is read, with a fixed seed, that moments are computed from."""


class Reader(nn.Module):
    """A small network that reads numbers of each place, and says mean and log variance of others there.

    Its layers are such as can be computed in whole numbers, so that files decode everywhere.
    """

    unit: Tensor

    def __init__(self, side: int, before: int, own: int, hidden: int, kernel: int) -> None:
        """Start with what it says independent of what it reads.

        Args:
            side: numbers of side information at a place.
            before: other numbers there that it reads.
            own: numbers that it speaks of.
            hidden: channels inside.
            kernel: places along each side that it reads at once.
        """
        super().__init__()
        self.side, self.before, self.own = side, before, own
        read = side + 2 * before
        self.register_buffer("unit", torch.ones(read))
        self.body = nn.Sequential(
            nn.Conv2d(read, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2),
            nn.ReLU(),
            nn.Conv2d(hidden, 2 * own, 1),
        )
        last: Any = self.body[-1]
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.zero_()

    @torch.no_grad()
    def begin(self, z: Tensor, noise: float) -> None:
        """Begin at moments, of the latent's numbers `(N, C)`: what is read becomes about as large as 1."""
        first = self.side + self.before
        spread = (z.var(dim=0, correction=0) + noise**2 / 12).sqrt()
        self.unit.copy_(torch.cat([spread[:first], spread[self.side : first]]).clamp(min=1e-3))
        rest, last = z[:, first : first + self.own], self.body[-1]
        last.bias[: self.own] = rest.mean(dim=0)  # pyright: ignore
        last.bias[self.own :] = rest.var(dim=0, correction=0).clamp(min=1e-3).log()  # pyright: ignore

    def seen(self, z: Tensor) -> Tensor:
        """Give what is read of latents `(N, C, H, W)`: numbers, and how large they are."""
        known = z[:, : self.side + self.before]
        return torch.cat([known, known[:, self.side :].abs()], dim=1)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Give mean and standard deviation, each `(N, own, H, W)`, given latents `(N, C, H, W)`."""
        mean, log_variance = self.body(self.seen(z) / self.unit.view(-1, 1, 1)).chunk(2, dim=1)
        return mean, (0.5 * hardtanh(log_variance, *LOG_VARIANCES)).exp()

    def plain(self) -> nn.Sequential:
        """Give the network from what `seen` gives to mean and log variance, as layers alone."""
        body = copy.deepcopy(self.body)
        body[0].weight.data.div_(self.unit.view(-1, 1, 1))  # pyright: ignore
        return body


@register("prior", "hyperprior")
class Hyperprior(CellPrior):
    r"""Side information w, and the other numbers y in slices: p(w) prod_j p(y_j | w, y_1 .. y_{j-1}).

    The first channels of the latent are side information, as many as the network says or one in five, each
    with a mixture of logistics. The others fall into slices, the first ones the smallest: where a linear code
    begins in the order of its variances, what is coarse comes before what is fine. A small network for each
    slice reads w and the slices before it, on the latent's grid, and says the mean and the variance of the
    slice's numbers: y_j ~ N(mu, sigma^2).

    References:
        Johannes Ballé et al., "Variational Image Compression with a Scale Hyperprior", 2018.
        David Minnen, Johannes Ballé, George Toderici, "Joint Autoregressive and Hierarchical Priors for
        Learned Image Compression", 2018 (means beside the scales).
        David Minnen, Saurabh Singh, "Channel-wise Autoregressive Entropy Models for Learned Image
        Compression", 2020 (slices).
    """

    def __init__(
        self,
        latent: tuple[int, ...],
        posterior: Posterior | None = None,
        network: Network | None = None,
        components: int = 3,
        hidden: int = 64,
        slices: int = 8,
    ) -> None:
        """Start with all numbers independent.

        Args:
            latent: shape of one latent, a vector or a grid of them.
            posterior: the model's, whose step is that of the cells; 1 where it has none.
            network: the model's, which says how many channels are side information, if it knows.
            components: logistics of each channel of w.
            hidden: channels inside of each network.
            slices: of y, at the most; with 1 its numbers are independent given w.
        """
        super().__init__(latent, posterior)
        if len(latent) not in (1, 3):
            shape = "x".join(map(str, latent))
            raise ConfigError(
                f"prior 'hyperprior' needs latents on a grid of two sides, or vectors, not {shape}; use "
                "prior.name=factorised"
            )
        for name, value in (("components", components), ("hidden", hidden), ("slices", slices)):
            if value < 1:
                raise ConfigError(f"'prior.{name}' must be at least 1, not {value}")
        self.side = min(latent[0], getattr(network, "side", max(1, latent[0] // SHARE)))
        self.logistics = Logistics(self.side, components)
        rest, kernel = latent[0] - self.side, 3 if len(latent) == 3 else 1
        ends = sorted({0, rest, *(round(rest * (j / slices) ** SLOPE) for j in range(1, slices))})
        self.readers = nn.ModuleList(
            Reader(self.side, first, end - first, hidden, kernel) for first, end in itertools.pairwise(ends)
        )

    @torch.no_grad()
    def begin_at(self, z: Tensor) -> None:
        """Begin with w at its channels' moments, and y at its own whatever precedes; see `CellPrior`."""
        flat = z.movedim(1, -1).flatten(0, -2)
        self.logistics.begin(flat[:, : self.side])
        for reader in self.readers:
            reader.begin(flat, self.step)  # pyright: ignore[reportCallIssue]

    def log_masses(self, z: Tensor, step: Tensor, read: Tensor | None = None) -> Tensor:
        """Give log masses, those of y given w and the slices before; see `CellPrior`."""
        flat, width = flattened(z, step, len(self.latent))
        found = [self.logistics.log_masses(flat[:, : self.side], width)]
        known = flat if read is None else flattened(read, step, len(self.latent))[0]
        grid = known.unflatten(2, z.shape[-2:] if len(self.latent) == 3 else (1, 1))
        first = self.side
        for reader in self.readers:
            mean, deviation = (each.flatten(2) for each in reader(grid))
            y = flat[:, first : first + mean.shape[1]]
            found.append(log_mass(log_ndtr, y - mean, deviation, width))
            first += mean.shape[1]
        return torch.cat(found, dim=1).view_as(z)

    def _drawn(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw latents on their grid; give them, and the mean and the deviation that y had."""
        z = self.logistics.draw(count, places_of(self.latent)).unflatten(2, self.latent[1:] or (1, 1))
        means, deviations = [z[:, :0]], [z[:, :0]]
        for reader in self.readers:
            mean, deviation = reader(z)
            z = torch.cat([z, mean + deviation * torch.randn_like(mean)], dim=1)
            means.append(mean)
            deviations.append(deviation)
        return z, torch.cat(means, dim=1), torch.cat(deviations, dim=1)

    def draw(self, count: int) -> Tensor:
        """Draw w, then y, slice by slice; see `CellPrior`."""
        return self._drawn(count)[0].view(count, *self.latent)

    @torch.no_grad()
    def moments(self) -> tuple[Tensor, Tensor]:
        """Give the moments of w, and from draws with a fixed seed those of y; see `CellPrior`."""
        sides = self.latent[1:] or (1, 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            count = max(16, DRAWS // max(1, places_of(self.latent)))
            _, mean, deviation = self._drawn(count)
        own = [each.view(-1, 1, 1).expand(-1, *sides) for each in self.logistics.moments()]
        spread = deviation.square().mean(dim=0) + (mean - mean.mean(dim=0)).square().mean(dim=0)
        return (
            torch.cat([own[0], mean.mean(dim=0)]).view(self.latent),
            torch.cat([own[1], spread]).view(self.latent),
        )
