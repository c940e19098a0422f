"""A column of any library becomes one of a few plain forms: truth values, numbers, times, words."""

from __future__ import annotations

import datetime
import numbers
from typing import Any, Literal, NamedTuple

import numpy as np

from latentia.core.extras import optional
from latentia.data.cells import WrongCell, is_missing, read_numbers

Form = Literal["boolean", "whole", "real", "time", "span", "words", "other"]


class Cells(NamedTuple):
    """The cells of one column.

    Attributes:
        form: what they are; `other` is what no column can be made of.
        values: `(N,)`: numbers and truth values, with NaN where one is missing; moments (in UTC) and spans,
            with NaT; of words their places in `words`, -1 where one is missing.
        dtype: what the source calls their type; for `other` what they are.
        words: the different values, in the order in which they come, or in that of the type.
        declared: the source itself says that they are categories.
        ordered: and that these have an order.
        zone: the time zone of moments; empty without one.
    """

    form: Form
    values: np.ndarray
    dtype: str
    words: tuple[Any, ...] = ()
    declared: bool = False
    ordered: bool = False
    zone: str = ""

    @property
    def absent(self) -> np.ndarray:
        """Where a value is missing, `(N,)` bool; without what only a reading of the words tells."""
        if self.form == "words":
            return self.values < 0
        if self.form in ("time", "span"):
            return np.isnat(self.values)
        return np.isnan(self.values) if self.values.dtype.kind == "f" else np.zeros(len(self.values), bool)


def pandas_for(where: str) -> Any:
    """Import pandas.

    Args:
        where: what is to be read.

    Returns:
        The module.

    Raises:
        MissingExtra: if it is not installed.
    """
    return optional("pandas", "tables", f"reading {where}")


def narrowed(column: Any) -> Any:
    """Give a column the plainest type that holds it: a nullable one of pandas where a value is missing alone.

    Args:
        column: a series of pandas.

    Returns:
        The series; whole numbers stay whole where one is missing.
    """
    kind = column.dtype.kind
    if isinstance(column.dtype, np.dtype) or kind not in "biuf":
        return column
    if kind == "f":
        return column.astype(column.dtype.numpy_dtype)
    return column if column.isna().any() else column.astype(column.dtype.numpy_dtype)


def from_arrow(table: Any, where: str) -> Any:
    """Give a table of Arrow as a frame of pandas whose whole numbers stay whole where one is missing.

    Args:
        table: a `pyarrow.Table`.
        where: what is to be read.

    Returns:
        The frame.

    Raises:
        MissingExtra: if one of the two is not installed.
    """
    pyarrow, pandas = optional("pyarrow", "tables", f"reading {where}"), pandas_for(where)
    kinds: dict[Any, Any] = {pyarrow.bool_(): pandas.BooleanDtype()}
    for bits in (8, 16, 32, 64):
        kinds[getattr(pyarrow, f"int{bits}")()] = pandas.api.types.pandas_dtype(f"Int{bits}")
        kinds[getattr(pyarrow, f"uint{bits}")()] = pandas.api.types.pandas_dtype(f"UInt{bits}")
    return table.to_pandas(types_mapper=kinds.get).apply(narrowed)


def plain(column: Any) -> np.ndarray:
    """Give the cells of a column as numpy has them: numbers as numbers, NaN where one is missing.

    Args:
        column: a series of pandas, an array, or a list.

    Returns:
        Shape `(N,)`.
    """
    dtype = getattr(column, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype) and getattr(dtype, "kind", "") in "iuf":
        if column.isna().any():
            return column.to_numpy(np.float64, na_value=np.nan)
        return np.asarray(column, dtype=getattr(dtype, "numpy_dtype", None))
    return np.asarray(column)


def cells_of(column: Any) -> Cells:
    """Find out what a column holds, by its type and, where that is none, by its cells.

    Args:
        column: a series of pandas, an array, or a list.

    Returns:
        Its cells.

    Raises:
        WrongCell: at the first number that is infinite, too large, or that float64 would round.
    """
    column = column if hasattr(column, "dtype") else np.asarray(column)
    dtype = column.dtype
    name = str(dtype)
    if name.endswith("[pyarrow]") and hasattr(dtype, "pyarrow_dtype"):
        kind, column = dtype.kind, column.array.__arrow_array__().to_pandas()
        found = cells_of(column)
        whole = found.form == "real" and kind in "iu"
        return found._replace(dtype=name, form="whole" if whole else found.form)
    if hasattr(dtype, "ordered") and hasattr(dtype, "categories"):
        return _categories(column, dtype)
    if name.startswith("Sparse"):
        return cells_of(np.asarray(column))
    if name.startswith("period"):
        return cells_of(column.dt.to_timestamp())._replace(dtype=name)
    if dtype.kind in "Mm":
        return _times(column, name)
    if dtype.kind in "biuf":
        return _numbers(column, name)
    if dtype.kind == "c" or name.startswith("interval"):
        return Cells("other", np.zeros(len(column)), "complex numbers" if dtype.kind == "c" else "intervals")
    return _objects(
        np.asarray(column, dtype=object), "object" if dtype.kind in "USO" and name[0] in "<>|o" else name
    )


