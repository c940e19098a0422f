"""Numbers as conditions: known factors, or vectors from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.core.errors import ConfigError, DataError, nearest
from latentia.core.registry import register
from latentia.data.conditions.base import Condition, as_rows

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset


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

    @property
    def names(self) -> tuple[str, ...]:
        """What the numbers are called; empty where they have no names."""
        return ()

    def rows(self, values: Any, names: tuple[str, ...] = ()) -> np.ndarray:
        """Read one vector or several, or values by name, in the units of the data; see `Condition`."""
        if isinstance(values, Mapping):
            values = self._by_name(values)
        elif isinstance(values, (list, tuple)) and any(isinstance(one, Mapping) for one in values):
            values = [self._by_name(one) if isinstance(one, Mapping) else one for one in values]
        return self.scaled(as_rows(values, self.size, f"{self.size} numbers"))

    def _by_name(self, values: Mapping[str, Any]) -> list[Any]:
        """Give a vector of values by name: what is not named is at its mean over the training split."""
        for name in values:
            if name not in self.names:
                known = f"no '{name}'{nearest(str(name), self.names)}" if self.names else "no names"
                raise ConfigError(f"the numbers of this condition have {known}; give {self.size} numbers")
        return [values.get(name, mean) for name, mean in zip(self.names, self.mean)]


def _statistics(values: np.ndarray) -> dict[str, list[float]]:
    values = values.astype(np.float64)
    std = values.std(axis=0)
    return {"mean": values.mean(axis=0).tolist(), "std": np.where(std > 0, std, 1.0).tolist()}


@register("condition", "factors")
class Factors(_Standardised):
    """The known factors of variation of an example, as numbers."""

    def __init__(
        self, mean: tuple[float, ...] = (), std: tuple[float, ...] = (), factors: tuple[str, ...] = ()
    ) -> None:
        """Set the scale.

        Args:
            mean: mean of each factor; filled in from the training split.
            std: its standard deviation.
            factors: what the factors are called; filled in from the data.
        """
        super().__init__(mean, std)
        self.factors = factors

    @property
    def names(self) -> tuple[str, ...]:
        """What the factors are called."""
        return self.factors

    @classmethod
    def settings(cls, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
        """Take the scale from the training split; see `Condition`."""
        scale = _statistics(cls._known(dataset)[dataset.splits["train"]])
        named = {"factors": list(dataset.factor_names)} if dataset.factor_names else {}
        return {**scale, **named, **given}

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
