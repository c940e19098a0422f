"""Priors of rounded latents: the mass of a cell, in closed form, of numbers that are coded one by one."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import hardtanh, logsigmoid
from torch.special import log_ndtr

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks import Network
from latentia.probability.posteriors import Posterior
from latentia.probability.priors import Prior
from latentia.probability.rounding import Rounded

LOG_VARIANCES = (-8.0, 8.0)
"""Range of log sigma^2, in the latents' units squared."""
LOG_SCALES = (-5.0, 5.0)
"""Range of log s of a logistic."""
SHARE = 5
"""Of so many numbers at a place one is side information, where the network does not say."""
DRAWS = 2048
"""Draws of the side information, with a fixed seed, that moments are computed from."""


class Cells(Distribution):
    """Numbers with uniform noise of one step, whose density times the step is the mass of a cell.

    Attributes:
        step: broadcastable against latents, or a number.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, prior: Factorised | Hyperprior, step: Tensor | float) -> None:
        """Take what knows the density without noise.

        Args:
            prior: whose `masses` it is made of.
            step: width of the noise.
        """
        self._prior, self.step = prior, step
        super().__init__(torch.Size(), torch.Size(prior.latent), validate_args=False)

    def at(self, step: Tensor | float) -> Cells:
        """Give the same with another step, shape `(B, 1, ...)` or a number."""
        return Cells(self._prior, step)

    def entries(self, value: Tensor) -> Tensor:
        """Give the log density of each number given those before it, in nats, shape of the value."""
        step = torch.as_tensor(self.step, dtype=value.dtype, device=value.device)
        return self._prior.log_masses(value, step) - step.log()

    def log_prob(self, value: Tensor) -> Tensor:
        """Give the log density, shape of the batch, in nats."""
        return self.entries(value).flatten(-len(self.event_shape)).sum(dim=-1)

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw, with noise, shape `(*sample_shape, *latent)`."""
        with torch.no_grad():
            z = self._prior.draw(torch.Size(sample_shape).numel())
            z = z + self.step * (torch.rand_like(z) - 0.5)
        return z.view(*sample_shape, *self.event_shape)

    @property
    def mean(self) -> Tensor:
        """The mean, shape `latent`."""
        return self._prior.moments()[0]

    @property
    def variance(self) -> Tensor:
        """The variance, that of the noise included, shape `latent`."""
        return self._prior.moments()[1] + torch.as_tensor(self.step).square() / 12


def log_mass(
    log_cumulative: Callable[[Tensor], Tensor], apart: Tensor, scale: Tensor, step: Tensor
) -> Tensor:
    r"""Give the logarithm of the mass in a cell of a density that is symmetric about 0, wherever it lies.

    log(F(b) - F(a)) = log F(b) + log(1 - F(a) / F(b)), at the cell's ends a < b mirrored to the left.

    Args:
        log_cumulative: log F at scale 1.
        apart: the middles of cells, from the density's location on.
        scale: the density's, broadcastable.
        step: the width of cells, broadcastable.

    Returns:
        In nats, the shape of all of them.
    """
    far = -apart.abs()
    high, low = log_cumulative((far + step / 2) / scale), log_cumulative((far - step / 2) / scale)
    return high + torch.log(-torch.expm1((low - high).clamp(max=-1e-6)))


class Logistics(nn.Module):
    """A mixture of logistics for each channel, the same at every place."""

    def __init__(self, channels: int, components: int) -> None:
        """Start around 0, at scales from a third to three.

        Args:
            channels: how many.
            components: logistics of each.
        """
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(channels, components))
        self.means = nn.Parameter(torch.zeros(channels, components))
        spread = torch.linspace(-1, 1, components) if components > 1 else torch.zeros(1)
        self.log_scales = nn.Parameter(spread.repeat(channels, 1))

    @property
    def scales(self) -> Tensor:
        """The scales, `(C, K)`."""
        return hardtanh(self.log_scales, *LOG_SCALES).exp()

    @torch.no_grad()
    def begin(self, z: Tensor) -> None:
        """Begin at the moments of channels, of values `(N, C)`."""
        mean, deviation = z.mean(dim=0), z.std(dim=0, correction=0).clamp(min=0.02)
        self.means.copy_(mean.unsqueeze(1).expand_as(self.means))
        spread = torch.linspace(-1, 1, self.means.shape[1], device=z.device) if self.means.shape[1] > 1 else 0
        self.log_scales.copy_((deviation * math.sqrt(3) / math.pi).log().unsqueeze(1) + spread)

    def log_masses(self, z: Tensor, step: Tensor) -> Tensor:
        """Give log masses of the cells around `(N, C, P)`, with a step that is broadcastable."""
        logits, means, scales = (
            each.unsqueeze(1) for each in (self.logits.log_softmax(dim=1), self.means, self.scales)
        )
        each = log_mass(logsigmoid, z.unsqueeze(-1) - means, scales, step.unsqueeze(-1))
        return torch.logsumexp(logits + each, dim=-1)

    def draw(self, count: int, places: int) -> Tensor:
        """Draw `(count, C, places)`, without noise."""
        chosen = torch.distributions.Categorical(logits=self.logits).sample(torch.Size((count, places)))
        chosen = chosen.transpose(1, 2)
        rows = torch.arange(len(self.logits), device=chosen.device).view(-1, 1)
        u = torch.rand(chosen.shape, device=chosen.device).clamp(1e-6, 1 - 1e-6)
        return self.means[rows, chosen] + self.scales[rows, chosen] * u.logit()

    def moments(self) -> tuple[Tensor, Tensor]:
        """Give mean and variance of each channel, `(C,)`."""
        weights = self.logits.softmax(dim=1)
        mean = (weights * self.means).sum(dim=1)
        own = self.scales.square() * (math.pi**2 / 3) + self.means.square()
        return mean, (weights * own).sum(dim=1) - mean.square()


