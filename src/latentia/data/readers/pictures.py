"""Columns of encoded pictures in Parquet and Feather files, as `datasets` writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latentia.core.errors import DataError, nearest
from latentia.data.raw import Options, Raw
from latentia.data.readers.files import Files
from latentia.data.readers.stack import decode_all
from latentia.data.readers.tables import Table, find_label

_USUAL = ("image", "img", "picture", "bytes")


def find(schema: Any) -> list[str]:
    """List the columns that hold encoded pictures.

    Args:
        schema: that of an Arrow table.

    Returns:
        Those of bytes, or of a struct with `bytes`; the usual names first.
    """
    import pyarrow

    def holds(kind: Any) -> bool:
        if pyarrow.types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0 and holds(kind.field("bytes").type)
        return pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)

    found = [field.name for field in schema if holds(field.type)]
    return sorted(found, key=lambda name: name.lower() not in _USUAL)


def declared(schema: Any, column: str) -> tuple[str, ...]:
    """Give the names of the classes that `datasets` notes for a column of class numbers; none for others.

    Args:
        schema: that of an Arrow table.
        column: the column.

    Returns:
        What the classes 0, 1, ... are called.
    """
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        return tuple(map(str, about["names"]))
    except (KeyError, ValueError, TypeError):
        return ()


def read(table: Table, schema: Any, options: Options, where: str) -> Raw:
    """Decode the pictures of a column; the labels stand beside it.

    Args:
        table: the columns of one file or several.
        schema: that of the first.
        options: key (the column of pictures), label, size, fit, crop and skip_bad are used.
        where: what messages call it.

    Returns:
        The pictures.

    Raises:
        DataError: if there is no such column, or a picture cannot be decoded.
    """
    found = find(schema)
    if options.key is not None and options.key not in found:
        raise DataError(f"{where}: has no column of pictures '{options.key}'{nearest(options.key, found)}")
    key = options.key or found[0]
    label, encoded, notes = find_label(table, options.label, where)
    labels, names = encoded or (None, ())
    called = declared(schema, label) if label else ()
    if labels is not None and called and not names and labels.max(initial=-1) < len(called):
        names = called
    files = _Cells(table.column(key), key)
    x, high, good, skipped, layout, lost, done = decode_all(
        files, np.arange(len(files.names)), options, where
    )
    position = np.cumsum(good) - 1
    others = [name for name in table.names if name not in (key, label)]
    left_out = (
        {f"other column{'s' * (len(others) > 1)} ({', '.join(others[:3])})": len(others)} if others else {}
    )
    return Raw(
        x,
        None if labels is None else labels[good],
        names,
        {part: position[at[good[at]]] for part, at in table.parts.items()},
        high,
        skipped=skipped,
        layout=layout,
        label=label or "",
        left_out={**table.left_out, **left_out, **lost},
        notes=(*table.notes, *notes, *done),
    )


class _Cells(Files):
    """The encoded pictures of a column."""

    def __init__(self, cells: Sequence[Any] | np.ndarray, key: str) -> None:
        self._cells = cells
        self.names = [f"{key}[{row}]" for row in range(len(cells))]

    def read(self, index: int) -> bytes:
        cell = self._cells[index]
        if isinstance(cell, dict):
            if cell.get("bytes") is None and cell.get("path"):
                return Path(cell["path"]).read_bytes()
            cell = cell.get("bytes")
        if not isinstance(cell, (bytes, bytearray, memoryview)) or not len(cell):
            raise ValueError("the cell is empty")
        return bytes(cell)
