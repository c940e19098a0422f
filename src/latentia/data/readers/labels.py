"""Labels of any kind become class numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from latentia.data.cells import is_absent, is_missing

NAMES = ("label", "labels", "class", "classes", "target", "targets", "y")
"""What a column or key of labels is called, in order of preference; case does not matter."""

NO_LABEL = -1

NO_LABELS = "none"
"""What `data.label` says where nothing shall be the labels."""

_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)


def encode(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """Turn labels into class numbers.

    Whole numbers that are already 0, 1, ..., K-1 stay as they are and have no names. All other
    numbers and all strings become codes in sorted order, named after the value: words that are whole numbers
    by their number, such as 2 before 10, others by their letters. Strings stay as written, "007" and "none"
    too. Missing values (None, NaN, an empty string; a spelling such as "NA" where all others are numbers)
    become -1. So does the number -1 itself, except where -1 and 1 are the only values: those are two classes.

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
    if values.dtype.kind == "b":
        return values.astype(np.int64), ("False", "True")
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
    named = {word for word in words if word is not None and not is_absent(word)}
    if named and all(_WHOLE.fullmatch(word) for word in named):
        words = [None if word is None or is_absent(word) else word for word in words]
    names = in_order({word for word in words if word is not None})
    code = {name: number for number, name in enumerate(names)}
    return np.array([NO_LABEL if word is None else code[word] for word in words], dtype=np.int64), names


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort the names of classes.

    Args:
        names: all different.

    Returns:
        By number where all are whole numbers, else by their letters.
    """
    every = list(names)
    numeric = all(map(_WHOLE.fullmatch, every))
    return tuple(sorted(every, key=lambda name: (int(name), name) if numeric else (0, name)))
