"""Tables: `.csv`, `.tsv`, `.parquet`, and data frames in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from latentia.data import labels as label_codes
from latentia.data.raw import Options, Raw
from latentia.data.streams import READ_ERRORS, open_maybe_gzip, reason
from latentia.data.values import unusable
from latentia.errors import DataError, MissingExtra, nearest


def read_csv(path: Path, options: Options) -> Raw:
    """Read a table of numbers with an optional column of labels.

    The first line holds the names of the columns, unless it holds numbers. The delimiter is the
    one of comma, semicolon, tab and bar that is most frequent in it. A first column without a
    name is the index that pandas writes, and is ignored.

    Args:
        path: a `.csv` or `.tsv` file, gzipped or not, UTF-8.
        options: label is used.

    Returns:
        The numeric columns as float32, `(N, F)`.

    Raises:
        DataError: if a cell is not a finite number, or the file is not a table.
        MissingExtra: if pandas is not installed.
    """
    pandas = _pandas(path)
    try:
        with _text(path) as handle:
            line = handle.readline()
        delimiter = max(",;\t|", key=line.count)
        first = next(csv.reader([line], delimiter=delimiter), [])
        named = _is_header(first)
        indexed = named and len(first) > 1 and not first[0].strip()
        frame = pandas.read_csv(
            path,
            sep=delimiter,
            header=0 if named else None,
            index_col=0 if indexed else None,
            encoding="utf-8-sig",
            skipinitialspace=True,
            low_memory=False,
        )
        if not indexed and not frame.index.equals(pandas.RangeIndex(len(frame))):
            raise ValueError(f"its rows have more cells than the {len(first)} of its first line")
    except (
        ValueError,
        csv.Error,
        *READ_ERRORS,
    ) as error:  # pandas' own errors are ValueErrors, UnicodeDecodeError too
        raise DataError(f"{path}: is not a table ({reason(error)}); one row per line is needed") from error
    return from_frame(
        frame, options, str(path), lambda row: f" (line {_line_of(path, delimiter, row + named)})"
    )


def read_parquet(path: Path, options: Options) -> Raw:
    """Read a table of numbers with an optional column of labels.

    Args:
        path: a `.parquet` file.
        options: label is used.

    Returns:
        The numeric columns as float32, `(N, F)`.

    Raises:
        DataError: if a cell is not a finite number, or the file is not a table.
        MissingExtra: if pandas or pyarrow is not installed.
    """
    pandas = _pandas(path)
    try:
        frame = pandas.read_parquet(path)
    except ImportError as error:
        raise MissingExtra("pyarrow", "tables", f"reading {path.name}") from error
    except (ValueError, *READ_ERRORS) as error:  # pyarrow's errors are ValueErrors or OSErrors
        raise DataError(
            f"{path}: is not a Parquet table ({reason(error)}); copy or write it again"
        ) from error
    return from_frame(frame, options, str(path))


def from_frame(frame: Any, options: Options, where: str, line: Callable[[int], str] = lambda row: "") -> Raw:
    """Take a data frame of pandas, polars or any library with `columns` and `frame[name]`.

    Args:
        frame: the table.
        options: label is used.
        where: what messages call it.
        line: describes where a row, counted from 0, stands in its file.

    Returns:
        The numeric columns as float32, `(N, F)`.

    Raises:
        DataError: if a cell is not a finite number, or there is no such label column.
    """
    return from_columns(list(frame.columns), lambda name: np.asarray(frame[name]), options.label, where, line)


def from_columns(
    names: Sequence[Hashable],
    column: Callable[[Any], np.ndarray],
    label: str | None,
    where: str,
    line: Callable[[int], str] = lambda row: "",
) -> Raw:
    """Make a table of columns, one of which may hold labels.

    Args:
        names: the columns.
        column: gives the cells of one, `(N,)`.
        label: the column of labels, or None to look for one called label, class, target or y.
        where: what messages call the table.
        line: describes where a row, counted from 0, stands in its file.

    Returns:
        The other columns as float32, `(N, F)`, and the labels.

    Raises:
        DataError: if a cell is not a finite number, or there is no such label column.
    """
    words = [str(name) for name in names]
    if len(set(words)) < len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise DataError(f"{where}: has two columns '{twice}'; rename one")
    at, encoded = _labels(names, words, column, label, where)
    features = [number for number in range(len(names)) if number != at]
    if not features:
        raise DataError(f"{where}: has no column of numbers; give at least one")
    x: np.ndarray | None = None
    for place, number in enumerate(features):
        cells = column(names[number])
        if x is None:
            x = np.empty((len(cells), len(features)), dtype=np.float32)
        x[:, place] = _numbers(cells, words[number], where, line)
    labels, label_names = encoded or (None, ())
    return Raw(x, labels, label_names, high=1.0, columns=tuple(words[n] for n in features))  # type: ignore[arg-type]


def _labels(
    names: Sequence[Hashable],
    words: list[str],
    column: Callable[[Any], np.ndarray],
    label: str | None,
    where: str,
) -> tuple[int | None, tuple[np.ndarray, tuple[str, ...]] | None]:
    """Find the column of labels and encode it; (None, None) if there is none."""
    if label is not None:
        if label not in words:
            raise DataError(f"{where}: has no column '{label}' for the labels{nearest(label, words)}")
        at = words.index(label)
        encoded = label_codes.encode(column(names[at]))
        if encoded is None:
            raise DataError(
                f"{where}: column '{label}' cannot be labels: it holds numbers that are not whole"
            )
        return at, encoded
    lowered = [word.lower() for word in words]
    at = next((lowered.index(name) for name in label_codes.NAMES if name in lowered), None)
    # A target of real numbers, as in a regression table, is a column like the others.
    encoded = None if at is None else label_codes.encode(column(names[at]))
    return (at, encoded) if encoded is not None else (None, None)


def _numbers(cells: np.ndarray, name: str, where: str, line: Callable[[int], str]) -> np.ndarray:
    """Give a column's cells as float32; raise at the first that is not a finite number."""
    if cells.ndim == 1 and cells.dtype.kind in "buif":
        with np.errstate(over="ignore"):
            values = cells.astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(values))
        if not len(bad):
            return values
        row, told = int(bad[0]), f"is {unusable(float(cells[bad[0]]))}"
        if np.isnan(cells[row]):
            told += " or empty"
    else:
        values = [_number(cell) for cell in cells]
        row = next((row for row, value in enumerate(values) if value is None or not np.isfinite(value)), None)
        if row is None:
            return np.array(values, dtype=np.float32)
        text = str(cells[row]) if len(str(cells[row])) <= 40 else f"{str(cells[row])[:40]}..."
        told = "is empty" if label_codes.is_missing(cells[row]) else f"is {text!r}, not a finite number"
    fix = f"correct it, drop the column, or make it the labels with data.label={name}"
    raise DataError(f"{where}: row {row + 1}{line(row)}, column '{name}' {told}; {fix}")


def _number(cell: object) -> float | None:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _pandas(path: Path) -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingExtra("pandas", "tables", f"reading {path.name}") from error
    return pandas


def _text(path: Path) -> TextIO:
    return io.TextIOWrapper(open_maybe_gzip(path), encoding="utf-8-sig", newline="")


def _is_header(cells: list[str]) -> bool:
    """Tell names from numbers: numbers are data, but 0, 1, 2, ... are the names that pandas gives."""
    numbers = [_number(cell) for cell in cells]
    if len(cells) > 1 and numbers == list(range(len(cells))):
        return True
    if cells and not cells[0].strip():
        return True
    # A decimal point betrays data even beside words, as in "5.1,3.5,setosa".
    decimals = any(number is not None and number != round(number) for number in numbers if number == number)
    return not decimals and (not cells or None in numbers)


def _line_of(path: Path, delimiter: str, record: int) -> int:
    """Find the line on which a record ends, counted from 1; pandas skips blank lines, so this does too."""
    with _text(path) as handle:
        reader = csv.reader(handle, delimiter=delimiter)
        for number, _ in enumerate(row for row in reader if row):
            if number == record:
                return reader.line_num
    return record + 1
