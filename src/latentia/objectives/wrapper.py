"""Objectives that add to another one, whichever it is."""

from __future__ import annotations

import abc
from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.core.needs import STEERED, Words
from latentia.core.types import Pass, Terms
from latentia.objectives.adversary import Adversary
from latentia.objectives.base import Objective, at_least
from latentia.objectives.classes import by_class
from latentia.objectives.schedules import Constant, Schedule


class Wrapper(Objective):
    """Another objective, with weight * added(state) on top of its penalty.

    Distortion, rate, bound, samples and adversary are the other's; needs and gives are both's. The weight
    follows the wrapper's own schedule, and the other keeps its own.
    """

    needs: Words = frozenset()
    gives: Words = frozenset()
    measure: ClassVar[str] = "added"
    """What the diagnostics call the value that is added, before its weight."""

    def __init__(
        self,
        base: Objective,
        weight: float = 1.0,
        schedule: Schedule = Constant(),  # noqa: B008
    ) -> None:
        """Take the other objective.

        Args:
            base: what is added to; a run takes its model's own.
            weight: weight of what is added.
            schedule: what the weight is multiplied with along the run.

        Raises:
            ConfigError: if nothing may be added to the other.
        """
        at_least(0, weight=weight)
        if STEERED in base.gives:
            raise ConfigError(
                "'objective.base' changes the gradient through z, and would change that of what is added as "
                "well; use objective.base.name=iwae"
            )
        self.base, self.weight, self.schedule = base, weight, schedule
        self.chosen_from = base.chosen_from
        self.needs, self.gives = self.needs | base.needs, self.gives | base.gives

    @property
    def samples(self) -> int:
        """The other's; see `Objective`."""
        return self.base.samples

    @property
    def reads(self) -> tuple[str, str]:
        """The other's; see `Objective`."""
        return self.base.reads

    @property
    def adversary(self) -> Adversary | None:
        """The other's; see `Objective`."""
        return self.base.adversary

    @abc.abstractmethod
    def added(self, state: Pass) -> Tensor:
        """Give what is added for each row of the posterior, before the weight.

        Args:
            state: what the model computed; its batch has as many rows as its posterior.

        Returns:
            Shape `(B,)`.
        """

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`. The diagnostics hold what was added."""
        terms = self.base(state, progress)
        rows, averaged = by_class(state)
        value = averaged(self.added(rows))
        penalty = terms.penalty + self.weight * self.schedule(progress) * value
        return replace(terms, penalty=penalty, diagnostics={**terms.diagnostics, self.measure: value})

    def observe(self, terms: Terms) -> None:
        """Pass on what training saw; see `Objective`."""
        self.base.observe(terms)
