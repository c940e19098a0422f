"""Ancestral sampling: latents from the prior."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.probability import Diffused, DiffusionPrior, Hierarchy, Solver, UniformChoice, Walk
from latentia.sampling.base import Sampler, Source


def sample_prior(
    prior: Distribution, n: int, *, truncation: float | None = None, temperature: float = 1.0
) -> Tensor:
    r"""Draw latents from the prior, from torch's global generator.

    Truncation keeps each coordinate within `truncation` prior standard deviations of its mean: the
    result of drawing again until it is. For a normal prior it is drawn exactly, through the inverse
    of its distribution function.

    Args:
        prior: p(z), batch shape `()`, or `(n,)` for one that depends on conditions.
        n: how many.
        truncation: the limit, in standard deviations; none draws from the prior itself.
        temperature: factor on the distance from the prior's mean, after truncation; in a hierarchy, on
            the deviation of each level given those above it.

    Returns:
        Shape `(n, *latent)`.

    Raises:
        ConfigError: if a setting is not positive, or the prior has no truncation or temperature.
    """
    for name, value in (("n", n), ("truncation", truncation), ("temperature", temperature)):
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"'{name}' must be positive, not {value}")
    if isinstance(prior, UniformChoice) and (truncation is not None or temperature != 1.0):
        raise ConfigError(
            "codes are drawn from a list, without truncation or temperature; leave them out, or use "
            "--sampler autoregressive"
        )
    if isinstance(prior, Hierarchy) and truncation is None:
        return prior.tempered(temperature).sample((n,))
    if truncation is None:
        z = prior.sample(() if prior.batch_shape else (n,))
    else:
        base = prior.base_dist if isinstance(prior, Independent) else prior
        if not isinstance(base, Normal):
            raise ConfigError(
                "truncation needs a normal prior, and this run's is none; leave it out, or use a temperature"
            )
        edge = 0.5 * math.erfc(truncation / math.sqrt(2))  # the mass beyond the limit, on one side
        shape = base.loc.shape if prior.batch_shape else (n, *base.loc.shape)
        u = torch.rand(shape, device=base.loc.device, dtype=torch.float64)
        standard = torch.special.ndtri(edge + u * (1 - 2 * edge)).clamp(-truncation, truncation)
        z = base.loc + base.scale * standard.to(base.loc.dtype)
    if temperature == 1.0:
        return z
    return prior.mean + temperature * (z - prior.mean)


@register("sampler", "prior")
class PriorSampler(Sampler):
    """The model's own prior, which needs no fit."""

    kept: ClassVar[bool] = False

    def __init__(
        self,
        latent: tuple[int, ...],
        truncation: float | None = None,
        temperature: float = 1.0,
        steps: int | None = None,
        solver: Solver | None = None,
        guidance: float = 1.0,
    ) -> None:
        """Set how to draw; see `sample_prior`.

        Args:
            latent: shape of one latent.
            truncation: limit on each coordinate, in the prior's standard deviations.
            temperature: factor on the distance from the prior's mean.
            steps: steps of a diffusion; those of its recipe by default.
            solver: how a diffusion takes a step; see `latentia.probability.Walk`.
            guidance: of a diffusion with a condition; see `latentia.probability.Walk`.
        """
        super().__init__(latent)
        self.truncation, self.temperature = truncation, temperature
        self.steps, self.guidance = steps, guidance
        self.solver: Solver | None = solver
        self.prior: Callable[..., Distribution] | None = None

    def fit(self, source: Source, quiet: bool = True) -> None:
        """Take the model's prior; see `Sampler`."""
        self.prior = source.model.prior

    def draw(self, n: int, c: Tensor | None = None) -> Tensor:
        """Draw from the prior; see `Sampler`."""
        if self.prior is None:
            raise TypeError("a PriorSampler draws from the prior of the run that it was fitted to")
        prior = self._walking(self.prior(c))
        return sample_prior(prior, n, truncation=self.truncation, temperature=self.temperature)

    @property
    def denoises(self) -> bool:
        """Whether the prior is a diffusion; see `Sampler`."""
        return isinstance(self.prior, DiffusionPrior)

    @property
    def guides(self) -> bool:
        """Whether it is one that has learned both p(z|c) and p(z); see `Sampler`."""
        return isinstance(self.prior, DiffusionPrior) and bool(self.prior.condition and self.prior.drop)

    def on_the_way(self, n: int, c: Tensor | None = None, looks: int = 8) -> Tensor:
        """Look at a diffusion on its way; see `Sampler`."""
        prior = None if self.prior is None else self._walking(self.prior(c))
        if not isinstance(prior, Diffused):
            return super().on_the_way(n, c, looks)
        return prior.path(() if prior.batch_shape else (n,), looks)

    def _walking(self, prior: Distribution) -> Distribution:
        """Let a diffusion walk as was asked; others have nothing to walk."""
        if isinstance(prior, Diffused):
            steps = prior.walk.steps if self.steps is None else self.steps
            walk = Walk(steps, self.solver or prior.walk.solver, self.guidance)
            return prior.by(walk, self.quiet)
        if self.steps is not None or self.solver is not None or self.guidance != 1.0:
            raise ConfigError(
                "steps, solver and guidance are of a diffusion, and this run's prior is none; leave them "
                "out, or use --sampler diffusion"
            )
        return prior
