"""What every objective promises."""

from __future__ import annotations

import abc
import copy
from typing import ClassVar

import torch
from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.core.types import Pass, Terms
from latentia.objectives.adversary import Adversary
from latentia.objectives.schedules import Constant, Held, Schedule


class Objective(abc.ABC):
    """A map from a `Pass` to `Terms`: per example, in nats, unreduced.

    The distortion and the rate of an example never depend on the examples beside it. Its penalty may,
    where the objective says so with `batchwise`; it then is the penalty of the batch, the same in each
    example or not, of which the mean over the batch has a meaning.
    """

    kind: ClassVar[str] = "objective"
    samples: int = 1
    """How many latent samples S the model must draw for each example."""
    bound: bool = True
    """Whether -(distortion + rate) bounds log p(x)."""
    codes: ClassVar[bool] = False
    """Whether it is for a posterior over codes."""
    reads: tuple[str, str] = ("E_q[-log p(x|z)]", "KL(q(z|x) || p(z))")
    """What its distortion and its rate are, for protocols."""
    batchwise: bool = False
    """Whether the penalty of an example depends on the examples beside it."""
    factorised: bool = False
    """Whether it needs a posterior that is a product over the latent's dimensions."""
    adversarial: bool = False
    """Whether it declares an adversary, so that the loop must train with a second optimiser."""
    steers: bool = False
    """Whether it changes the gradient on its way through z, so that nothing may be added to its loss."""
    adversary: Adversary | None = None
    """A module that is trained beside the model, against it; see `Adversary`."""
    classifies: bool = False
    """Whether it reads q(y|x), which only a model that classifies gives."""
    hidden: bool = False
    """Whether it counts hidden entries alone, which needs a corruption that hides some."""
    schedule: Schedule = Constant()
    """What its weights are multiplied with along the run."""
    needs: tuple[str, str] | None = None
    """The package that it trains with beyond the usual ones, and the extra that brings it."""

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

    def to(self, device: torch.device | str) -> Objective:
        """Bring the modules that it owns to a device: an adversary, a network of features.

        Args:
            device: where the model is.

        Returns:
            The objective itself.
        """
        for part in vars(self).values():
            if isinstance(part, (nn.Module, Objective)):
                part.to(device)
        return self

    def held(self, factor: Tensor) -> Objective:
        """Give the same objective with the factor of its schedule in a tensor, whatever the progress.

        Compiled code reads a tensor anew at each step, and would be compiled anew for each number.

        Args:
            factor: shape `()`, on the model's device; the caller keeps it up to date.

        Returns:
            Another objective with the same parts.
        """
        held = copy.copy(self)
        held.schedule = Held(factor)
        for name, part in vars(self).items():
            if isinstance(part, Objective) and part.schedule is self.schedule:
                setattr(held, name, part.held(factor))
        return held

    def settled(self, progress: float) -> bool:
        """Say whether the weights have reached their final values.

        Losses before that point are not comparable with losses after it, so the best model is
        chosen among the settled ones.

        Args:
            progress: share of the run that is done.

        Returns:
            Whether they have.
        """
        return self.schedule.settled(progress)


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