def _numbers(column: Any, name: str) -> Cells:
    own = isinstance(column.dtype, np.dtype)
    if not own and column.isna().any():
        if column.dtype.kind in "iu":
            read_numbers(np.asarray(column.dropna(), dtype=column.dtype.numpy_dtype))  # none may be rounded
        values = column.to_numpy(np.float64, na_value=np.nan)
    else:
        values = np.asarray(column, dtype=None if own else column.dtype.numpy_dtype)
    if column.dtype.kind != "b":
        values = read_numbers(values)
    form: Form = "boolean" if column.dtype.kind == "b" else "real" if column.dtype.kind == "f" else "whole"
    return Cells(form, values, name)


def _categories(column: Any, dtype: Any) -> Cells:
    """Take the categories that a type declares; those of numbers and texts as they are."""
    values = np.asarray(column.cat.codes if hasattr(column, "cat") else column.codes, np.int64)
    words = tuple(word.item() if isinstance(word, np.generic) else word for word in dtype.categories)
    if not all(isinstance(word, (str, int, float)) for word in words):
        return cells_of(column.astype(dtype.categories.dtype))
    return Cells("words", values, "category", words, declared=True, ordered=bool(dtype.ordered))


def _times(column: Any, name: str) -> Cells:
    zone = ""
    if getattr(column.dtype, "tz", None) is not None:
        zone = str(column.dtype.tz)
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    values = np.asarray(column)
    return Cells("time" if values.dtype.kind == "M" else "span", values, name, zone=zone)


def _objects(cells: np.ndarray, name: str) -> Cells:
    """Tell by the types of the cells what a column without a type of its own holds."""
    pandas = pandas_for("a column of words")
    absent = np.asarray(pandas.isna(cells))
    types = set(map(type, cells[~absent]))
    if types and all(issubclass(kind, (str, bytes)) for kind in types):
        return _words(pandas, cells, absent, name, decode=any(issubclass(kind, bytes) for kind in types))
    if not types:
        return Cells("words", np.full(len(cells), -1), name)
    if types <= {bool, np.bool_}:
        values = np.where(absent, np.nan, np.where(absent, False, cells).astype(np.float64))
        return Cells("boolean", values if absent.any() else values.astype(bool), "object")
    if types <= {datetime.date}:
        values = np.array([None if gone else cell for cell, gone in zip(cells, absent)], "datetime64[D]")
        return Cells("time", values, "date")
    if all(issubclass(kind, (datetime.datetime, np.datetime64)) for kind in types):
        try:
            return cells_of(pandas.Series(pandas.to_datetime(pandas.Series(cells))))
        except (ValueError, TypeError):  # of several time zones
            return cells_of(pandas.Series(pandas.to_datetime(pandas.Series(cells), utc=True)))
    if all(issubclass(kind, (datetime.timedelta, np.timedelta64)) for kind in types):
        return cells_of(pandas.Series(pandas.to_timedelta(pandas.Series(cells))))
    strange = [
        kind
        for kind in types
        if not issubclass(kind, (str, bytes, numbers.Real, np.bool_, bool))
        and not issubclass(kind, numbers.Number)
    ]
    strange += [kind for kind in types if issubclass(kind, complex)]
    if strange:
        return Cells("other", np.zeros(len(cells)), f"{strange[0].__name__} values")
    texts = any(issubclass(kind, (str, bytes)) for kind in types)
    try:
        values = read_numbers(cells)
    except WrongCell:
        if not texts:
            raise
        return _words(
            pandas,
            np.array([None if gone else _text(cell) for cell, gone in zip(cells, absent)], object),
            absent,
            "object",
        )
    form: Form = "real" if values.dtype.kind == "f" else "boolean" if values.dtype.kind == "b" else "whole"
    return Cells(form, values, values.dtype.name if texts else "object")


def _words(pandas: Any, cells: np.ndarray, absent: np.ndarray, name: str, decode: bool = False) -> Cells:
    if decode:
        cells = np.array([None if gone else _text(cell) for cell, gone in zip(cells, absent)], object)
    values, words = pandas.factorize(cells)
    values = np.where(absent, -1, values)
    blank = np.array([is_missing(word) for word in words], bool)
    kept = np.append(np.where(blank, -1, np.cumsum(~blank) - 1), -1)  # the last is the place of -1
    return Cells(
        "words", kept[values], name, tuple(str(word) for word, gone in zip(words, blank) if not gone)
    )


def _text(cell: object) -> str:
    return cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)
