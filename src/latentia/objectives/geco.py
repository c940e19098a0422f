"""The least rate under a constraint on the reconstruction, by a multiplier that is found in training."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.core.needs import COMPLETE, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective, at_least
from latentia.objectives.elbo import ELBO
from latentia.probability import Moving


class Multiplier(nn.Module, Moving):
    r"""lambda of a constraint C <= 0: C_ma <- decay C_ma + (1 - decay) C, lambda <- lambda exp(rate C_ma).

    C_ma begins at the first C. C is clipped to [-1, 1] and lambda to [1e-6, 1e6].
    """

    multiplier: Tensor
    average: Tensor
    begun: Tensor

    def __init__(self, decay: float, rate: float) -> None:
        """Begin with lambda = 1.

        Args:
            decay: what a step leaves of the average.
            rate: how fast lambda follows it.
        """
        super().__init__()
        self.decay, self.rate = decay, rate
        for name, value in (("multiplier", 1.0), ("average", 0.0), ("begun", 0.0)):
            self.register_buffer(name, torch.tensor(value))

    @torch.no_grad()
    def move(self, *seen: Tensor) -> None:
        """Move by the constraint of a batch, shape `()`; see `Moving`."""
        value = seen[0].clamp(-1, 1)
        self.average.lerp_(value, 1 - self.decay * self.begun)
        self.begun.fill_(1.0)
        self.multiplier.mul_((self.rate * self.average).exp()).clamp_(1e-6, 1e6)


@register("objective", "geco")
class GECO(Objective):
    r"""KL(q || p) + lambda * sum_d (E_q[(x_d - E[x_d|z])^2] - tolerance^2), lambda found in training.

    The least rate under which the reconstruction error is within the tolerance. lambda is the multiplier of
    the constraint C = mean_d E_q[(x_d - E[x_d|z])^2] / tolerance^2 - 1 <= 0, see `Multiplier`. Distortion and
    rate keep their meaning, and the penalty is what is minimised in the distortion's place, less the
    distortion; a likelihood with a spread of its own learns none, as the constraint is on the mean alone.

    References:
        Danilo Rezende, Fabio Viola, "Taming VAEs", 2018. There C is not divided by the tolerance and lambda's
        rate is not given; relative to the tolerance the same rate suits data of any size.
    """

    needs: Words = Objective.needs | {COMPLETE}

    def __init__(
        self, tolerance: float = 0.1, decay: float = 0.99, rate: float = 0.01, samples: int = 1
    ) -> None:
        """Set the constraint.

        Args:
            tolerance: root of the mean squared error to reach, in units of the transformed data.
            decay: what a step leaves of the constraint's moving average.
            rate: lambda grows or falls by at most this share in a step.
            samples: latent samples for each example.

        Raises:
            ConfigError: if a setting is out of its range.
        """
        at_least(0, rate=rate)
        if not tolerance > 0:
            raise ConfigError(f"'objective.tolerance' must be positive, not {tolerance}")
        if not 0 <= decay < 1:
            raise ConfigError(f"'objective.decay' must be at least 0 and below 1, not {decay}")
        self.tolerance = tolerance
        self.multiplier = Multiplier(decay, rate)
        self.elbo = ELBO(samples=samples)
        self.samples = samples

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`. The diagnostics hold `constraint`, C of each example."""
        terms, guess = self.elbo(state), state.p_x.mean
        error = (guess - state.batch.x).square().flatten(start_dim=2)
        constraint = error.mean(dim=2).mean(dim=0) / self.tolerance**2 - 1
        scale = error.shape[2] * self.tolerance**2 * self.multiplier.multiplier
        penalty = scale * constraint - terms.distortion
        return replace(terms, penalty=penalty, diagnostics={**terms.diagnostics, "constraint": constraint})

    def observe(self, terms: Terms) -> None:
        """Move lambda by the batch's constraint; see `Objective`."""
        self.multiplier.see(terms.diagnostics["constraint"].detach().mean())

    def settled(self, progress: float) -> bool:
        """Say whether the run is over: losses under a weight that still moves do not compare."""
        return progress >= 1
