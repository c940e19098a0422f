"""What every objective promises."""

from __future__ import annotations

import abc
import copy
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.core.needs import BATCHWISE, BOUND, CONTINUOUS, DENSITY, Words
from latentia.core.types import Pass, Terms
from latentia.objectives.adversary import Adversary
from latentia.objectives.schedules import Constant, Schedule, TensorSchedule
from latentia.probability import Moving


class Objective(abc.ABC):
    """A map from a `Pass` to `Terms`: per example, in nats, unreduced.

    The distortion and the rate of an example never depend on the examples beside it. Its penalty may,
    where the objective gives `BATCHWISE`; it then is the penalty of the batch, the same in each
    example or not, of which the mean over the batch has a meaning.
    """

    kind: ClassVar[str] = "objective"
    needs: Words = frozenset({CONTINUOUS, DENSITY})
    """What the other parts of a run must give; see `latentia.core.needs`."""
    gives: Words = frozenset({BOUND})
    """What it gives to others."""
    extra: ClassVar[tuple[str, str] | None] = None
    """The package that it trains with beyond the usual ones, and the extra that brings it."""
    samples: int = 1
    """How many latent samples S the model must draw for each example."""
    reads: tuple[str, str] = ("E_q[-log p(x|z)]", "KL(q(z|x) || p(z))")
    """What its distortion and its rate are, for protocols."""
    adversary: Adversary | None = None
    """A module that is trained beside the model, against it; see `Adversary`."""
    schedule: Schedule = Constant()
    """What its weights are multiplied with along the run."""
    chosen_from: float = 0.0
    """From which share of the run on weights are compared, and the best kept, once they have settled."""

    @property
    def bound(self) -> bool:
        """Whether -(distortion + rate) bounds log p(x)."""
        return BOUND in self.gives

    @property
    def batchwise(self) -> bool:
        """Whether the penalty of an example depends on the examples beside it."""
        return BATCHWISE in self.gives

    @abc.abstractmethod
    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass.

        Args:
            state: what the model computed.
            progress: share of the run that is done, for weights on a schedule.

        Returns:
            The terms, each of shape `(B,)`.
        """

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Give what computes from a batch what this reads.

        Args:
            model: what is trained.

        Returns:
            The model itself, which gives a `Pass`.
        """
        return model

    def observe(self, terms: Terms) -> None:  # noqa: B027 - in most objectives nothing moves
        """Note what a training step scored, for what moves with training; evaluation never calls it.

        What moves is a `Moving` module that the objective has: it is on the model's device, in the run's
        checkpoints, and moves once for all parts of a batch.

        Args:
            terms: what the objective gave.
        """

    def parts(self) -> Iterator[tuple[str, Any]]:
        """Give every part, those of the objectives inside included.

        Yields:
            Its name, with dots, and the part.
        """
        for name, part in vars(self).items():
            yield name, part
            if isinstance(part, Objective):
                yield from ((f"{name}.{inner}", each) for inner, each in part.parts())

    def moving(self) -> dict[str, nn.Module]:
        """Give the modules that move with training.

        Returns:
            Each by its name, with dots.
        """
        return {
            name: part
            for name, part in self.parts()
            if isinstance(part, Moving) and isinstance(part, nn.Module)
        }

    def to(self, device: torch.device | str) -> Objective:
        """Bring the modules that it owns to a device: an adversary, a network of features.

        Args:
            device: where the model is.

        Returns:
            The objective itself.
        """
        for _, part in self.parts():
            if isinstance(part, nn.Module):
                part.to(device)
        return self

    def with_tensor_schedules(self, device: torch.device) -> Objective:
        """Give the same objective with the factor of each schedule in a tensor, whatever the progress.

        Compiled code reads a tensor anew at each step, and would be compiled anew for each number.

        Args:
            device: the model's.

        Returns:
            Another objective with the same parts; `TensorSchedule.set` of its schedules brings them to a
            step.
        """
        held = copy.copy(self)
        for name, part in vars(self).items():
            if isinstance(part, Objective):
                setattr(held, name, part.with_tensor_schedules(device))
            elif isinstance(part, Schedule):
                setattr(held, name, TensorSchedule(part, device))
        return held

    def settled(self, progress: float) -> bool:
        """Say whether the weights have reached their final values.

        Losses before that point are not comparable with losses after it, so the best model is
        chosen among the settled ones.

        Args:
            progress: share of the run that is done.

        Returns:
            Whether they have, those of the objectives inside included.
        """
        return all(
            part.settled(progress) for _, part in self.parts() if isinstance(part, Schedule | Objective)
        )


def at_least(lowest: float, **settings: float) -> None:
    """Refuse settings of an objective that are too small.

    Args:
        lowest: the smallest value allowed.
        settings: values by name.

    Raises:
        ConfigError: naming the first that is smaller.
    """
    for name, value in settings.items():
        if not value >= lowest:
            limit = "not be negative" if lowest == 0 else f"be at least {lowest:g}"
            raise ConfigError(f"'objective.{name}' must {limit}, not {value}")


def distortion(state: Pass) -> Tensor:
    """Estimate E_q[-log p(x|z)] by the mean over the latent samples.

    Args:
        state: what the model computed.

    Returns:
        Shape `(B,)`, in nats, summed over the data's dimensions.
    """
    density = state.p_x.log_prob(state.batch.x)
    return -(density.squeeze(0) if len(density) == 1 else density.mean(dim=0))
