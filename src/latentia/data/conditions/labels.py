"""Labels as conditions: all of them, or a few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from latentia.core.errors import ConfigError, DataError, nearest
from latentia.core.needs import LABELS, Words
from latentia.core.registry import register
from latentia.data.conditions.base import Condition, as_rows

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset


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
        if hasattr(values, "__array__"):
            values = np.asarray(values)
            # Shares of the classes, such as one-hot rows; labels are whole numbers or names.
            one = values.dtype.kind == "f" and values.shape == (self.classes,)
            if one or values.ndim == 2:
                return as_rows(values, self.classes, f"rows of {self.classes} numbers").astype(np.float32)
            values = values.tolist()
        labels = values if isinstance(values, (list, tuple)) else [values]
        numbers = np.array([self._number(label, names) for label in labels], np.int64)
        return np.eye(self.classes, dtype=np.float32)[numbers]

    def _number(self, value: Any, names: tuple[str, ...]) -> int:
        if str(value) in names:
            return names.index(str(value))
        known = names or tuple(map(str, range(self.classes)))
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            number = -1
        fractional = isinstance(value, float) and number != value
        if (
            fractional
            or not 0 <= number < self.classes
            or (names and str(value) not in names and isinstance(value, str))
        ):
            shown = f"it knows {', '.join(known)}" if len(known) <= 12 else nearest(str(value), known)[2:]
            raise ConfigError(f"the model knows no label '{str(value)[:60]}'; {shown}")
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
