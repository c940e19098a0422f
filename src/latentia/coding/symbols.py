"""What an example is in a file: whole numbers, and their masses by what an exact decoder gives."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np

from latentia.coding.stages import Stage
from latentia.core.errors import ConfigError


class Symbols(abc.ABC):
    """The symbols of a likelihood.

    Attributes:
        tables: whole numbers by name, which everything is computed by; made by `compute`, and kept.
    """

    tables: dict[str, np.ndarray]

    @abc.abstractmethod
    def compute(self, x: np.ndarray | None) -> dict[str, np.ndarray]:
        """Make the tables.

        Args:
            x: training examples in the data's units, shape `(N, *event)`, or None where there are none.

        Returns:
            Whole numbers by name.
        """

    @abc.abstractmethod
    def of(self, raw: np.ndarray, first: int = 0) -> np.ndarray:
        """Write examples as symbols.

        Args:
            raw: data in their own units, shape `(N, entries)`.
            first: the number of the first one, for messages.

        Returns:
            Whole numbers, int64, those of all `stages` side by side: shape `(N, symbols)`.

        Raises:
            DataError: if a value is none that the likelihood gives a probability.
        """

    @abc.abstractmethod
    def values(self, symbols: np.ndarray, dtype: Any) -> np.ndarray:
        """Give the values that symbols stand for, in the data's units; see `of`.

        Args:
            symbols: what `of` gave.
            dtype: the type to give them in.

        Returns:
            Shape `(N, entries)`.
        """

    @abc.abstractmethod
    def seen(self, symbols: np.ndarray) -> np.ndarray:
        """Give what the encoder reads of examples.

        Args:
            symbols: what `of` gave; what a damaged file gives instead has to be taken, too.

        Returns:
            Whole numbers in float64, in units of 2^-12, shape `(N, ...)`.
        """

    @property
    @abc.abstractmethod
    def reach(self) -> float:
        """The largest absolute value of what `seen` gives."""

    @abc.abstractmethod
    def stages(self, h: np.ndarray) -> list[Stage]:
        """Give the stages by which symbols are coded, of which each knows those before it.

        Args:
            h: what the decoder gives, whole numbers in units of 2^-14, shape `(B, *features)`.

        Returns:
            At least one.
        """

    @abc.abstractmethod
    def header(self) -> dict[str, Any]:
        """Say what the symbols are, of plain values."""


def check_unconditional(model: Any) -> None:
    """Refuse a model with a condition, by which no files are written.

    Args:
        model: the trained model.

    Raises:
        ConfigError: if it has one.
    """
    if model.condition:
        raise ConfigError(
            "a conditional model cannot be coded by: its files would need the conditions as well"
        )
