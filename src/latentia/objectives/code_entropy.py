"""The entropy penalty, which keeps the codes of a quantiser in use."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from latentia.core.needs import BATCHWISE, CODE_ENTROPY, Words
from latentia.core.registry import register
from latentia.core.types import Pass
from latentia.objectives.base import Objective, at_least
from latentia.objectives.schedules import Constant, Schedule
from latentia.objectives.wrapper import Wrapper


@register("objective", "code_entropy")
class CodeEntropy(Wrapper):
    r"""Adds weight * places * (E[H(p(c|x))] - diversity * H(E[p(c|x)])), p(c|x) a soft choice of codes.

    Each choice shall be sure and all choices together diverse. The expectations are over the places of an
    example and, in the second term, over the batch, which makes the penalty one of the batch.

    References:
        Lijun Yu et al., "Language Model Beats Diffusion: Tokenizer is Key to Visual Generation", 2023.
    """

    needs: Words = frozenset({CODE_ENTROPY})
    gives: Words = frozenset({BATCHWISE})
    measure: ClassVar[str] = "code_entropy"

    def __init__(
        self,
        base: Objective,
        weight: float = 0.1,
        diversity: float = 1.0,
        schedule: Schedule = Constant(),  # noqa: B008
    ) -> None:
        """Set the weights.

        Args:
            base: what the penalty is added to; a run takes its model's own.
            weight: weight of the penalty, in nats for each place.
            diversity: weight of the second term against the first.
            schedule: what the weight is multiplied with along the run.
        """
        super().__init__(base, weight, schedule)
        at_least(0, diversity=diversity)
        self.diversity = diversity

    def added(self, state: Pass) -> Tensor:
        """Give the penalty of each example; see `Wrapper`."""
        entropies = getattr(state.q, "entropies", None)
        if entropies is None:
            raise TypeError("the objective 'code_entropy' needs a posterior with a soft choice of codes")
        own, whole = entropies()
        return math.prod(state.q.event_shape[1:]) * (own - self.diversity * whole)