class CellPrior(Prior, abc.ABC):
    """A prior of rounded latents, on a grid of any size."""

    def __init__(self, latent: tuple[int, ...], posterior: Posterior | None) -> None:
        """Remember the posterior, whose step is that of the cells.

        Args:
            latent: shape of one latent.
            posterior: the model's. It is no part of the prior.
        """
        super().__init__(latent)
        self._beside = (posterior,)  # in a tuple: its weights are the model's
        self._encode: Callable[[Tensor], Distribution] | None = None

    @property
    def step(self) -> float:
        """The width of cells outside of training."""
        return float(getattr(self._beside[0], "step", 1.0))

    def forward(self, c: Tensor | None = None) -> Cells:
        """Give p(z), whatever the condition; see `Prior`."""
        return Cells(self, self.step)  # pyright: ignore[reportArgumentType] - one of the two below

    def attach(self, encode: Callable[[Tensor], Distribution]) -> None:
        """Remember the encoder; see `Prior`."""
        self._encode = encode

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Begin at the moments of latents of some examples; see `Prior`."""
        if self._encode is not None:
            found = [self._encode(part) for part in x.split(32)]
            parts = [q.loc if isinstance(q, Rounded) else q.mean for q in found]
            self.begin_at(torch.cat(parts).flatten(2 if len(self.latent) > 1 else 1))

    @abc.abstractmethod
    def begin_at(self, z: Tensor) -> None:
        """Begin at the moments of latents, `(N, C)` or `(N, C, P)`."""

    @abc.abstractmethod
    def log_masses(self, z: Tensor, step: Tensor) -> Tensor:
        """Give the log mass of the cell around each number given those before it.

        Args:
            z: latents, shape `(*batch, *latent)`, on a grid of any size.
            step: the cells' width, broadcastable against `(B, *latent)`.

        Returns:
            Shape of `z`, in nats.
        """

    @abc.abstractmethod
    def draw(self, count: int) -> Tensor:
        """Draw latents without noise, `(count, *latent)`."""

    @abc.abstractmethod
    def moments(self) -> tuple[Tensor, Tensor]:
        """Give mean and variance without noise, each of shape `latent`."""


def _places(latent: tuple[int, ...]) -> int:
    return math.prod(latent[1:])


@register("prior", "factorised")
class Factorised(CellPrior):
    r"""Every number by itself: a mixture of K logistics for each channel, the same at every place.

    References:
        Johannes Ballé, Valero Laparra, Eero Simoncelli, "End-to-end Optimized Image Compression", 2017 (there
        with a piecewise linear density).
    """

    def __init__(
        self, latent: tuple[int, ...], posterior: Posterior | None = None, components: int = 3
    ) -> None:
        """Start around 0.

        Args:
            latent: shape of one latent.
            posterior: the model's, whose step is that of the cells; 1 where it has none.
            components: logistics of each channel, K.
        """
        super().__init__(latent, posterior)
        if components < 1:
            raise ConfigError(f"'prior.components' must be at least 1, not {components}")
        self.logistics = Logistics(latent[0], components)

    def begin_at(self, z: Tensor) -> None:
        """Begin at the moments of each channel; see `CellPrior`."""
        self.logistics.begin(z.movedim(1, -1).flatten(0, -2))

    def log_masses(self, z: Tensor, step: Tensor) -> Tensor:
        """Give log masses; see `CellPrior`."""
        flat, width = _flat(z, step, len(self.latent))
        return self.logistics.log_masses(flat, width).view_as(z)

    def draw(self, count: int) -> Tensor:
        """Draw; see `CellPrior`."""
        return self.logistics.draw(count, _places(self.latent)).view(count, *self.latent)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Give the moments of the mixtures; see `CellPrior`."""
        shape = (-1, *[1] * (len(self.latent) - 1))
        mean, variance = (each.view(shape).expand(self.latent) for each in self.logistics.moments())
        return mean, variance


