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

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.probability.posteriors import Posterior
from latentia.probability.priors import Prior
from latentia.probability.rounding import Rounded

LOG_SCALES = (-5.0, 5.0)
"""Range of log s of a logistic."""


class Cells(Distribution):
    """Numbers with uniform noise of one step, whose density times the step is the mass of a cell.

    Attributes:
        step: broadcastable against latents, or a number.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, prior: CellPrior, step: Tensor | float) -> None:
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

    def rate(self, q: Rounded) -> Tensor:
        r"""Give what coding takes, -log of the mass of the cell around each number, in nats, `(B, *latent)`.

        In training the numbers have noise, where the posterior has it, and those before them that a mass
        depends on are rounded: so they are when a file is read.

        Args:
            q: the posterior.

        Returns:
            With a gradient, through what is read straight through.

        References:
            David Minnen, Saurabh Singh, "Channel-wise Autoregressive Entropy Models for Learned Image
            Compression", 2020.
        """
        return -self._prior.log_masses(q.dithered(), q.step, q.mean)

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
        return Cells(self, self.step)

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
    def log_masses(self, z: Tensor, step: Tensor, read: Tensor | None = None) -> Tensor:
        """Give the log mass of the cell around each number given those before it.

        Args:
            z: latents, shape `(*batch, *latent)`, on a grid of any size.
            step: the cells' width, broadcastable against `(B, *latent)`.
            read: where the numbers before it are taken from, shape of `z`; `z` itself by default.

        Returns:
            Shape of `z`, in nats.
        """

    @abc.abstractmethod
    def draw(self, count: int) -> Tensor:
        """Draw latents without noise, `(count, *latent)`."""

    @abc.abstractmethod
    def moments(self) -> tuple[Tensor, Tensor]:
        """Give mean and variance without noise, each of shape `latent`."""


def places_of(latent: tuple[int, ...]) -> int:
    """Count the places of a latent's grid; 1 for vectors."""
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

    def log_masses(self, z: Tensor, step: Tensor, read: Tensor | None = None) -> Tensor:
        """Give log masses; see `CellPrior`."""
        flat, width = flattened(z, step, len(self.latent))
        return self.logistics.log_masses(flat, width).view_as(z)

    def draw(self, count: int) -> Tensor:
        """Draw; see `CellPrior`."""
        return self.logistics.draw(count, places_of(self.latent)).view(count, *self.latent)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Give the moments of the mixtures; see `CellPrior`."""
        shape = (-1, *[1] * (len(self.latent) - 1))
        mean, variance = (each.view(shape).expand(self.latent) for each in self.logistics.moments())
        return mean, variance


def flattened(z: Tensor, step: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """Bring latents to channels and places.

    Args:
        z: shape `(*batch, *latent)`.
        step: a number, or broadcastable against `(B, *latent)`.
        dims: of a latent.

    Returns:
        Latents `(N, C, P)`, and steps `(N, 1, 1)` or a number.
    """
    places = z.shape[z.dim() - dims + 1 :]
    whole = z.reshape(-1, z.shape[-dims], math.prod(places))
    if step.dim() == 0:
        return whole, step
    lead = z.shape[: z.dim() - dims]
    return whole, step.reshape(*step.shape[: step.dim() - dims]).expand(lead).reshape(-1, 1, 1)
