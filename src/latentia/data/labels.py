"""Labels of any kind become class numbers."""

from __future__ import annotations

import numpy as np

NAMES = ("label", "labels", "class", "classes", "target", "targets", "y")
"""What a column or key of labels is called, in order of preference; case does not matter."""

NO_LABEL = -1

_MISSING_WORDS = frozenset({"", "nan", "none", "<na>", "nat"})


def is_missing(value: object) -> bool:
    """Tell whether a cell of a table holds nothing.

    Args:
        value: the cell: None, NaN, an empty string, or what pandas writes for a missing value.

    Returns:
        True if it stands for a missing value.
    """
    return value is None or str(value).strip().lower() in _MISSING_WORDS


def encode(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """Turn labels into class numbers.

    Whole numbers that are already 0, 1, ..., K-1 stay as they are and have no names. All other
    numbers and all strings become codes in sorted order, named after the value. Missing values
    (None, NaN, an empty string) become -1. So does -1 itself, except where -1 and 1 are the
    only values: those are two classes.

    Args:
        values: one label for each example: `(N,)` or `(N, 1)`, of any type.

    Returns:
        The codes, `(N,)` int64, and their names; None where the values are no classes: arrays,
        or numbers that are not whole.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "buifOSU":
        return None
    if values.dtype.kind in "OSU":
        return _from_words(values)
    if values.dtype.kind == "f":
        present = values[~np.isnan(values)]
        if not (np.isfinite(present).all() and (present == np.round(present)).all()):
            return None
        values = np.where(np.isnan(values), NO_LABEL, values)
    return _from_numbers(values.astype(np.int64))


def _from_numbers(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    found = np.unique(values)
    if not np.array_equal(found, [-1, 1]):
        found = found[found != NO_LABEL]
    if np.array_equal(found, np.arange(len(found))):
        return values, ()
    codes = np.searchsorted(found, values)
    codes[~np.isin(values, found)] = NO_LABEL
    return codes.astype(np.int64), tuple(str(value) for value in found)


def _from_words(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    cells = [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values]
    words = [None if is_missing(cell) else str(cell) for cell in cells]
    names = sorted({word for word in words if word is not None})
    code = {name: number for number, name in enumerate(names)}
    return np.array([NO_LABEL if word is None else code[word] for word in words], dtype=np.int64), tuple(
        names
    )
