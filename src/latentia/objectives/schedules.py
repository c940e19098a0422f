"""Schedules: factors in [0, 1] as functions of progress, for weights and learning rates.

Progress runs from 0 at the first step to 1 at the last, so a schedule fits any length of run.
"""

from __future__ import annotations

import abc
import math
from typing import Any, ClassVar

import torch

from latentia.core.errors import ConfigError
from latentia.core.registry import register


def _share(value: float, where: str) -> float:
    if not 0 <= value <= 1:
        raise ConfigError(f"'{where}' is a share of the run, between 0 and 1, not {value}")
    return value


class Schedule(abc.ABC):
    """A factor that depends on progress alone."""

    kind: ClassVar[str] = "schedule"

    @abc.abstractmethod
    def __call__(self, progress: float) -> float:
        """Give the factor.

        Args:
            progress: share of the run that is done, from 0 to 1.

        Returns:
            The factor, from 0 to 1.
        """

    def settled(self, progress: float) -> bool:
        """Say whether the factor has reached 1 for good.

        Args:
            progress: share of the run that is done.

        Returns:
            True from the point on after which the factor stays 1.
        """
        return True


class TensorSchedule(Schedule):
    """The factor of another schedule in a tensor, which is brought to a step from outside."""

    def __init__(self, schedule: Schedule, device: torch.device) -> None:
        """Make the tensor.

        Args:
            schedule: what gives the factor.
            device: where the tensor is.
        """
        self.schedule = schedule
        self.factor = torch.ones((), device=device)

    def __call__(self, progress: float) -> Any:
        """Give the tensor; see `Schedule`."""
        return self.factor

    def set(self, progress: float) -> None:
        """Bring the tensor to a step.

        Args:
            progress: share of the run that is done.
        """
        self.factor.fill_(self.schedule(progress))

    def settled(self, progress: float) -> bool:
        """Say whether the other has settled; see `Schedule`."""
        return self.schedule.settled(progress)


@register("schedule", "constant")
class Constant(Schedule):
    """Always 1."""

    def __call__(self, progress: float) -> float:
        """Give 1; see `Schedule`."""
        return 1.0


@register("schedule", "linear")
class Linear(Schedule):
    """A linear warm-up from 0, then 1.

    References:
        Casper Kaae Sonderby et al., "Ladder Variational Autoencoders", 2016.
    """

    def __init__(self, warmup: float = 0.25) -> None:
        """Set the warm-up.

        Args:
            warmup: share of the run after which the factor is 1.
        """
        self.warmup = _share(warmup, "schedule.warmup")

    def __call__(self, progress: float) -> float:
        """Give progress / warmup, at most 1; see `Schedule`."""
        return 1.0 if progress >= self.warmup else progress / self.warmup

    def settled(self, progress: float) -> bool:
        """Say whether the warm-up is over; see `Schedule`."""
        return progress >= self.warmup


@register("schedule", "cosine")
class Cosine(Schedule):
    """A linear warm-up from 0 to 1, then half a cosine from 1 down to `final`: for learning rates.

    With `rise=true` it is the half cosine from 0 up to 1 over the share `warmup`: for beta.

    References:
        Ilya Loshchilov, Frank Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.
    """

    def __init__(self, warmup: float = 0.02, final: float = 0.0, rise: bool = False) -> None:
        """Set the shape.

        Args:
            warmup: share of the run over which the factor rises.
            final: the factor at the end; 1 where it rises.
            rise: rise along the cosine and stay, instead of falling.
        """
        self.warmup = _share(warmup, "schedule.warmup")
        self.final = _share(final, "schedule.final")
        self.rise = rise

    def __call__(self, progress: float) -> float:
        """Give the factor; see `Schedule`."""
        if progress < self.warmup:
            share = progress / self.warmup
            return 0.5 * (1 - math.cos(math.pi * share)) if self.rise else share
        if self.rise or self.warmup == 1:
            return 1.0
        share = (progress - self.warmup) / (1 - self.warmup)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * share))

    def settled(self, progress: float) -> bool:
        """Say whether the factor stays 1 from here on; one that falls never does."""
        return self.rise and progress >= self.warmup


@register("schedule", "cyclical")
class Cyclical(Schedule):
    """Repeated linear warm-ups: each cycle rises from 0 to 1, then stays until the next.

    References:
        Hao Fu et al., "Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing",
        2019.
    """

    def __init__(self, cycles: int = 4, rise: float = 0.5) -> None:
        """Set the shape.

        Args:
            cycles: how many cycles the run has.
            rise: share of a cycle over which the factor rises.
        """
        if cycles < 1:
            raise ConfigError(f"'schedule.cycles' must be at least 1, not {cycles}")
        self.cycles = cycles
        self.rise = _share(rise, "schedule.rise")

    def __call__(self, progress: float) -> float:
        """Give the factor; see `Schedule`."""
        if progress >= 1:
            return 1.0
        share = progress * self.cycles % 1.0
        return 1.0 if share >= self.rise else share / self.rise

    def settled(self, progress: float) -> bool:
        """Say whether the last cycle has finished rising; see `Schedule`."""
        return progress * self.cycles >= self.cycles - 1 + self.rise


class Delayed(Schedule):
    """0 up to a point, from there a linear rise, then 1; what has it asks for both as settings of its own."""

    def __init__(self, start: float, ramp: float) -> None:
        """Set the shape.

        Args:
            start: share of the run up to which the factor is 0.
            ramp: share of the run over which it then rises to 1.

        Raises:
            ConfigError: if one is no share, or the rise would not be over at the end of the run.
        """
        self.start, self.ramp = _share(start, "objective.start"), _share(ramp, "objective.ramp")
        if start < 1 < start + ramp - 1e-9:
            raise ConfigError(
                f"'objective.start' and 'objective.ramp' are {start:g} and {ramp:g} of the run, together "
                f"more than 1; use objective.ramp={1 - start:g}"
            )

    def __call__(self, progress: float) -> float:
        """Give (progress - start) / ramp, within 0 and 1; see `Schedule`."""
        if progress < self.start:
            return 0.0
        return 1.0 if self.settled(progress) else (progress - self.start) / self.ramp

    def settled(self, progress: float) -> bool:
        """Say whether the rise is over; see `Schedule`."""
        return progress >= min(1.0, self.start + self.ramp)
