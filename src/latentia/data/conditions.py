"""Conditions: what a conditional model is told of an example beside its data.

A condition turns what the user knows of an example (its label, its known factors, a vector of numbers)
into a row of float32. A row of NaN says that nothing is known.
"""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from latentia.core.errors import ConfigError, DataError, nearest
from latentia.core.needs import LABELS, Words
from latentia.core.registry import register

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset


class Told(np.ndarray):
    """Rows that a model is told, `(n, C)`: made from the user's words once, and never again.

    The type tells them from numbers in the data's units, which are an array of the same shape. Parts of them
    are of that type, too, and so is what they are joined to.
    """

    __array_priority__ = 1.0  # pyright: ignore[reportAssignmentType] - joined, they keep the type


def as_told(rows: np.ndarray) -> Told:
    """Say of rows that they are what a model is told.

    Args:
        rows: what a `Condition` made.

    Returns:
        The same, float32, of the type that says so.
    """
    return np.asarray(rows, dtype=np.float32).view(Told)


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
            values: one value or a list of them, in the user's words; or rows.
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


def _as_rows(values: Any, size: int, what: str) -> np.ndarray:
    """Read one vector or several of a size; of size 1, a list is one number for each."""
    try:
        rows = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the condition must be {what}, not {values!r}") from error
    rows = rows[:, None] if rows.ndim == 1 and size == 1 else np.atleast_2d(rows)
    if rows.ndim != 2 or rows.shape[1] != size:
        raise ConfigError(f"the condition must be {what}, not of shape {np.shape(values)}")
    return rows


