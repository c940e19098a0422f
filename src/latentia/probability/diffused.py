"""What a diffusion draws as a distribution, and the prior that learns one."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from latentia.core import config, progress
from latentia.core.errors import ConfigError
from latentia.core.needs import Words
from latentia.core.registry import register
from latentia.networks import Denoiser, usual_denoiser
from latentia.probability.diffusion import Diffusion
from latentia.probability.noising import Schedule, ScheduleName
from latentia.probability.priors import Prior
from latentia.probability.solvers import Solver, Walk

LEVELS = 8
"""Noise levels behind a log density outside of training."""
MEASURED, MEASURED_STEPS = 128, 10
"""Draws, and steps of each, behind the moments of a diffusion."""
TOGETHER = 256
"""Draws that are denoised together."""
LEAST = 1e-6
"""A latent whose deviation is below this share of the largest is constant, and has no density."""


class Diffused(Distribution):
    """What a diffusion draws, in the units of its latents.

    `log_prob` is an estimate, unbiased for a lower bound on the log density, different at each call. `mean`
    and `variance` are those of a few fixed draws, of a few steps.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore
    support: constraints.Constraint = constraints.real_vector  # pyright: ignore

    def __init__(
        self,
        process: Diffusion,
        shift: Tensor,
        scale: Tensor,
        c: Tensor | None,
        walk: Walk,
        levels: int,
        quiet: bool = True,
    ) -> None:
        """Push what a diffusion draws through an affine map.

        Args:
            process: the diffusion.
            shift: what is added, broadcastable against `(N, *shape)`.
            scale: what is multiplied with before, alike.
            c: conditions, shape `(B, C)`, or None.
            walk: how to draw.
            levels: noise levels behind a log density.
            quiet: show no progress bar in long draws.
        """
        self.quiet = quiet
        self.process, self.shift, self.scale = process, shift, scale
        self.c, self.walk, self.levels = c, walk, levels
        batch = torch.Size() if c is None else torch.Size((len(c),))
        super().__init__(batch, torch.Size(process.shape), validate_args=False)

    def by(self, walk: Walk, quiet: bool = True) -> Diffused:
        """Give the same distribution, drawn otherwise.

        Args:
            walk: how to draw.
            quiet: show no progress bar in long draws.

        Returns:
            The distribution.

        Raises:
            ConfigError: if there is nothing that guidance could lead to, or away from.
        """
        if walk.guidance != 1.0 and not self.process.condition:
            raise ConfigError(
                "guidance leads towards a condition, and this diffusion is told none; leave guidance out, or "
                "train a model with a condition, such as conditional_vae or conditional_diffusion"
            )
        if walk.guidance != 1.0 and (self.c is None or self.c.isnan().any()):
            raise ConfigError(
                "guidance leads towards a condition, and none is given; give one, such as a label"
            )
        if walk.guidance != 1.0 and not self.process.dropped:
            raise ConfigError(
                "guidance leads away from what is drawn without a condition, and this diffusion was trained "
                "with all of them; leave guidance out, or train with prior.drop=0.1"
            )
        return Diffused(self.process, self.shift, self.scale, self.c, walk, self.levels, quiet)

    def whitened(self, value: Tensor) -> tuple[Tensor, Tensor | None]:
        """Give latents `(*batch, *latent)` as the diffusion sees them, `(N, *shape)`, with conditions."""
        flat = value.reshape(-1, *self.event_shape)
        return (flat - self.shift) / self.scale, self._conditions(len(flat))

    def _conditions(self, count: int) -> Tensor | None:
        """Give a condition for each of some latents, draw after draw of the whole batch."""
        return None if self.c is None else self.c.repeat(count // max(1, len(self.c)), 1)

    def _volume(self) -> Tensor:
        """Give the log of the volume that a unit of the diffusion's has."""
        return self.scale.log().expand(self.event_shape).sum()

    def log_prob(self, value: Tensor) -> Tensor:
        """Estimate the bound on log p(z), shape of the draws and the batch."""
        x, c = self.whitened(value)
        found = self.process.bound(x, c, self.levels)
        return (found - self._volume()).view(value.shape[: value.dim() - len(self.event_shape)])

    def scored(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate the bound, and score the denoiser, at one level; see `Diffusion.scored`."""
        x, c = self.whitened(value)
        batch = value.shape[: value.dim() - len(self.event_shape)]
        bound, error = self.process.scored(x, c)
        return (bound - self._volume()).view(batch), error.view(batch)

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw, shape `(*sample_shape, *batch, *latent)`."""
        shape = torch.Size((*sample_shape, *self.batch_shape, *self.event_shape))
        noise, c = self._begun(shape)
        return (self._walked(noise, c) * self.scale + self.shift).view(shape)

    def _begun(self, shape: torch.Size) -> tuple[Tensor, Tensor | None]:
        """Draw the noise that a walk begins at, with a condition for each."""
        noise = torch.randn(shape, device=self.shift.device).reshape(-1, *self.event_shape)
        return noise, self._conditions(len(noise))

    @torch.no_grad()
    def path(self, sample_shape: torch.Size | tuple[int, ...] = (), looks: int = 8) -> Tensor:
        """Draw as `sample` does, and look at some steps at what the denoiser makes of the noise there.

        Args:
            sample_shape: of the draws.
            looks: how many, spread evenly over the steps, the last one being the draw itself; fewer where a
                walk has fewer steps.

        Returns:
            Shape `(looks, *sample_shape, *batch, *latent)`.
        """
        shape = torch.Size((*sample_shape, *self.batch_shape, *self.event_shape))
        at = looked_at(self.walk.steps, looks)
        noise, c = self._begun(shape)
        seen = [x for step, (_, x) in enumerate(self.process.path(noise, c, self.walk)) if step in at]
        return (torch.stack(seen) * self.scale + self.shift).view(len(seen), *shape)

    def _walked(self, noise: Tensor, c: Tensor | None) -> Tensor:
        """Walk from noise, so many at a time as fit into the caches of a processor."""
        if len(noise) <= TOGETHER:
            return self.process.made(noise, c, self.walk)
        made = []
        with progress.bar(total=len(noise), desc="denoising", unit=" samples", quiet=self.quiet) as bar:
            for start in range(0, len(noise), TOGETHER):
                part = slice(start, start + TOGETHER)
                made.append(self.process.made(noise[part], None if c is None else c[part], self.walk))
                bar.update(len(made[-1]))
        return torch.cat(made)

    def _measured(self) -> Tensor:
        walk = Walk(MEASURED_STEPS, "dpm", self.walk.guidance)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(MEASURED, *self.event_shape, generator=generator).to(self.shift)
        if self.c is None:
            return self.process.made(noise, None, walk) * self.scale + self.shift
        told, which = self.c.unique(dim=0, return_inverse=True)  # most are of a few classes
        made = torch.stack([self.process.made(noise, c.expand(MEASURED, -1), walk) for c in told])
        return made[which].transpose(0, 1) * self.scale + self.shift

    @property
    def mean(self) -> Tensor:
        """The mean of 128 fixed draws, shape `(*batch, *latent)`."""
        return self._measured().mean(dim=0)

    @property
    def variance(self) -> Tensor:
        """Their variance, shape `(*batch, *latent)`."""
        return self._measured().var(dim=0)


def looked_at(steps: int, looks: int) -> tuple[int, ...]:
    """Choose steps of a walk to look at: the first, the last, and others evenly between them.

    Args:
        steps: how many there are.
        looks: how many to choose; fewer where there are not so many.

    Returns:
        Their numbers, from 0.

    Raises:
        ConfigError: if there is none to choose.
    """
    if looks < 1:
        raise ConfigError(f"'looks' must be at least 1, not {looks}")
    if looks == 1:
        return (steps - 1,)
    count = min(looks, steps)
    return tuple(round(k * (steps - 1) / max(1, count - 1)) for k in range(count))


@register("prior", "diffusion")
class DiffusionPrior(Prior):
    """p(z) by denoising: trained beside an encoder, fitted to latents, or over latents that were stored.

    It begins as N(0, I). Where there is a condition it is p(z|c), and, with `drop` over 0, p(z) as well.

    References:
        Arash Vahdat, Karsten Kreis, Jan Kautz, "Score-based Generative Modeling in Latent Space", 2021.
        Robin Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022.
        Jonathan Ho, Tim Salimans, "Classifier-Free Diffusion Guidance", 2022.
    """

    gives: ClassVar[Words] = frozenset()
    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        latent: tuple[int, ...],
        condition: int = 0,
        denoiser: Denoiser | None = None,
        schedule: ScheduleName = "cosine",
        shift: float = 1.0,
        target: Literal["v", "eps", "x", "flow"] = "v",
        drop: float = 0.1,
        levels: int = 2,
        steps: int = 50,
        solver: Solver = "dpm",
    ) -> None:
        """Build the denoiser.

        Args:
            latent: shape of one latent.
            condition: how many numbers the condition has; 0 for none.
            denoiser: the recipe; dense for vectors, a U-Net for `(C, H, W)`, a transformer for other sides.
            schedule: how the noise grows; see `Schedule`.
            shift: more noise for values over 1; see `Schedule`.
            target: what the denoiser is asked for; see `target_of`.
            drop: share of the training examples whose condition is hidden, which guidance needs.
            levels: noise levels at which each example is looked at in a step of training on the bound.
            steps: steps of a draw.
            solver: how a step is taken; see `Walk`.

        Raises:
            ConfigError: if a setting is out of range or the denoiser does not fit the latent.
        """
        super().__init__(latent)
        if not 0 <= drop < 1:
            raise ConfigError(f"'prior.drop' is a share of the examples, at least 0 and below 1, not {drop}")
        if levels < 1:
            raise ConfigError(f"'prior.levels' must be at least 1, not {levels}")
        self.drop, self.condition, self.levels = drop, condition, levels
        self.walk = Walk(steps, solver)
        recipe = denoiser or config.build("denoiser", {"name": usual_denoiser(latent)})
        net = recipe.build(tuple(latent), condition)
        self.process = Diffusion(net, latent, Schedule(schedule, shift), target, condition, drop > 0)
        sides = [1] * (len(latent) - 1)
        self.register_buffer("shift", torch.zeros(latent[0], *sides))
        self.register_buffer("scale", torch.ones(latent[0], *sides))

    @torch.no_grad()
    def fit_scale(self, z: Tensor) -> None:
        """Bring latents to mean 0 and deviation 1 in each channel; see `Prior`."""
        channels = z.movedim(1, 0).flatten(1).double()
        deviation = channels.std(dim=1, correction=0)
        limit = LEAST * max(float(deviation.max()), 1e-30)
        if dead := (deviation <= limit).nonzero().flatten().tolist():
            listed = ", ".join(map(str, dead[:5])) + ", ..." * (len(dead) > 5)
            raise ConfigError(
                f"latents without variance have no density: {len(dead)} of {len(channels)} channels are "
                f"constant ({listed}); train the codec with fewer latents, or encode with --moments"
            )
        self.shift.copy_(channels.mean(dim=1).view_as(self.shift))
        self.scale.copy_(deviation.view_as(self.scale))

    def forward(self, c: Tensor | None = None) -> Diffused:
        """Give p(z), or p(z|c); see `Prior`."""
        c = c if self.condition else None
        if c is not None and self.training and self.drop:
            c = c.masked_fill(torch.rand(len(c), 1, device=c.device) < self.drop, math.nan)
        levels = self.levels if self.training else max(LEVELS, self.levels)
        return Diffused(self.process, self.shift, self.scale, c, self.walk, levels)
