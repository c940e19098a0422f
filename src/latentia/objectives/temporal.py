"""An objective that adds what a reconstruction flickers to another one."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.core.event import Event
from latentia.core.registry import register
from latentia.objectives.base import Objective
from latentia.objectives.perceptual import Compared
from latentia.objectives.schedules import Constant, Schedule


@register("objective", "temporal")
class Temporal(Compared):
    r"""Adds weight * D * the mean absolute difference of the changes from frame to frame.

    With e_t the error of a frame, the distance is the mean over entries and t of |e_t - e_(t-1)|: 0 where the
    error stands still, however large it is. Squared errors forgive what comes and goes, and eyes see it: a
    codec whose latents stand for eight frames each changes where one place follows another.

    References:
        Wei-Sheng Lai et al., "Learning Blind Video Temporal Consistency", 2018 (there of frames that are
        warped by the optical flow).
    """

    measure: ClassVar[str] = "flicker"

    def __init__(
        self,
        event: tuple[int, ...],
        base: Objective,
        weight: float = 1.0,
        schedule: Schedule = Constant(),  # noqa: B008
    ) -> None:
        """Take the other objective.

        Args:
            event: what one example is; the program provides it.
            base: what the distance is added to; a run takes its model's own.
            weight: weight of the distance, in nats for each data dimension.
            schedule: what the weight is multiplied with along the run.

        Raises:
            ConfigError: if examples are no clips of several frames.
        """
        super().__init__(base, weight, schedule)
        if Event.of(event).kind != "video" or event[1] < 2:
            shape = "x".join(map(str, event))
            raise ConfigError(
                f"objective 'temporal' compares the frames of clips, and an example has shape {shape}; use "
                "objective.name=elbo, or data.frames=17 to read clips"
            )

    def distance(self, guess: Tensor, x: Tensor) -> Tensor:
        """Compare the changes from frame to frame; see `Compared`."""
        return (guess - x).diff(dim=2).abs().flatten(start_dim=1).mean(dim=1)
