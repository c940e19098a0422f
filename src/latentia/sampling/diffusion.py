"""A diffusion of a run's latents, fitted after training: the model `diffusion`, in memory."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from latentia.assembly import assemble
from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks import Denoiser, usual_denoiser
from latentia.probability import Diffused, Solver, Walk
from latentia.sampling.base import Sampler, Source, as_tensor, learn

EMA = 0.999
"""Decay of the average of the weights, which is what is kept."""
LEARNING_RATE = 1e-3


@register("sampler", "diffusion")
class DiffusionSampler(Sampler):
    """A diffusion of the latents, which are drawn from their posteriors anew in each step of the fit.

    The aggregate posterior is not the prior: that is why samples from the prior look worse than
    reconstructions. This learns the aggregate posterior itself, q(z), and of a run with a condition q(z|c)
    as well: a share of the latents has its condition hidden in the fit, so that there is guidance.

    References:
        Robin Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022.
        Jonathan Ho, Tim Salimans, "Classifier-Free Diffusion Guidance", 2022.
    """

    free: ClassVar[frozenset[str]] = frozenset({"steps", "solver", "guidance"})

    def __init__(
        self,
        latent: tuple[int, ...],
        steps: int = 50,
        solver: Solver = "dpm",
        fit_steps: int = 6000,
        denoiser: Denoiser | None = None,
        guidance: float = 1.0,
        *,
        told: int = 0,
    ) -> None:
        """Build the diffusion.

        Args:
            latent: shape of one latent.
            steps: steps of a draw.
            solver: how a step is taken; see `latentia.probability.Walk`.
            fit_steps: steps of the fit, of 256 latents each.
            denoiser: the recipe; dense for vectors, a U-Net for `(C, H, W)`, a transformer for other sides.
            guidance: how far a draw goes towards the condition; see `latentia.probability.Walk`.
            told: how many numbers the condition of the run has; 0 for none.

        Raises:
            ConfigError: if a setting is out of range.
        """
        super().__init__(latent)
        if fit_steps < 1:
            raise ConfigError(f"'sampler.fit_steps' must be at least 1, not {fit_steps}")
        self.walk, self.fit_steps = Walk(steps, solver, guidance), fit_steps
        event = (2 * latent[0], *latent[1:])
        parts = assemble(
            {
                "model": {"name": "conditional_diffusion" if told else "diffusion", "latent_dim": 1},
                "network": {"name": "identity", "moments": True},
                "posterior": {"name": "diagonal_gaussian"},
                "prior": {"name": "diffusion", "denoiser": denoiser or {"name": usual_denoiser(latent)}},
                "likelihood": {"name": "mse"},
                "objective": {"name": "density", "weighting": "simple"},
                "transform": {"name": "none"},
            },
            event,
            told,
        )
        self.model = parts.model
        self.objective = parts.objective

    def fit(self, source: Source, quiet: bool = True) -> None:
        """Learn to denoise latents; see `Sampler`."""
        moments = torch.from_numpy(source.moments).to(source.device)
        self.model.begin(moments)
        learn(
            self.model,
            self.objective,
            moments,
            as_tensor(source.moments_c),
            steps=self.fit_steps,
            what="fitting the sampler diffusion",
            quiet=quiet,
            lr=LEARNING_RATE,
            ema=EMA,
        )

    def draw(self, n: int, c: Tensor | None = None) -> Tensor:
        """Draw noise and denoise it; see `Sampler`."""
        prior = self._prior(c)
        return prior.sample(() if prior.batch_shape else (n,))

    @property
    def denoises(self) -> bool:
        """Always; see `Sampler`."""
        return True

    @property
    def guides(self) -> bool:
        """Of a run with a condition; see `Sampler`."""
        return bool(self.model.condition)

    def on_the_way(self, n: int, c: Tensor | None = None, looks: int = 8) -> Tensor:
        """Denoise noise, looking at it on the way; see `Sampler`."""
        prior = self._prior(c)
        return prior.path(() if prior.batch_shape else (n,), looks)

    def by(self, **settings: Any) -> Sampler:
        """Give the same fit, drawn from by other steps; see `Sampler`."""
        super().by(**settings)  # refuses those of the fit
        other = copy.copy(self)
        other.walk = replace(self.walk, **settings)
        return other

    def _prior(self, c: Tensor | None) -> Diffused:
        prior: Any = self.model.prior(c)
        return prior.by(self.walk, self.quiet)
