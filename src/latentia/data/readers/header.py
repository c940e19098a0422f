"""Whether the first line of a table holds names: it is compared with the lines below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from latentia.data.cells import is_absent, number
from latentia.data.raw import Options

SAMPLE = 1000
"""Lines that the first one is compared with, at most."""
_CELLS = 100_000  # fewer lines of many cells
_RARE = 0.01  # lines like the first one are rare below this share
_MOSTLY = 0.9  # of a column's cells, for the column to be one of numbers


class Guess(NamedTuple):
    """What the first line is taken for.

    Attributes:
        named: it holds the names of the columns.
        doubt: it could have been the other; the summary says so.
    """

    named: bool
    doubt: bool = False


def decide(
    first: Sequence[str], rows: Sequence[Sequence[str]], options: Options
) -> tuple[bool, tuple[str, ...]]:
    """Say whether the first line holds names: as `options.header` says, or as it looks.

    Args:
        first: the cells of the first line.
        rows: those of lines below it.
        options: header is used, and expected: a line that has half of the names that are expected is one of
            names, however few lines there are to compare it with.

    Returns:
        Whether it does, and what is to be said of the guess.
    """
    if options.header is not None:
        return options.header, ()
    known = set(options.expected)
    numbered = known == set(map(str, range(len(known))))  # as columns without names are called
    if known and not numbered and 2 * len(known.intersection(cell.strip() for cell in first)) >= len(known):
        return True, ()
    found = guess(first, rows)
    return found.named, (doubt(found.named),) * found.doubt


def guess(first: Sequence[str], rows: Sequence[Sequence[str]]) -> Guess:
    """Tell names from data.

    1. A word over a column of numbers is a name.
    2. Numbers over columns of numbers are names where they rise or fall from column to column, and either
       each is further from its column than that is wide (years over counts, wavelengths over intensities),
       or they are in equal steps as hardly a line below is, or whole over columns of decimals.
    3. A line of words alone holds names, unless one of them stands in its column again.
    4. Every other line is data: no row is lost.

    There is a doubt where equal steps are all that speaks for names, and where data might be names: a word
    that its column does not have again beside whole numbers, or whole numbers over decimals.

    Args:
        first: the cells of the first line.
        rows: those of lines below it.

    Returns:
        The guess.
    """
    cells = [cell.strip() for cell in first]
    rows = rows[: max(50, _CELLS // max(1, len(cells)))]
    below = [[row[at].strip() for row in rows if at < len(row)] for at in range(len(cells))]
    words = [at for at, cell in enumerate(cells) if number(cell) is None and not is_absent(cell)]
    if any(_is_numeric(below[at]) for at in words):
        return Guess(True)
    values = {at: value for at, cell in enumerate(cells) if (value := number(cell)) is not None}
    if not values:
        return Guess(not any(cells[at] in below[at] for at in words))
    counted = [at for at in values if _is_numeric(below[at])]
    whole = all(cells[at].lstrip("+-").isdigit() for at in values)
    decimals = whole and bool(counted) and all(_has_decimals(below[at]) for at in counted)
    if len(counted) > 1:
        found = _numbers_as_names(np.array([values[at] for at in counted]), _body(rows, counted), decimals)
        if found.named:
            return found
    unseen = bool(words) and all(cells[at] not in below[at] for at in words)
    return Guess(False, doubt=decimals or (unseen and whole))


def doubt(named: bool) -> str:
    """Say that the first line may be something else.

    Args:
        named: what it was taken for.

    Returns:
        A few words, with the setting.
    """
    taken, other, word = ("names", "data", "false") if named else ("data", "names", "true")
    return f"first line read as {taken} (data.header={word} if it is {other})"


def is_index(cells: Sequence[str]) -> bool:
    """Whether a column without a name counts or names the rows, as pandas writes them.

    Args:
        cells: those below the first line.

    Returns:
        True for words, and for whole numbers or numbers that are all different.
    """
    values = [number(cell.strip()) for cell in cells if not is_absent(cell)]
    if None in values:
        return True
    if len(values) < len(cells) or not np.isfinite(np.array(values, dtype=np.float64)).all():
        return False
    return len(set(values)) == len(values) or all(
        value == round(value) for value in values if value is not None
    )


def _is_numeric(cells: Sequence[str]) -> bool:
    present = [cell for cell in cells if not is_absent(cell)]
    return bool(present) and sum(number(cell) is not None for cell in present) >= _MOSTLY * len(present)


def _has_decimals(cells: Sequence[str]) -> bool:
    """Whether most cells are written with a fraction."""
    return sum(bool(re.search(r"[.eE]", cell)) for cell in cells) > len(cells) / 2


def _numbers_as_names(names: np.ndarray, body: np.ndarray, decimals: bool) -> Guess:
    """Compare a line of numbers with the lines of numbers below it."""
    steps = np.diff(names)
    if not np.isfinite(names).all() or not ((steps > 0).all() or (steps < 0).all()):
        return Guess(False)
    if _far(names, body):
        return Guess(True)
    even = bool(_equal(steps[None])[0])
    counting = even and names[0] in (0, 1) and steps[0] == 1
    if len(names) == 2:  # two numbers are always in equal steps
        return Guess(counting and decimals, doubt=counting and decimals)
    unlike = _share(_equal(np.diff(body, axis=1)) if even else _rising(body)) < _RARE
    return Guess(unlike and (decimals or counting or (even and len(names) > 4)), doubt=not decimals)


def _body(rows: Sequence[Sequence[str]], at: Sequence[int]) -> np.ndarray:
    cells = [[row[place].strip() if place < len(row) else "" for place in at] for row in rows]
    values = [[np.nan if (value := number(cell)) is None else value for cell in row] for row in cells]
    return np.array(values, dtype=np.float64).reshape(len(rows), len(at))


def _far(names: np.ndarray, body: np.ndarray) -> bool:
    """Whether every number is further from its column than the column is wide."""
    if len(body) < 3 or not np.isfinite(body).any(axis=0).all():
        return False
    low, high = np.nanmin(body, axis=0), np.nanmax(body, axis=0)
    width = high - low
    away = np.maximum(low - names, names - high)
    return bool((away > width).all() and (width > 0).any())


def _rising(body: np.ndarray) -> np.ndarray:
    steps = np.diff(body, axis=1)
    return np.asarray((steps > 0).all(axis=1) | (steps < 0).all(axis=1))


def _equal(steps: np.ndarray) -> np.ndarray:
    first = steps[:, :1]
    return (np.abs(steps - first) <= 1e-6 * np.abs(first)).all(axis=1) & (first[:, 0] != 0)


def _share(alike: np.ndarray) -> float:
    return float(alike.mean()) if len(alike) else 0.0
