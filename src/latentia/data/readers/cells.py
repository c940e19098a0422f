"""Cells of a table: which are numbers, which hold nothing, which only look like numbers."""

from __future__ import annotations

import numbers
import re

import numpy as np

from latentia.data.readers.labels import is_absent, is_missing
from latentia.data.readers.values import unusable

_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?|nan", re.ASCII | re.IGNORECASE
)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
LEADING_ZERO = re.compile(r"[+-]?0\d", re.ASCII)
"""How a number begins that is a name: a postcode, a telephone number, a key."""
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_EXACT = 1 << 53  # float64 has every whole number up to it
_SINGLE = 1 << 24  # and float32 up to this one


class NotANumber(ValueError):
    """A cell that a column of numbers cannot have.

    Attributes:
        row: where it is, counted from 0.
        told: what it is, in words.
    """

    def __init__(self, row: int, told: str) -> None:
        """Note the cell.

        Args:
            row: where it is, counted from 0.
            told: what it is, in words.
        """
        super().__init__(told)
        self.row = row
        self.told = told


def number(cell: str) -> float | None:
    """Read a number as it is plainly written: digits, one decimal point, an exponent.

    Args:
        cell: the text, without spaces around it.

    Returns:
        The number; None for everything else, such as `1_000`, `0x10`, `12%`, `1,5` and `007`.
    """
    if _NUMBER.fullmatch(cell) is None or LEADING_ZERO.match(cell):
        return None
    return float(cell)


def read_numbers(cells: np.ndarray) -> np.ndarray:
    """Give a column's cells as numbers, in the narrowest of the types that hold them as they are.

    Args:
        cells: those of one column, `(N,)`, of any type.

    Returns:
        Bool, whole numbers, float32 or float64; every one of them finite.

    Raises:
        NotANumber: at the first cell that is missing, no number, or not finite; and where float64 has no
            place for a whole number.
    """
    values = cells if cells.ndim == 1 and cells.dtype.kind in "buif" else _from_cells(cells)
    if values.dtype.kind == "f":
        values = values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64, copy=False)
        with np.errstate(over="ignore"):
            bad = np.flatnonzero(~np.isfinite(values.astype(np.float32, copy=False)))
        if len(bad):
            row = int(bad[0])
            text = (
                f" or empty ({cells[row]!r})" if isinstance(cells[row], str) and cells[row] else " or empty"
            )
            raise NotANumber(row, f"is {unusable(float(values[row]))}{text * bool(np.isnan(values[row]))}")
    elif values.dtype.kind in "ui":
        _require_exact(values)
    return values


def needs_double(values: np.ndarray) -> bool:
    """Whether float32 would take digits from numbers.

    Args:
        values: a column that `read_numbers` gave.

    Returns:
        True for float64, and for whole numbers beyond 2^24.
    """
    if values.dtype.kind in "ui":
        return bool(values.size) and not -_SINGLE <= int(values.min()) <= int(values.max()) <= _SINGLE
    return values.dtype == np.float64


def type_of(values: np.ndarray) -> str:
    """Name the type in which a column's values are given back.

    Args:
        values: a column that `read_numbers` gave.

    Returns:
        numpy's name: bool, int64, uint64, float32 or float64.
    """
    return values.dtype.name if values.dtype.kind in "bf" or values.dtype == np.uint64 else "int64"


def _from_cells(cells: np.ndarray) -> np.ndarray:
    """Read Python's objects, and texts."""
    words = {cell.strip().lower() for cell in cells if isinstance(cell, str)}
    if words and words <= {"true", "false"} and all(isinstance(cell, str) for cell in cells):
        return np.array([cell.strip().lower() == "true" for cell in cells])
    found = [_value(row, cell) for row, cell in enumerate(cells)]
    if all(isinstance(value, bool) for value in found):
        return np.array(found, dtype=bool)
    if all(isinstance(value, int) for value in found):
        for row, value in enumerate(found):
            _require_place(row, int(value))
        wide = any(abs(value) >= 1 << 63 for value in found)
        return np.array(found, dtype=np.float64 if wide else np.int64)
    return np.array(found, dtype=np.float64)


def _value(row: int, cell: object) -> int | float:
    """Read one cell; NaN for a missing one."""
    if is_missing(cell):
        return np.nan
    if isinstance(cell, (bool, np.bool_)):
        return bool(cell)
    if isinstance(cell, numbers.Integral):
        return int(cell)
    if isinstance(cell, numbers.Number) and not isinstance(cell, complex):
        return float(cell)  # type: ignore[arg-type] - Decimal and Fraction, too
    text = cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)
    plain = text.strip()
    if isinstance(cell, (str, bytes)):
        if is_absent(plain):
            return np.nan
        value = number(plain)
        if value is not None:
            return int(plain) if _WHOLE.fullmatch(plain) else value
    short = text if len(text) <= 40 else f"{text[:40]}..."
    raise NotANumber(row, f"is {short!r}, {_why(plain)}")


def _why(plain: str) -> str:
    if LEADING_ZERO.match(plain) and _NUMBER.fullmatch(plain):
        return "which begins with 0: a name of digits (a postcode, a key), not a number"
    if DECIMAL_COMMA.fullmatch(plain):
        return "not a finite number (a comma, for decimals or thousands); write it with a point"
    return "not a finite number"


def _require_exact(values: np.ndarray) -> None:
    for row in np.flatnonzero((values > _EXACT) | (values < -_EXACT)):
        _require_place(int(row), int(values[row]))


def _require_place(row: int, value: int) -> None:
    if abs(value) > _EXACT and int(float(value)) != value:
        raise NotANumber(row, f"is {value}, which float64 can only hold rounded: a key rather than a number")