@register("condition", "labels")
class Labels(Condition):
    """The class of an example, one-hot; an example without a label has an unknown condition."""

    gives: ClassVar[Words] = frozenset({LABELS})

    def __init__(self, classes: int) -> None:
        """Set the number of classes.

        Args:
            classes: how many; filled in from the data.
        """
        if classes < 1:
            raise ConfigError(f"'condition.classes' must be at least 1, not {classes}")
        self.classes = classes

    @property
    def size(self) -> int:
        """One number for each class."""
        return self.classes

    @classmethod
    def settings(cls, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
        """Count the classes; see `Condition`."""
        if dataset.labels is None:
            raise DataError(
                f"{dataset.name} has no labels to condition on; give data with labels, "
                "condition.name=vectors with a file, or --model vae"
            )
        return {"classes": len(dataset.label_names) or int(dataset.labels.max()) + 1, **given}

    def of(self, dataset: Dataset) -> np.ndarray:
        """Give one-hot rows; see `Condition`."""
        if dataset.labels is None:
            raise DataError(f"{dataset.name} has no labels, and the model is conditioned on them")
        if int(dataset.labels.max()) >= self.classes:
            raise DataError(
                f"{dataset.name} has a label {int(dataset.labels.max())}, and the model knows "
                f"0..{self.classes - 1}"
            )
        rows = np.eye(self.classes, dtype=np.float32)[dataset.labels]
        rows[dataset.labels < 0] = np.nan
        return rows

    def rows(self, values: Any, names: tuple[str, ...] = ()) -> np.ndarray:
        """Read class numbers or names; see `Condition`."""
        if isinstance(values, np.ndarray) and values.ndim == 2:
            return _as_rows(values, self.classes, f"rows of {self.classes} numbers").astype(np.float32)
        asked = values if isinstance(values, (list, tuple, np.ndarray)) else [values]
        return np.eye(self.classes, dtype=np.float32)[[self._number(value, names) for value in asked]]

    def _number(self, value: Any, names: tuple[str, ...]) -> int:
        if str(value) in names:
            return names.index(str(value))
        known = names or tuple(map(str, range(self.classes)))
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = -1
        fractional = isinstance(value, float) and number != value
        if (
            fractional
            or not 0 <= number < self.classes
            or (names and str(value) not in names and isinstance(value, str))
        ):
            shown = f"it knows {', '.join(known)}" if len(known) <= 12 else nearest(str(value), known)[2:]
            raise ConfigError(f"the model knows no label '{value}'; {shown}")
        return number

    def examples(self, names: tuple[str, ...] = ()) -> list[tuple[str, np.ndarray]]:
        """List the classes; see `Condition`."""
        rows = np.eye(self.classes, dtype=np.float32)
        return [(names[i] if i < len(names) else str(i), rows[i]) for i in range(self.classes)]


@register("condition", "some_labels")
class SomeLabels(Labels):
    """The class of some training examples, as many of each class; that of all others is not known.

    Validation and test examples are never given theirs. So few labels would seldom be seen: in training
    the labelled examples are repeated until they are a given share of a pass over the data.
    """

    def __init__(self, classes: int, count: int = 100, draw: int = 0, share: float = 0.3) -> None:
        """Say how many labels are known, and which.

        Args:
            classes: how many classes there are; filled in from the data.
            count: how many labels are known in all.
            draw: which labels: the seed of the draw.
            share: share of the examples in a pass over the training data whose label is known, at least;
                0 repeats none.

        Raises:
            ConfigError: if there is not one label at least for each class, or the share is none.
        """
        super().__init__(classes)
        if count < classes:
            raise ConfigError(
                f"'condition.count' is {count}, and there are {classes} classes; "
                "give one label for each at least"
            )
        if draw < 0:
            raise ConfigError(f"'condition.draw' must not be negative, not {draw}")
        if not 0 <= share < 1:
            raise ConfigError(f"'condition.share' is a share, at least 0 and below 1, not {share}")
        self.count = count
        self.draw = draw
        self.share = share

    @property
    def known(self) -> str:
        """How many labels the model was told, in words; see `Condition`."""
        return f"{self.count:,} labels, draw {self.draw}"

    @classmethod
    def settings(cls, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
        """Count the classes, and the labels that could be shown; see `Condition`."""
        completed = super().settings(dataset, given)
        count = completed.get("count", 100)
        labels = dataset.labels[dataset.splits["train"]]  # pyright: ignore[reportOptionalSubscript]
        known = int((labels >= 0).sum())
        if isinstance(count, int) and count > known:
            raise DataError(
                f"{dataset.name} has {known:,} labelled training examples, and condition.count asks for "
                f"{count:,}; give condition.count={known} at the most"
            )
        return {"count": count, **completed}

    def shown(self, dataset: Dataset) -> np.ndarray:
        """Choose the examples whose label is known: as many of each class, where there are as many.

        Args:
            dataset: the data.

        Returns:
            Positions of training examples, int64, sorted; none in data without labels.
        """
        if dataset.labels is None:
            return np.empty(0, dtype=np.int64)
        generator = np.random.default_rng(self.draw)
        order = generator.permutation(dataset.splits["train"])
        labels = dataset.labels[order]
        # The turn in which an example comes: the first of each class, then the second of each.
        turn = np.full(len(order), -1)
        for place, label in enumerate(generator.permutation(self.classes)):
            at = np.flatnonzero(labels == label)
            turn[at] = np.arange(len(at)) * self.classes + place
        known = np.flatnonzero(turn >= 0)
        return np.sort(order[known[np.argsort(turn[known], kind="stable")][: self.count]])

    def of(self, dataset: Dataset) -> np.ndarray:
        """Give one-hot rows for the labels that are known; see `Condition`."""
        rows = np.full((len(dataset), self.classes), np.nan, dtype=np.float32)
        shown = self.shown(dataset)
        if len(shown):
            rows[shown] = super().of(dataset)[shown]
        return rows

    def training_rows(self, dataset: Dataset) -> np.ndarray:
        """Repeat the examples whose label is known; see `Condition`."""
        train, shown = dataset.splits["train"], self.shown(dataset)
        others = len(train) - len(shown)
        times = round(self.share / (1 - self.share) * others / max(1, len(shown)))
        return np.concatenate([train, np.tile(shown, max(0, times - 1))])


class _Standardised(Condition):
    """Numbers, each brought to mean 0 and standard deviation 1 over the training split."""

    def __init__(self, mean: tuple[float, ...] = (), std: tuple[float, ...] = ()) -> None:
        if not mean or len(mean) != len(std):
            raise ConfigError("'condition.mean' and 'condition.std' need a value for each number")
        self.mean = mean
        self.std = std

    @property
    def size(self) -> int:
        """One number for each value."""
        return len(self.mean)

    def scaled(self, values: np.ndarray) -> np.ndarray:
        return ((values - np.array(self.mean)) / np.array(self.std)).astype(np.float32)

    def rows(self, values: Any, names: tuple[str, ...] = ()) -> np.ndarray:
        """Read one vector or several, in the units of the data; see `Condition`."""
        return self.scaled(_as_rows(values, self.size, f"{self.size} numbers"))


def _statistics(values: np.ndarray) -> dict[str, list[float]]:
    values = values.astype(np.float64)
    std = values.std(axis=0)
    return {"mean": values.mean(axis=0).tolist(), "std": np.where(std > 0, std, 1.0).tolist()}


@register("condition", "factors")
class Factors(_Standardised):
    """The known factors of variation of an example, as numbers."""

    def __init__(self, mean: tuple[float, ...] = (), std: tuple[float, ...] = ()) -> None:
        """Set the scale.

        Args:
            mean: mean of each factor; filled in from the training split.
            std: its standard deviation.
        """
        super().__init__(mean, std)

    @classmethod
    def settings(cls, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
        """Take the scale from the training split; see `Condition`."""
        return {**_statistics(cls._known(dataset)[dataset.splits["train"]]), **given}

    @staticmethod
    def _known(dataset: Dataset) -> np.ndarray:
        if dataset.factors is None:
            raise DataError(f"{dataset.name} has no known factors to condition on")
        return dataset.factors

    def of(self, dataset: Dataset) -> np.ndarray:
        """Give the scaled factors; see `Condition`."""
        known = self._known(dataset)
        if known.shape[1] != self.size:
            raise DataError(f"{dataset.name} has {known.shape[1]} factors, and the model knows {self.size}")
        return self.scaled(known)


@register("condition", "vectors")
class Vectors(_Standardised):
    """A vector for each example from a file: numeric attributes, or embeddings of a text."""

    def __init__(self, path: str, mean: tuple[float, ...] = (), std: tuple[float, ...] = ()) -> None:
        """Name the file and set the scale.

        Args:
            path: a .npy, .npz or .csv file with a row for each example, in the order of the source: the
                training examples, then those of splits that the source brings itself.
            mean: mean of each number; filled in from the training split.
            std: its standard deviation.
        """
        super().__init__(mean, std)
        self.path = path

    @classmethod
    def settings(cls, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
        """Take the scale from the training split; see `Condition`."""
        if "path" not in given:
            raise ConfigError("'condition.path' is missing: give a file with a row for each example")
        path = str(Path(str(given["path"])).resolve())
        values = cls._read(path, dataset)
        return {**_statistics(values[dataset.splits["train"]]), **given, "path": path}

    @staticmethod
    def _read(path: str, dataset: Dataset) -> np.ndarray:
        from latentia.data.readers.plain import read_array

        values = read_array(Path(path))
        values = values.reshape(len(values), -1)
        if len(values) != len(dataset):
            raise DataError(
                f"{path} has {len(values):,} rows, and {dataset.name} has {len(dataset):,} examples"
            )
        if not np.isfinite(values).all():
            raise DataError(f"{path} holds values that are not finite numbers")
        return values

    def of(self, dataset: Dataset) -> np.ndarray:
        """Read the file and scale it; see `Condition`."""
        values = self._read(self.path, dataset)
        if values.shape[1] != self.size:
            raise DataError(
                f"{self.path} has {values.shape[1]} numbers in a row, and the model knows {self.size}"
            )
        return self.scaled(values)
