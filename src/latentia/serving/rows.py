"""Rows of a table as JSON has them: objects that hold the values of columns by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from latentia.core.event import Event
from latentia.data.coding import decode
from latentia.data.column import Column
from latentia.data.dataset import Dataset
from latentia.data.matching import matched
from latentia.data.readers.plain import texts
from latentia.data.record import DataRecord
from latentia.data.schema import Schema, coded, ignored, require_columns
from latentia.serving.errors import Refusal

WHERE = "the rows given"
"""What messages call the rows."""


class Given(NamedTuple):
    """Examples that were read.

    Attributes:
        x: shape `(N, *event)`, NaN where a value is missing.
        named: whether they were objects, and are to be answered with such.
        notes: what was done with them, a line each.
    """

    x: np.ndarray
    named: bool = False
    notes: tuple[str, ...] = ()


def is_rows(value: Any) -> bool:
    """Whether something is an object, or a list that begins with one.

    Args:
        value: what was sent.

    Returns:
        True for `{"age": 39}` and `[{"age": 39}, ...]`.
    """
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def read(value: Any, record: DataRecord, event: Event) -> Given:
    """Read rows as the table of a run has them: columns by name, in any order.

    Args:
        value: an object, or a list of such; null where a value is missing.
        record: what the run was trained on.
        event: what one of its examples is.

    Returns:
        The rows; a column that the run does not know is ignored, with a note.

    Raises:
        Refusal: if the run has no columns, or one of the list is no object or lacks a column.
    """
    schema = record.reading
    if schema is None or event.kind != "vector" or len(schema) != event[0]:
        raise Refusal("the examples of this run are no rows of named columns; give numbers in nested lists")
    objects = value if isinstance(value, list) else [value]
    for at, row in enumerate(objects):
        if not isinstance(row, dict):
            raise Refusal(f"{WHERE}: number {at + 1} is no object, and others are; give objects alone")
    there = list(dict.fromkeys(name for row in objects for name in row))
    require_columns(schema.names, there, WHERE)
    for at, row in enumerate(objects):
        gone = [name for name in schema.names if name not in row]
        if gone:
            raise Refusal(f"{WHERE}: number {at + 1} has no '{gone[0]}'; give null where a value is missing")
    columns = {column.name: column for column in schema.columns}
    x = coded(
        schema.columns, lambda name: _cells(columns[name], [row[name] for row in objects]), WHERE
    ).astype(np.float64)
    known = {*schema.names, *schema.ignored, record.label}
    others = [name for name in there if name not in known]
    notes = (ignored([str(name)[:60] for name in others], WHERE),) if others else ()
    data = Dataset("rows", "memory", x, {}, columns=schema.names, schema=record.schema, notes=notes)
    found = matched(data, record, event)
    return Given(np.asarray(found.x), True, found.notes)


def objects(x: np.ndarray, schema: Schema, *, clip: bool = False) -> list[dict[str, Any]]:
    """Give rows as objects, in the types of the table.

    Whole numbers, numbers, truth values and texts are JSON's; dates and times are texts in ISO 8601, spans
    of time are seconds, and null is what is missing.

    Args:
        x: the codes, shape `(N, F)`.
        schema: what the columns hold.
        clip: keep numbers and times within the ends of the training split, as rows that are made up.

    Returns:
        One for each row.
    """
    columns = [_values(column, x[:, at], clip) for at, column in enumerate(schema.columns)]
    return [dict(zip(schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def example(schema: Schema) -> dict[str, Any]:
    """Give a row that the table could hold: the middle of numbers and times, and the first category.

    Args:
        schema: what the columns hold.

    Returns:
        The object.
    """
    middle = [(column.low + column.high) / 2 if column.numeric else 0.0 for column in schema.columns]
    return objects(np.array([middle]), schema)[0]


def described(schema: Schema) -> list[dict[str, Any]]:
    """Say what the columns hold, for other programs.

    Args:
        schema: what they hold.

    Returns:
        Of each its `name`, its `kind`, whether values of it are `missing` in the training split, and its
        `categories`, if it has some.
    """
    return [
        {
            "name": column.name,
            "kind": column.kind,
            "missing": column.missing,
            **({"categories": list(column.categories)} if column.categories else {}),
        }
        for column in schema.columns
    ]


def _cells(column: Column, values: list[Any]) -> np.ndarray:
    """Give the values of a column as an array: of floats where all are numbers that float64 has, or null."""
    if column.kind == "time" and not column.origin and all(_number(value) for value in values):
        return (np.array(values, np.float64) * 1e6).astype("timedelta64[us]")
    if column.numeric and all(_number(value) for value in values):
        return np.array(values, np.float64)
    cells = np.empty(len(values), object)
    cells[:] = [_plain(value) for value in values]
    return cells


def _number(value: Any) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 1 << 53
    return value is None or isinstance(value, float) or whole


def _plain(value: Any) -> Any:
    """Take a whole number that may be beyond all floats as the text that it is: it is refused by name."""
    return str(value) if isinstance(value, int) and abs(value) > 1 << 64 else value


def _values(column: Column, codes: np.ndarray, clip: bool) -> Sequence[Any]:
    if column.kind == "time" and column.origin:
        return [text or None for text in texts(column, codes, clip=clip)]
    values = decode(column, codes, clip=clip)
    gone = values.isna()
    if column.kind == "time":
        values = values.dt.total_seconds()
    elif column.kind == "real" and column.decimals is None and codes.dtype == np.float32:
        values = [float(str(np.float32(value))) for value in values]  # no more digits than it has
    return [
        None if lost else value.item() if isinstance(value, np.generic) else value
        for lost, value in zip(gone, values, strict=True)
    ]
