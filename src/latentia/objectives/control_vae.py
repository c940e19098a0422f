"""The ELBO whose beta a controller steers to a rate."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective, at_least
from latentia.objectives.elbo import ELBO
from latentia.probability import Moving


class Controller(nn.Module, Moving):
    r"""A PI controller: beta = k_p / (1 + exp(e)) - k_i sum e + least, e = target - rate, within its limits.

    The sum stands still where it would lead beta further beyond a limit.
    """

    beta: Tensor
    integral: Tensor

    def __init__(self, target: float, gains: tuple[float, float], limits: tuple[float, float]) -> None:
        """Begin with the least beta.

        Args:
            target: the rate to keep, in nats.
            gains: k_p and k_i.
            limits: the least and the greatest beta.
        """
        super().__init__()
        self.target, self.gains, self.limits = target, gains, limits
        self.register_buffer("beta", torch.tensor(limits[0]))
        self.register_buffer("integral", torch.tensor(0.0))

    @torch.no_grad()
    def move(self, *seen: Tensor) -> None:
        """Move by the mean rate of a batch, shape `()`; see `Moving`."""
        error = self.target - seen[0]
        (proportional, integral), (least, most) = self.gains, self.limits
        beta = proportional * torch.sigmoid(-error) + self.integral - integral * error + least
        outward = torch.where(error > 0, beta < least, beta > most)
        self.integral.sub_(torch.where(outward, 0.0, integral * error))
        self.beta.copy_(beta.clamp(least, most))


@register("objective", "control_vae")
class ControlVAE(Objective):
    r"""E_q[-log p(x|z)] + beta(t) KL(q || p), with a controller of beta that keeps the rate at a target.

    beta of a step follows from the mean rates of all steps before it; see `Controller`. In the log the
    weight of the rate is (loss - distortion) / rate.

    References:
        Huajie Shao et al., "ControlVAE: Controllable Variational Autoencoder", 2020 (algorithm 1; there beta
        of a step counts the rate of the same step).
    """

    def __init__(
        self,
        rate: float = 20.0,
        proportional: float = 0.01,
        integral: float = 1e-4,
        least: float = 0.0,
        most: float = 1.0,
        samples: int = 1,
    ) -> None:
        """Set the target and the controller.

        Args:
            rate: the KL to keep, in nats for each example.
            proportional: gain of the error, k_p.
            integral: gain of the sum of errors, k_i.
            least: the least beta.
            most: the greatest beta.
            samples: latent samples for each example.

        Raises:
            ConfigError: if a setting is out of its range.
        """
        at_least(0, rate=rate, proportional=proportional, integral=integral, least=least)
        if not most > least:
            raise ConfigError(f"'objective.most' must be above 'objective.least' ({least}), not {most}")
        self.controller = Controller(rate, (proportional, integral), (least, most))
        self.elbo = ELBO(samples=samples)
        self.samples = samples

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        return replace(self.elbo(state), weight=self.controller.beta.clone())

    def observe(self, terms: Terms) -> None:
        """Move beta by the batch's rate; see `Objective`."""
        self.controller.see(terms.rate.detach().mean())

    def settled(self, progress: float) -> bool:
        """Say whether the run is over: losses under a weight that still moves do not compare."""
        return progress >= 1
