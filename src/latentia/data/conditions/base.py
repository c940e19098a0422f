"""Conditions: what a conditional model is told of an example beside its data.

A condition turns what the user knows of an example (its label, its known factors, a vector of numbers)
into a row of float32. A row of NaN says that nothing is known.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from latentia.core.errors import ConfigError
from latentia.core.needs import Words

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset


class ConditionRows(np.ndarray):
    """Conditions as a model takes them, `(n, C)`: made from the user's words once, and never again.

    The type tells them from numbers in the data's units, which are an array of the same shape. Parts of them
    are of that type, too, and so is what they are joined to.
    """

    __array_priority__ = 1.0  # pyright: ignore[reportAssignmentType] - joined, they keep the type


def as_condition_rows(rows: np.ndarray) -> ConditionRows:
    """Say of rows that they are what a model takes.

    Args:
        rows: what a `Condition` made.

    Returns:
        The same, float32, of the type that says so.
    """
    return np.asarray(rows, dtype=np.float32).view(ConditionRows)


class Condition(abc.ABC):
    """A map from what is known of an example to a row of numbers."""

    kind: ClassVar[str] = "condition"
    gives: ClassVar[Words] = frozenset()
    """`LABELS` where it is a label; see `latentia.core.needs`."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """How many numbers a row has."""

    @property
    def known(self) -> str:
        """How much the model was told in training, in words."""
        return "every condition"

    @classmethod
    @abc.abstractmethod
    def settings(cls, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
        """Fill in what the constructor needs to know of the data.

        Args:
            dataset: the data.
            given: the settings so far.

        Returns:
            The settings, completed.

        Raises:
            DataError: if the data have no such condition.
        """

    @abc.abstractmethod
    def of(self, dataset: Dataset) -> np.ndarray:
        """Give the row of every example.

        Args:
            dataset: the data.

        Returns:
            Shape `(N, size)`, float32.

        Raises:
            DataError: if the data have no such condition, or another one than the model was trained with.
        """

    def training_rows(self, dataset: Dataset) -> np.ndarray:
        """Give the examples of one pass over the training split; some may stand there more than once.

        Args:
            dataset: the data.

        Returns:
            Positions into the data, int64.
        """
        return dataset.splits["train"]

    @abc.abstractmethod
    def rows(self, values: Any, names: tuple[str, ...] = ()) -> np.ndarray:
        """Turn what a user gives into rows.

        Args:
            values: one value or several, in the user's words; a list, an array, or what numpy makes one of.
            names: what the classes are called.

        Returns:
            Shape `(n, size)`, float32.

        Raises:
            ConfigError: for a value that the model does not know.
        """

    def examples(self, names: tuple[str, ...] = ()) -> list[tuple[str, np.ndarray]]:
        """List the conditions worth showing side by side.

        Args:
            names: what the classes are called.

        Returns:
            A word and a row, shape `(size,)`, for each; empty where there is no finite list.
        """
        return []


def as_rows(values: Any, size: int, what: str) -> np.ndarray:
    """Read one vector or several of a size; of size 1, a list is one number for each."""
    try:
        rows = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"the condition must be {what}, not {values!r}") from error
    rows = rows[:, None] if rows.ndim == 1 and size == 1 else np.atleast_2d(rows)
    if rows.ndim != 2 or rows.shape[1] != size:
        raise ConfigError(f"the condition must be {what}, not of shape {rows.shape}")
    if not (np.isfinite(rows) | np.isnan(rows).all(axis=1, keepdims=True)).all():
        raise ConfigError("the condition must be of finite numbers, or a row of NaN where it is not known")
    return rows
