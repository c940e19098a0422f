"""What the columns of a table hold, told by their cells; and which of them say nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from latentia.core.errors import DataError
from latentia.data.cells import (
    LEADING_ZERO,
    WrongCell,
    is_absent,
    is_whole,
    looks_like_number,
    read_words,
    why_not,
)
from latentia.data.coding import encode, ends_at_midnight, is_iso, moments
from latentia.data.column import DISCRETE, Column, Kind
from latentia.data.readers.labels import in_order
from latentia.data.series import Cells, cells_of, pandas_for

FEW = 20
"""So many different words are categories however few rows there are, as long as one comes again."""
CATEGORIES = 256
"""So many different words are categories where there are twice as many rows."""
SHARE, MOST = 20, 1000
"""So many are, where there are this many rows of each: and never more than that."""
DECLARED = 10_000
"""Categories that a column has at most, if it is said to be one of categories."""
_DIGITS = 8  # after the point: more are as good as no limit
_KEY = re.compile(r"(^|[\W_])(id|key|uuid|guid|index)$|[a-z](Id|ID|Key)$|^(id|ID|Id)[A-Z_]", re.ASCII)
_MARKS = frozenset(("na", "n/a", "#n/a", "nan", "<na>", "null"))


class Typed(NamedTuple):
    """The columns of a table, told.

    Attributes:
        columns: those that are kept.
        codes: what they hold, `(N,)` each.
        left_out: names of the others by the reason.
        notes: what the user should know of.
    """

    columns: list[Column]
    codes: list[np.ndarray]
    left_out: dict[str, list[str]]
    notes: list[str]


class _LeftOut(Exception):
    """A column of which no model learns anything."""


def tell(
    names: Sequence[str],
    take: Callable[[str], Any],
    asked: Mapping[str, Kind],
    keep: frozenset[str],
    where: str,
    line: Callable[[int], str],
) -> Typed:
    """Find out what each column holds.

    A column is left out, by name, where it says nothing: without values, with one value alone, with a
    different word or key in each row, with numbers that count the rows, with free text, or with values that
    are no cells (lists, complex numbers).

    Args:
        names: what the columns are called.
        take: gives the cells of one.
        asked: the kinds that the user named.
        keep: the columns that are not left out, whatever they hold.
        where: what messages call the table.
        line: describes where a row stands in its file.

    Returns:
        The columns.

    Raises:
        DataError: if a column cannot be what it is asked to be, or a number cannot be used.
    """
    typed = Typed([], [], {}, [])
    read: dict[str, Cells] = {}
    for name in names:
        try:
            read[name] = cells_of(take(name))
        except WrongCell as error:
            raise refusal(where, name, error, line) from error
    marks = _marks(read.values())
    taken: set[str] = set()
    for name, given in read.items():
        cells = _unmarked(given, marks, taken)
        try:
            column = _column(name, cells, asked.get(name), name in keep, typed.notes)
            codes = encode(column, cells)
        except _LeftOut as reason:
            typed.left_out.setdefault(str(reason), []).append(name)
            continue
        except WrongCell as error:
            raise refusal(where, name, error, line) from error
        typed.columns.append(column)
        typed.codes.append(codes)
    if taken:
        words = ", ".join(f"'{word}'" for word in sorted(taken))
        typed.notes.append(f"{words} taken as missing")
    return typed


def refusal(where: str, name: str, error: WrongCell, line: Callable[[int], str]) -> DataError:
    """Say in one line which cell cannot be used, and what helps.

    Args:
        where: what messages call the table.
        name: the column.
        error: the cell.
        line: describes where a row stands in its file.

    Returns:
        The error.
    """
    fix = f"correct it, drop the column (data.drop={name}), or make it the labels with data.label={name}"
    place = f"row {error.row + 1}{line(error.row)}, column '{name}'"
    return DataError(f"{where}: {place} {error.told}; {fix}")


def _marks(columns: Any) -> frozenset[str]:
    """Collect what stands for a missing value: '?', and a mark that stands among the numbers of a column."""
    found = {"?"}
    for cells in columns:
        if cells.form == "words" and not cells.declared:
            absent = [word for word in cells.words if is_absent(word)]
            if absent and _numeric([word for word in cells.words if not is_absent(word)]):
                found.update(word for word in absent if word.strip().lower() in _MARKS)
    return frozenset(found)


def _numeric(words: Sequence[str]) -> bool:
    return bool(words) and not np.isnan(read_words(words)).any()


def _unmarked(cells: Cells, marks: frozenset[str], taken: set[str]) -> Cells:
    """Take the words that mark what is missing out of a column."""
    if cells.form != "words" or cells.declared:
        return cells
    there = [word for word in cells.words if not is_absent(word)]
    numeric = _numeric(there) or (bool(there) and all(map(is_iso, there)))
    gone = np.array([is_absent(word) if numeric else word.strip() in marks for word in cells.words], bool)
    if not gone.any():
        return cells
    taken.update(word.strip() for word, out in zip(cells.words, gone) if out)
    place = np.append(np.where(gone, -1, np.cumsum(~gone) - 1), -1)
    return cells._replace(
        values=place[cells.values], words=tuple(word for word, out in zip(cells.words, gone) if not out)
    )


def _column(name: str, cells: Cells, asked: Kind | None, keep: bool, notes: list[str]) -> Column:
    """Say what a column holds, or why it is left out."""
    if cells.form == "other":
        raise _LeftOut(f"of {cells.dtype}")
    absent = cells.absent
    if absent.all() and len(absent):
        raise _LeftOut("without values")
    column = _asked(name, cells, asked) if asked else _guessed(name, cells)
    if asked or keep or len(absent) < 2:
        return column
    if cells.form == "words" and column.kind in DISCRETE:
        if not cells.declared or len(column.categories) == 1:
            _require_categories(name, cells, notes)
        return column
    values = cells.values[~absent]
    if cells.form == "words":
        values = np.array(cells.words)[values]
    if (values == values[0]).all():
        raise _LeftOut("of one value")
    if (
        column.kind == "integer"
        and cells.form != "words"
        and _counts(name, values.astype(np.float64), len(absent))
    ):
        raise _LeftOut("of keys")
    return column


def _counts(name: str, values: np.ndarray, rows: int) -> bool:
    """Whether whole numbers count the rows from 0 or 1 on, or are keys by their name and mostly different."""
    different = len(np.unique(values))
    counting = different == rows > FEW and values.min() in (0, 1) and values.max() - values.min() == rows - 1
    return counting or (_KEY.search(name) is not None and rows > FEW and 2 * different > len(values))


def _require_categories(name: str, cells: Cells, notes: list[str]) -> None:
    """Leave out words that are keys, free text, or one alone."""
    rows, different = int((cells.values >= 0).sum()), len(cells.words)
    if different == 1:
        raise _LeftOut("of one value")
    numbers = ~np.isnan(read_words(cells.words)) if not cells.declared else np.zeros(different, bool)
    mixed = bool(numbers.any()) and not all(
        LEADING_ZERO.match(word.strip()) for at, word in enumerate(cells.words) if not numbers[at]
    )
    word = next((word for at, word in enumerate(cells.words) if not numbers[at]), "")
    among = f"column {name} has words among numbers ('{word[:20]}')" if mixed else ""
    enough = 2 * different <= rows and (different <= CATEGORIES or different <= min(rows // SHARE, MOST))
    if enough or (different <= FEW and different < rows):
        notes.extend([f"{among}: taken as categories"] * bool(among))
        return
    notes.extend([f"{among}: left out (data.types={name}:real finds the words)"] * bool(among))
    raise _LeftOut("of keys" if different == rows else "of free text")


def _guessed(name: str, cells: Cells) -> Column:
    """Tell what a column holds."""
    if cells.form == "boolean":
        return Column(name, "boolean", cells.dtype)
    if cells.form == "whole":
        return Column(name, "integer", cells.dtype)
    if cells.form == "real":
        return _real(name, cells.values, cells.dtype)
    if cells.form in ("time", "span"):
        return _time(name, cells)
    if cells.declared:
        return Column(name, "ordered" if cells.ordered else "category", "category", cells.words)
    words = cells.words
    if not words:
        return Column(name, "real", "float64")
    if _numeric(words):
        whole = is_whole(words)
        holes = bool((cells.values < 0).any())
        if whole:
            for word in words:
                if abs(int(word)) > 1 << 53 and int(float(int(word))) != int(word):
                    raise WrongCell(
                        int(np.flatnonzero(cells.values == words.index(word))[0]),
                        f"is {word}, which float64 can only hold rounded: a key rather than a number",
                    )
            return Column(name, "integer", "Int64" if holes else "int64")
        values = read_words(words)
        if np.isinf(values.astype(np.float32)).any():
            at = int(np.flatnonzero(np.isinf(values.astype(np.float32)))[0])
            raise WrongCell(
                int(np.flatnonzero(cells.values == at)[0]), "is infinity or too large for float32"
            )
        return _real(name, values, "float64")
    if {word.strip().lower() for word in words} <= {"true", "false"}:
        return Column(name, "boolean", "boolean" if (cells.values < 0).any() else "bool")
    if all(map(is_iso, words)):
        return _time(name, cells)
    numbers = read_words(words)
    signs = [word for word, value in zip(words, numbers) if np.isnan(value)]
    if all(map(looks_like_number, signs)):
        raise WrongCell(int(np.flatnonzero(cells.values == words.index(signs[0]))[0]), why_not(signs[0]))
    return Column(name, "category", cells.dtype, in_order(words))


def _real(name: str, values: np.ndarray, dtype: str, kind: Kind | None = None) -> Column:
    """Count the digits after the point; what has holes and only whole numbers are whole numbers."""
    there = values[~np.isnan(values)]
    if kind is None and len(there) < len(values) and len(there) and (there == np.rint(there)).all():
        return Column(name, "integer", dtype)
    digits = next((at for at in range(_DIGITS + 1) if np.array_equal(np.round(there, at), there)), None)
    return Column(name, "real", dtype, decimals=digits)


def _time(name: str, cells: Cells) -> Column:
    """Begin to count at the first moment, in days where none has a time of day."""
    if cells.form == "span":
        return Column(name, "time", cells.dtype, unit="second")
    values, zone = cells.values, cells.zone
    if cells.form == "words":
        try:
            values, zone = moments(cells.words)
        except ValueError as error:
            raise WrongCell(0, f"holds no dates: {' '.join(str(error).split())[:80]}") from error
    there = values[~np.isnat(values)]
    day = not zone and ends_at_midnight(there)
    origin = np.datetime_as_string(there.min(), unit="D" if day else "s")
    if zone:
        pandas = pandas_for("a column of times")
        try:
            pandas.DatetimeTZDtype("ns", zone)
        except (TypeError, KeyError, ValueError):  # a zone without a name
            zone = "UTC"
    return Column(name, "time", cells.dtype, origin=str(origin), unit="day" if day else "second", zone=zone)


def _asked(name: str, cells: Cells, kind: Kind) -> Column:
    """Take a column as what the user says that it is; `encode` refuses a cell that cannot be."""
    if kind in DISCRETE:
        return _chosen(name, cells, kind)
    moment = cells.form in ("time", "span")
    if kind == "time":
        strange = next((word for word in cells.words if not is_iso(str(word))), None)
        if not moment and (cells.form != "words" or strange is not None):
            held = "numbers" if strange is None else repr(strange)
            raise WrongCell(0, f"holds {held}, and data.types asks for times: dates in ISO 8601")
        return _time(name, cells)
    if moment:
        raise WrongCell(0, "holds times, and data.types asks for numbers")
    own = cells.form if cells.form != "words" else ""
    holes = bool(cells.absent.any())
    if kind == "boolean":
        return Column(name, kind, cells.dtype if own == "boolean" else "boolean" if holes else "bool")
    if kind == "integer":
        return Column(name, kind, cells.dtype if own in ("whole", "real") else "Int64" if holes else "int64")
    values = cells.values if own else read_words(tuple(map(str, cells.words)))
    return _real(name, values.astype(np.float64), cells.dtype if own == "real" else "float64", kind)


def _chosen(name: str, cells: Cells, kind: Kind) -> Column:
    """Take the different values of a column as its categories, in their order."""
    if cells.form in ("time", "span"):
        raise WrongCell(0, f"holds times, and data.types asks for a {kind}")
    if cells.form == "words":
        words = cells.words if cells.declared else in_order(cells.words)
    else:
        values = np.unique(cells.values[~cells.absent])
        words = tuple(values.astype(bool).tolist() if cells.form == "boolean" else values.tolist())
    if len(words) > DECLARED:
        raise WrongCell(0, f"has {len(words):,} different values; a category has at most {DECLARED:,}")
    return Column(name, kind, cells.dtype, words)
