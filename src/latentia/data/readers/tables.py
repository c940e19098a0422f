"""Tables: columns of numbers, one of which may hold labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from latentia.core.errors import DataError, MissingExtra, nearest
from latentia.data.layout import Layout
from latentia.data.raw import Options, Raw
from latentia.data.readers import labels as label_codes
from latentia.data.readers.cells import NotANumber, needs_double, read_numbers, type_of

_SURE = ("label", "labels", "class", "classes")
_FEW = 20  # so many different whole numbers may be classes in any table
_EACH = 5  # rows of each class, for numbers called target or y to be classes

Encoded = tuple[np.ndarray, tuple[str, ...]]


def _nowhere(row: int) -> str:
    return ""


@dataclass(frozen=True)
class Table:
    """Columns as they were read.

    Attributes:
        names: what the columns are called.
        column: gives the cells of one, `(N,)`, of any type.
        line: describes where a row, counted from 0, stands in its file.
        notes: guesses that the user should know of.
        left_out: what was not read, and how many of each.
        parts: positions of the splits that the source brings.
    """

    names: tuple[str, ...]
    column: Callable[[str], np.ndarray]
    line: Callable[[int], str] = _nowhere
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.column(self.names[0])) if self.names else 0


def pandas_for(where: str) -> Any:
    """Import pandas.

    Args:
        where: what is to be read.

    Returns:
        The module.

    Raises:
        MissingExtra: if it is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtra("pandas", "tables", f"reading {where}") from error
    return pandas


def from_frame(frame: Any, options: Options, where: str) -> Raw:
    """Take a data frame of pandas, polars or any library with `columns` and `frame[name]`.

    Args:
        frame: the table.
        options: label is used.
        where: what messages call it.

    Returns:
        The numeric columns, `(N, F)`.

    Raises:
        DataError: if a cell is not a finite number, or there is no such label column.
    """
    return from_table(table_of(frame, where), options, where)


def table_of(frame: Any, where: str) -> Table:
    """Give the columns of a data frame.

    Args:
        frame: the frame.
        where: what messages call it.

    Returns:
        Its columns, called by the words of their names.

    Raises:
        DataError: if two are called alike.
    """
    words = [str(name) for name in frame.columns]
    if len(set(words)) < len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise DataError(f"{where}: has two columns '{twice}'; rename one")
    names = dict(zip(words, frame.columns))
    return Table(tuple(words), lambda word: np.asarray(frame[names[word]]))


def from_table(table: Table, options: Options, where: str) -> Raw:
    """Divide a table into numbers and labels.

    Args:
        table: the columns.
        options: label is used: a column, `none`, or None to look for one (see `find_label`).
        where: what messages call the table.

    Returns:
        The other columns, `(N, F)`: float32 where it holds every number as it is, else float64.

    Raises:
        DataError: if a cell is not a finite number, or there is no such label column.
    """
    label, encoded, notes = find_label(table, options.label, where)
    features = [name for name in table.names if name != label]
    if not features:
        raise DataError(f"{where}: has no column of numbers; give at least one")
    columns = [_numbers(table, name, where) for name in features]
    notes = [*table.notes, *notes, *_row_numbers(features, columns)]
    wide = any(map(needs_double, columns))
    x = np.empty((len(columns[0]), len(columns)), dtype=np.float64 if wide else np.float32)
    for place, values in enumerate(columns):
        x[:, place] = values
    labels, label_names = encoded or (None, ())
    return Raw(
        x,
        labels,
        label_names,
        table.parts,
        high=1.0,
        columns=tuple(features),
        layout=Layout(types=tuple(map(type_of, columns))),
        label=label or "",
        left_out=table.left_out,
        notes=tuple(notes),
    )


def find_label(table: Table, asked: str | None, where: str) -> tuple[str | None, Encoded | None, list[str]]:
    """Find the column of labels and encode it.

    Args:
        table: the columns.
        asked: a column, `none`, or None to look for one of a usual name that holds classes.
        where: what messages call the table.

    Returns:
        The column, its codes and their names, or None for both; which columns might have been meant.

    Raises:
        DataError: if there is no such column, or it holds real numbers.
    """
    if asked == label_codes.NO_LABELS and asked not in table.names:
        return None, None, []
    if asked is not None:
        if asked not in table.names:
            raise DataError(f"{where}: has no column '{asked}' for the labels{nearest(asked, table.names)}")
        encoded = label_codes.encode(table.column(asked))
        if encoded is None:
            raise DataError(
                f"{where}: column '{asked}' cannot be labels: it holds numbers that are not whole"
            )
        return asked, encoded, []
    lowered = {name.lower(): name for name in reversed(table.names)}
    passed = []
    for word in label_codes.NAMES:
        name = lowered.get(word)
        if name is None:
            continue
        cells = table.column(name)
        encoded = label_codes.encode(cells)
        if encoded is not None and _are_classes(word, cells, encoded[0], "x" in lowered):
            return name, encoded, []
        passed.append(f"column {name} is taken as numbers")
        if encoded is not None:
            passed[-1] += f" (as labels with data.label={name})"
    return None, None, passed


def holds_classes(cells: np.ndarray) -> bool:
    """Whether a column of any name can be the labels: words, truth values, a few whole numbers.

    Args:
        cells: the column.

    Returns:
        False for real numbers, and for whole numbers of many values.
    """
    encoded = label_codes.encode(cells)
    return encoded is not None and _are_classes("target", cells, encoded[0], beside_x=False)


def _are_classes(word: str, cells: np.ndarray, codes: np.ndarray, beside_x: bool) -> bool:
    """Whether a column of a usual name holds labels, and not quantities or keys.

    Words and truth values do. Whole numbers under `label` or `class` do unless more than half of them differ;
    under `target` or `y` only if there are at most 20 and five rows of each; `y` beside an `x` is a
    coordinate.
    """
    if cells.dtype.kind not in "iuf":
        return True
    classes = len(np.unique(codes[codes >= 0]))
    if word in _SURE:
        return classes <= max(_FEW, len(codes) / 2)
    return classes <= min(_FEW, max(2, len(codes) / _EACH)) and not (word == "y" and beside_x)


def _row_numbers(names: list[str], columns: list[np.ndarray]) -> list[str]:
    """Name the columns that only count the rows: a model learns nothing from them."""
    if len(names) == 1:
        return []
    found = [
        name
        for name, values in zip(names, columns)
        if values.dtype.kind in "iu"
        and len(values) > _FEW
        and int(values.max()) - int(values.min()) == len(values) - 1
        and (np.diff(np.sort(values)) == 1).all()
    ]
    return [f"column {name} counts the rows: drop it if it says nothing" for name in found]


def _numbers(table: Table, name: str, where: str) -> np.ndarray:
    """Give a column's cells as numbers; raise at the first that is not a finite number."""
    try:
        return read_numbers(table.column(name))
    except NotANumber as error:
        fix = f"correct it, drop the column, or make it the labels with data.label={name}"
        raise DataError(
            f"{where}: row {error.row + 1}{table.line(error.row)}, column '{name}' {error.told}; {fix}"
        ) from error
