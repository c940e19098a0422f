"""Cells of a table: which are numbers, which hold nothing, which only look like numbers."""

from __future__ import annotations

import numbers
import re
from collections.abc import Sequence

import numpy as np

_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?|nan", re.ASCII | re.IGNORECASE
)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
LEADING_ZERO = re.compile(r"[+-]?0\d", re.ASCII)
"""How a number begins that is a name: a postcode, a telephone number, a key."""
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_ABSENT = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat", "?"})
_EXACT = 1 << 53  # float64 has every whole number up to it


class WrongCell(ValueError):
    """A cell that its column cannot have.

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


def is_absent(cell: str) -> bool:
    """Whether a text stands for a missing number, in one of the usual spellings.

    Args:
        cell: the text.

    Returns:
        True for an empty one, `NA`, `nan`, `null`, `?` and the like.
    """
    return cell.strip().lower() in _ABSENT


def is_missing(value: object) -> bool:
    """Tell whether a cell holds nothing; a word is never nothing, whatever it is.

    Args:
        value: the cell.

    Returns:
        True for None, NaN, what pandas writes for a missing value, and text without a letter.
    """
    if isinstance(value, (str, bytes)):
        return not value.strip()
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating, np.datetime64)) and bool(value != value)


def unusable(value: float) -> str:
    """Put a number that cannot be used into words.

    Args:
        value: NaN, an infinity, or a number beyond float32.

    Returns:
        Its name.
    """
    if np.isnan(value):
        return "NaN"
    return "infinity" if np.isinf(value) else f"{value:g}, too large for float32"


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
        Bool, whole numbers, float32 or float64; NaN where a number is missing, every other one finite.

    Raises:
        WrongCell: at the first cell that is no number, or not finite; and where float64 has no place for a
            whole number.
    """
    values = cells if cells.ndim == 1 and cells.dtype.kind in "buif" else _from_cells(cells)
    if values.dtype.kind == "f":
        values = values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64, copy=False)
        with np.errstate(over="ignore"):
            bad = np.flatnonzero(np.isinf(values.astype(np.float32, copy=False)))
        if len(bad):
            row = int(bad[0])
            raise WrongCell(row, f"is {unusable(float(values[row]))}")
    elif values.dtype.kind in "ui":
        _require_exact(values)
    return values


def read_words(words: Sequence[str]) -> np.ndarray:
    """Give texts as the numbers that they plainly write.

    Args:
        words: the texts.

    Returns:
        float64, NaN for those that write none.
    """
    found = [number(word.strip()) for word in words]
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64)


def is_whole(words: Sequence[str]) -> bool:
    """Whether numbers are all written without a fraction.

    Args:
        words: texts that `number` reads.

    Returns:
        True for digits alone, and a sign before them.
    """
    return all(_WHOLE.fullmatch(word.strip()) for word in words)


def is_rounded(word: str) -> bool:
    """Whether float64 has no place for a whole number.

    Args:
        word: what `number` reads.

    Returns:
        True for some beyond 2^53.
    """
    plain = word.strip()
    return len(plain) > 15 and _WHOLE.fullmatch(plain) is not None and int(float(int(plain))) != int(plain)


def looks_like_number(word: str) -> bool:
    """Whether a text is a number in a way of writing that is not read: 12%, $5, 1_000, 1,5, 0x10.

    Args:
        word: the text, which `number` does not read.

    Returns:
        False for words, and for what begins with a needless 0, which is a name.
    """
    plain = word.strip()
    bare = re.sub(r"[\s_,'’%$€£]", "", plain)
    if DECIMAL_COMMA.fullmatch(plain):
        return True
    if LEADING_ZERO.match(bare):
        return False
    unread = re.fullmatch(r"0x[\da-fA-F]+|\d+", plain) is not None  # digits of another script, too
    return unread or (bare != plain and number(bare) is not None)


def why_not(word: str) -> str:
    """Say why a text is not read as a number.

    Args:
        word: the text.

    Returns:
        What it is, in words.
    """
    short = word if len(word) <= 40 else f"{word[:40]}..."
    return f"is {short!r}, {_why(word.strip())}"


def _from_cells(cells: np.ndarray) -> np.ndarray:
    """Read Python's objects, and texts."""
    words = {cell.strip().lower() for cell in cells if isinstance(cell, str)}
    if words and words <= {"true", "false"} and all(isinstance(cell, str) for cell in cells):
        return np.array([cell.strip().lower() == "true" for cell in cells])
    found = [_value(row, cell) for row, cell in enumerate(cells)]
    if all(isinstance(value, bool) for value in found):
        return np.array(found, dtype=bool)
    for row, value in enumerate(found):
        if isinstance(value, int):
            _require_place(row, value)
    if all(isinstance(value, int) for value in found):
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
    raise WrongCell(row, why_not(text))


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
        raise WrongCell(row, f"is {value}, which float64 can only hold rounded: a key rather than a number")
