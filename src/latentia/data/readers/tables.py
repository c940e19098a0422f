"""Tables: columns of numbers, words and times, one of which may hold labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from latentia.core.errors import ConfigError, DataError, Note, nearest
from latentia.core.extras import optional
from latentia.data.layout import Layout
from latentia.data.raw import Options, Raw
from latentia.data.readers import labels as label_codes
from latentia.data.readers import typing
from latentia.data.schema import Column, Schema, coded, ignored, require_columns, stacked
from latentia.data.series import from_arrow, plain

TAKES = frozenset({"label", "shape", "columns", "drop", "types"})
"""The settings of `load` that mean something to a table."""

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
        column: gives the cells of one: an array, or a series of pandas.
        line: describes where a row, counted from 0, stands in its file.
        notes: guesses that the user should know of.
        left_out: what was not read, and how many of each.
        parts: positions of the splits that the source brings.
    """

    names: tuple[str, ...]
    column: Callable[[str], Any]
    line: Callable[[int], str] = _nowhere
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.column(self.names[0])) if self.names else 0

    def cells(self, name: str) -> np.ndarray:
        """Give the cells of a column as numpy has them.

        Args:
            name: the column.

        Returns:
            Shape `(N,)`, NaN where a number is missing.
        """
        return plain(self.column(name))


def from_frame(frame: Any, options: Options, where: str) -> Raw:
    """Take a data frame of pandas, polars, pyarrow or any library with `columns` and `frame[name]`.

    Args:
        frame: the table.
        options: label, columns, drop and types are used.
        where: what messages call it.

    Returns:
        Its columns as numbers, `(N, F)`.

    Raises:
        DataError: if a cell cannot be used, or there is no such column.
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
        MissingExtra: if another library's frame needs a package that is not installed.
    """
    if hasattr(frame, "to_pandas"):  # polars and pyarrow
        optional("pyarrow", "tables", f"reading {where}")
        frame = from_arrow(frame.to_arrow() if hasattr(frame, "to_arrow") else frame, where)
    words = [str(name) for name in frame.columns]
    if len(set(words)) < len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise DataError(f"{where}: has two columns '{twice}'; rename one")
    names = dict(zip(words, frame.columns))
    return Table(tuple(words), lambda word: frame[names[word]])


def from_table(table: Table, options: Options, where: str) -> Raw:
    """Write the columns of a table as numbers, and take one for the labels.

    Args:
        table: the columns.
        options: label: a column, `none`, or None to look for one (see `find_label`); columns, drop and types;
            and schema, where the table is to be read as another one was.
        where: what messages call the table.

    Returns:
        The other columns, `(N, F)`: float32 where it holds every number as it is, else float64.

    Raises:
        DataError: if a cell cannot be used, or there is no such column.
        ConfigError: if a setting names a column that is not there.
    """
    if options.schema is not None:
        return _as_before(table, options.schema, options.label, where)
    every, table = table.names, _chosen(table, options, where)
    label, encoded, notes = find_label(table, options.label, where)
    features = [name for name in table.names if name != label]
    if not features:
        raise DataError(f"{where}: has no column but {label or 'none'}; give at least one")
    asked = dict(options.types)
    # Pixels are not looked at one by one: one that never changes is one still.
    keep = frozenset(features) if options.shape else frozenset((*options.columns, *asked))
    typed = typing.tell(features, table.column, asked, keep, where, table.line)
    if not typed.columns:
        listed = "; ".join(f"{', '.join(names[:5])} {what}" for what, names in typed.left_out.items())
        raise DataError(
            f"{where}: has no column that a model could learn from ({listed}); name one with data.columns"
        )
    left_out = {
        f"column{'s' * (len(names) > 1)} {what} ({', '.join(names[:5])}{', ...' * (len(names) > 5)})": len(
            names
        )
        for what, names in typed.left_out.items()
    }
    kept = {column.name for column in typed.columns}
    passed = tuple(name for name in every if name not in kept and name != label)
    labels, label_names = encoded or (None, ())
    raw = _raw(table, Schema(tuple(typed.columns), passed), stacked(typed.columns, typed.codes))
    return replace(
        raw,
        labels=labels,
        label_names=label_names,
        label=label or "",
        left_out={**table.left_out, **left_out},
        notes=(*table.notes, *notes, *typed.notes),
    )


def _raw(table: Table, schema: Schema, x: np.ndarray) -> Raw:
    types = tuple(_type_of(column) for column in schema.columns)
    return Raw(
        x, parts=table.parts, high=1.0, columns=schema.names, layout=Layout(types=types), schema=schema
    )


def _type_of(column: Column) -> str:
    """Name the type of numpy in which a column's codes are given back."""
    if column.kind in ("boolean", "integer"):
        return "bool" if column.kind == "boolean" else "uint64" if column.dtype == "uint64" else "int64"
    return "float32" if column.kind == "real" and column.dtype == "float32" else "float64"


def _chosen(table: Table, options: Options, where: str) -> Table:
    """Take the columns that the settings name, or leave out those that they name."""
    for setting, names in {
        "columns": options.columns,
        "drop": options.drop,
        "types": [name for name, _ in options.types],
    }.items():
        for name in names:
            if name not in table.names and not options.inherited:
                raise ConfigError(
                    f"data.{setting}: {where} has no column '{name}'{nearest(name, table.names)}"
                )
    gone = [name for name in options.drop if name in table.names]
    wanted = set(options.columns) or set(table.names)
    if options.label is not None:
        wanted.add(options.label)
    kept = tuple(name for name in table.names if name in wanted and name not in gone)
    left_out = dict(table.left_out)
    if len(kept) < len(table.names):
        setting = "data.columns" if options.columns else "data.drop"
        left_out[f"column{'s' * (len(table.names) - len(kept) > 1)} by {setting}"] = len(table.names) - len(
            kept
        )
    return replace(table, names=kept, left_out=left_out)


def _as_before(table: Table, schema: Schema, asked: str | None, where: str) -> Raw:
    """Read a table as another one was read: the same columns, found by name, of the same kinds."""
    notes = list(table.notes)
    nameless = tuple(str(at) for at in range(len(schema)))
    named = dict(zip(table.names, table.names))
    if table.names != schema.names and nameless in (table.names, schema.names) and len(named) == len(schema):
        named = dict(zip(schema.names, table.names))
        words = schema.names if table.names == nameless else table.names
        notes.append(f"{where}: columns without names are taken in their order: {', '.join(words[:12])}")
    require_columns(schema.names, tuple(named), where)
    others = tuple(name for name in named if name not in schema.names)
    label, encoded, _ = find_label(replace(table, names=others), asked if asked in others else None, where)
    if asked is not None and asked not in others:
        label, encoded = None, None
    x = coded(schema.columns, lambda name: table.column(named[name]), where, table.line)
    extra = [name for name in others if name != label and name not in schema.ignored]
    if extra:
        notes.append(ignored(extra, where))
    for note in notes[len(table.notes) :]:
        warnings.warn(note, Note, stacklevel=2)
    labels, names = encoded or (None, ())
    raw = _raw(table, schema, x)
    return replace(
        raw, labels=labels, label_names=names, label=label or "", left_out=table.left_out, notes=tuple(notes)
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
        encoded = label_codes.encode(table.cells(asked))
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
        cells = table.cells(name)
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
