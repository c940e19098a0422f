"""What a user has done along a training: at steps, lines of the log, validations, and in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from latentia.core.errors import ConfigError


@dataclass(frozen=True)
class Moment:
    """Where a training is.

    Attributes:
        step: steps done.
        steps: steps of the whole training.
        epoch: epochs done, with a fraction.
        model: what is trained, with its weights of now.
        folder: the run folder; None in memory.
    """

    step: int
    steps: int
    epoch: float
    model: nn.Module
    folder: Path | None


class Callback:
    """Does what is asked for along a training; each method may be left out.

    What returns True stops the training: it then is over, with the weights that validation chose.
    """

    def on_step(self, at: Moment) -> bool | None:
        """Be called after each step.

        Args:
            at: where the training is.

        Returns:
            Whether to stop.
        """

    def on_log(self, at: Moment, row: Mapping[str, Any]) -> bool | None:
        """Be called with each line of the log that is about steps.

        Args:
            at: where the training is.
            row: means over the steps since the last line: `loss`, `distortion`, `rate`, ...

        Returns:
            Whether to stop.
        """

    def on_validation(self, at: Moment, row: Mapping[str, Any]) -> bool | None:
        """Be called with what a validation found.

        Args:
            at: where the training is.
            row: means over the validation split: `loss`, `score`, ...

        Returns:
            Whether to stop.
        """

    def on_end(self, at: Moment) -> None:
        """Be called when the training ends, however it does but by an error.

        Args:
            at: where the training is.
        """


Given = Callback | Callable[[Moment, Mapping[str, Any]], Any]


class _AtValidation(Callback):
    """A function that is called at each validation."""

    def __init__(self, function: Callable[[Moment, Mapping[str, Any]], Any]) -> None:
        self.on_validation = function  # pyright: ignore[reportAttributeAccessIssue]


class Callbacks:
    """All callbacks of a training."""

    def __init__(self, given: Sequence[Given], processes: int) -> None:
        """Take them.

        Args:
            given: objects with methods of a `Callback`, or functions, called as its `on_validation`.
            processes: how many train.

        Raises:
            ConfigError: if something is no callback, or several processes train.
        """
        if given and processes > 1:
            raise ConfigError("callbacks are for a training in one process; leave them out under torchrun")
        self._all = [self._one(callback) for callback in given]
        self.each_step = [one for one in self._all if type(one).on_step is not Callback.on_step]

    @staticmethod
    def _one(given: Given) -> Callback:
        if isinstance(given, Callback):
            return given
        if isinstance(given, type) or not callable(given):
            raise ConfigError(
                f"callbacks={given!r}: give an object of a subclass of latentia.training.Callback, or a "
                "function"
            )
        return _AtValidation(given)

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self._all)

    def step(self, at: Moment) -> bool:
        """Tell those that look at every step; see `Callback`."""
        return sum(bool(one.on_step(at)) for one in self.each_step) > 0

    def logged(self, at: Moment, row: Mapping[str, Any]) -> bool:
        """Tell all of a line of the log; see `Callback`."""
        return sum(bool(one.on_log(at, row)) for one in self._all) > 0

    def validated(self, at: Moment, row: Mapping[str, Any]) -> bool:
        """Tell all of a validation; see `Callback`."""
        return sum(bool(one.on_validation(at, row)) for one in self._all) > 0

    def ended(self, at: Moment) -> None:
        """Tell all of the end; see `Callback`."""
        for one in self._all:
            one.on_end(at)
