"""Known factors of variation: the choices from which each example of a made data set was made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from latentia.core.errors import DataError

ARRAYS = {"latents_classes": "latents_names", "factors": "factor_names"}
"""What arrays of factors are called in files, in order of preference, and the array of their names."""

VALUES = "latents_values"
"""The same factors in units of their own, as dSprites has them beside the classes; not read."""


class Factors(NamedTuple):
    """The factors of all examples.

    Attributes:
        classes: `(N, F)` int64; column f holds the classes 0..n_f-1 of factor f.
        names: what the factors are called, all different.
        values: for each factor what its classes are called; empty where they are just 0..n_f-1.
    """

    classes: np.ndarray
    names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    def labels(self, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Take one factor as labels.

        Args:
            name: the factor, one of `names`.

        Returns:
            Its classes, `(N,)` int64, and what they are called.
        """
        column = self.names.index(name)
        return self.classes[:, column].copy(), self.values[column]


def encode(values: np.ndarray, names: Iterable[str] | None, count: int, where: str) -> Factors:
    """Turn an array of factors into classes.

    A column that does not hold exactly 0, 1, ..., n-1 is coded anew in sorted order, and its classes
    are called after the values.

    Args:
        values: one row for each example and one column for each factor, whole numbers of any type.
        names: what the factors are called, or None for "factor 0", "factor 1", ...
        count: the number of examples.
        where: the array, for error messages.

    Returns:
        The factors.

    Raises:
        DataError: if shape or values are not of this kind, or the names do not fit.
    """
    if values.ndim != 2 or len(values) != count or not values.shape[1]:
        raise DataError(
            f"{where}: has shape {values.shape}; one row for each of the {count} examples and one column "
            "for each factor are needed"
        )
    if not _whole(values):
        raise DataError(
            f"{where}: holds {values.dtype} values that are not all whole numbers; give the class of each "
            "factor as a number 0, 1, ..."
        )
    width = values.shape[1]
    known = tuple(f"factor {number}" for number in range(width)) if names is None else tuple(names)
    if len(known) != width or len(set(known)) < width or not all(known):
        raise DataError(
            f"{where}: has {width} factor{'s' * (width != 1)}, but their names are ({', '.join(known)}); "
            "one name for each, all different, is needed"
        )
    classes = np.empty(values.shape, np.int64)
    called = []
    for column in range(width):
        found, classes[:, column] = np.unique(values[:, column], return_inverse=True)
        plain = np.array_equal(found, np.arange(len(found)))
        called.append(() if plain else tuple(str(int(value)) for value in found))
    return Factors(classes, known, tuple(called))


def _whole(values: np.ndarray) -> bool:
    if values.dtype.kind == "f":
        return bool(np.isfinite(values).all() and (values == np.round(values)).all())
    return values.dtype.kind in "bui"


def read_names(array: np.ndarray, where: str) -> tuple[str, ...]:
    """Read the names of factors.

    Args:
        array: strings or bytes, `(F,)`.
        where: the array, for the error message.

    Returns:
        The names.

    Raises:
        DataError: if it holds something else.
    """
    if array.ndim != 1 or array.dtype.kind not in "SU":
        raise DataError(
            f"{where}: has shape {array.shape} and type {array.dtype}; one string for each factor is needed"
        )
    return tuple(word.decode(errors="replace") if isinstance(word, bytes) else str(word) for word in array)