def _flat(z: Tensor, step: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """Bring latents to `(N, C, P)`, and steps to `(N, 1, 1)` or a number."""
    places = z.shape[z.dim() - dims + 1 :]
    whole = z.reshape(-1, z.shape[-dims], math.prod(places))
    if step.dim() == 0:
        return whole, step
    lead = z.shape[: z.dim() - dims]
    return whole, step.reshape(*step.shape[: step.dim() - dims]).expand(lead).reshape(-1, 1, 1)


@register("prior", "hyperprior")
class Hyperprior(CellPrior):
    r"""Side information w and, given it, y ~ N(mu(w), sigma(w)^2): p(w, y) = p(w) p(y|w) of rounded numbers.

    The first channels of the latent are side information, as many as the network says or one in five, each
    with a mixture of logistics. A small network reads it, on the latent's grid, and says mean and variance of
    the others; its layers are such as can be computed in whole numbers, so that files decode everywhere.

    References:
        Johannes Ballé et al., "Variational Image Compression with a Scale Hyperprior", 2018.
        David Minnen, Johannes Ballé, George Toderici, "Joint Autoregressive and Hierarchical Priors for
        Learned Image Compression", 2018 (means beside the scales).
    """

    def __init__(
        self,
        latent: tuple[int, ...],
        posterior: Posterior | None = None,
        network: Network | None = None,
        components: int = 3,
        hidden: int = 64,
    ) -> None:
        """Start with y independent of w.

        Args:
            latent: shape of one latent, a vector or a grid of them.
            posterior: the model's, whose step is that of the cells; 1 where it has none.
            network: the model's, which says how many channels are side information, if it knows.
            components: logistics of each channel of w.
            hidden: channels inside of the network that reads w.
        """
        super().__init__(latent, posterior)
        if len(latent) not in (1, 3):
            shape = "x".join(map(str, latent))
            raise ConfigError(
                f"prior 'hyperprior' needs latents on a grid of two sides, or vectors, not {shape}; use "
                "prior.name=factorised"
            )
        if min(components, hidden) < 1:
            raise ConfigError("'prior.components' and 'prior.hidden' must be at least 1")
        self.side = min(latent[0], getattr(network, "side", max(1, latent[0] // SHARE)))
        self.rest = latent[0] - self.side
        self.logistics = Logistics(self.side, components)
        kernel = 3 if len(latent) == 3 else 1
        self.reader = nn.Sequential(
            nn.Conv2d(self.side, hidden, kernel, padding=kernel // 2),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, 2 * max(1, self.rest), 1),
        )
        last: Any = self.reader[-1]
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.zero_()

    def given(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Give mean and standard deviation of y.

        Args:
            w: side information, `(N, side, H, W)`.

        Returns:
            Each `(N, rest, H, W)`.
        """
        mean, log_variance = self.reader(w).chunk(2, dim=1)
        return mean[:, : self.rest], (0.5 * hardtanh(log_variance[:, : self.rest], *LOG_VARIANCES)).exp()

    @torch.no_grad()
    def begin_at(self, z: Tensor) -> None:
        """Begin with w at its channels' moments, and y at its own whatever w; see `CellPrior`."""
        flat = z.movedim(1, -1).flatten(0, -2)
        self.logistics.begin(flat[:, : self.side])
        rest = flat[:, self.side :]
        if self.rest:
            last: Any = self.reader[-1]
            last.bias[: self.rest] = rest.mean(dim=0)
            last.bias[self.rest :] = rest.var(dim=0, correction=0).clamp(min=1e-3).log()

    def log_masses(self, z: Tensor, step: Tensor) -> Tensor:
        """Give log masses, those of y given w; see `CellPrior`."""
        dims, sides = len(self.latent), z.shape[-2:] if len(self.latent) == 3 else (1, 1)
        flat, width = _flat(z, step, dims)
        w, y = flat.split([self.side, self.rest], dim=1)
        own = self.logistics.log_masses(w, width)
        if not self.rest:
            return own.view_as(z)
        mean, deviation = (each.flatten(2) for each in self.given(w.unflatten(2, sides)))
        return torch.cat([own, log_mass(log_ndtr, y - mean, deviation, width)], dim=1).view_as(z)

    def draw(self, count: int) -> Tensor:
        """Draw w, then y; see `CellPrior`."""
        sides = self.latent[1:] or (1, 1)
        w = self.logistics.draw(count, _places(self.latent)).unflatten(2, sides)
        mean, deviation = self.given(w)
        return torch.cat([w, mean + deviation * torch.randn_like(mean)], dim=1).view(count, *self.latent)

    @torch.no_grad()
    def moments(self) -> tuple[Tensor, Tensor]:
        """Give the moments of w, and from draws of w with a fixed seed those of y; see `CellPrior`."""
        sides = self.latent[1:] or (1, 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            count = max(16, DRAWS // max(1, _places(self.latent)))
            w = self.logistics.draw(count, _places(self.latent)).unflatten(2, sides)
        mean, deviation = self.given(w)
        own = [each.view(-1, 1, 1).expand(-1, *sides) for each in self.logistics.moments()]
        spread = deviation.square().mean(dim=0) + (mean - mean.mean(dim=0)).square().mean(dim=0)
        return (
            torch.cat([own[0], mean.mean(dim=0)]).view(self.latent),
            torch.cat([own[1], spread]).view(self.latent),
        )
