"""What every objective promises."""

from __future__ import annotations

import abc
from typing import ClassVar

from torch import Tensor

from latentia.types import Pass, Terms


class Objective(abc.ABC):
    """A map from a `Pass` to `Terms`: per example, in nats, unreduced.

    The terms of an example do not depend on the examples beside it.
    """

    kind: ClassVar[str] = "objective"
    samples: int = 1
    """How many latent samples S the model must draw for each example."""
    bound: ClassVar[bool] = True
    """Whether -(distortion + rate) bounds log p(x)."""
    classifies: ClassVar[bool] = False
    """Whether it reads q(y|x), which only a model that classifies gives."""
    hidden: ClassVar[bool] = False
    """Whether it counts hidden entries alone, which needs a corruption that hides some."""

    @abc.abstractmethod
    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass.

        Args:
            state: what the model computed.
            progress: share of the run that is done, for weights on a schedule.

        Returns:
            The terms, each of shape `(B,)`.
        """

    def settled(self, progress: float) -> bool:
        """Say whether the weights have reached their final values.

        Losses before that point are not comparable with losses after it, so the best model is
        chosen among the settled ones.

        Args:
            progress: share of the run that is done.

        Returns:
            Whether they have.
        """
        return True


def distortion(state: Pass) -> Tensor:
    """Estimate E_q[-log p(x|z)] by the mean over the latent samples.

    Args:
        state: what the model computed.

    Returns:
        Shape `(B,)`, in nats, summed over the data's dimensions.
    """
    return -state.p_x.log_prob(state.batch.x).mean(dim=0)
