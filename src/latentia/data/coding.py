"""The values of a column as numbers, and numbers as its values again; see `Column` for the code."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np

from latentia.data.cells import WrongCell, is_absent, is_rounded, read_words, why_not
from latentia.data.column import DISCRETE, Column
from latentia.data.series import Cells, pandas_for

_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_KINDS = {"real": "numbers", "integer": "whole numbers", "boolean": "truth values", "time": "times"}
_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
_SINGLE = 1 << 24  # float32 has every whole number up to it


def is_iso(word: str) -> bool:
    """Whether a text writes a date, or a date and a time, in ISO 8601.

    Args:
        word: the text.

    Returns:
        True for `2024-05-01`, `2024-05-01 12:30`, `2024-05-01T12:30:00.5+02:00` and the like.
    """
    return _ISO.fullmatch(word.strip()) is not None


def moments(words: tuple[str, ...]) -> tuple[np.ndarray, str]:
    """Read texts in ISO 8601.

    Args:
        words: texts of which `is_iso` is true.

    Returns:
        The moments, `(len(words),)` datetime64, in UTC where they name a zone; and that zone.

    Raises:
        ValueError: if there is no such day or hour.
    """
    pandas = pandas_for("a column of times")
    zoned = any(re.search(r"(Z|[+-]\d\d:?\d\d)$", word.strip()[10:]) for word in words)
    read = pandas.to_datetime(pandas.Series([word.strip() for word in words]), format="ISO8601", utc=zoned)
    values = read.dt.tz_localize(None) if zoned else read
    return np.asarray(values), "UTC" if zoned else ""


def ends_at_midnight(values: np.ndarray) -> bool:
    """Whether no moment has a time of day.

    Args:
        values: datetime64, `(N,)`, NaT where one is missing.

    Returns:
        True for days alone.
    """
    there = values[~np.isnat(values)]
    return bool((there == there.astype("datetime64[D]")).all())


def encode(column: Column, cells: Cells) -> np.ndarray:
    """Write the values of a column as numbers.

    Args:
        column: what it holds.
        cells: the values.

    Returns:
        Their codes, `(N,)` float64, NaN where one is missing.

    Raises:
        WrongCell: at the first value that the column cannot have.
    """
    if column.kind in DISCRETE:
        return _places(column, cells)
    if cells.form == "words":
        cells = _read(column, cells)
    if column.kind == "time":
        if cells.form != ("time" if column.origin else "span"):
            raise _other(column, cells)
        return _since(column, cells.values)
    if cells.form not in ("boolean", "whole", "real"):
        raise _other(column, cells)
    codes = cells.values.astype(np.float64)
    there = ~np.isnan(codes)
    if column.kind == "boolean":
        wrong = there & (codes != 0) & (codes != 1)
    else:
        wrong = there & (codes != np.rint(codes)) if column.kind == "integer" else np.zeros(len(codes), bool)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise WrongCell(row, f"is {codes[row]:g}, and the column is one of {_KINDS[column.kind]}")
    return codes


def needs_double(column: Column, codes: np.ndarray) -> bool:
    """Whether float32 would take digits from codes.

    Args:
        column: what the column holds.
        codes: what `encode` gave.

    Returns:
        True for reals that are not of float32, and for what is beyond 2^24 or a fraction of a second.
    """
    if column.kind == "real":
        return column.dtype.lower().split("[")[0] not in ("float32", "float16", "float")
    there = codes[~np.isnan(codes)]
    if column.kind not in ("integer", "time") or not len(there):
        return False
    return bool(np.abs(there).max() > _SINGLE or (there != np.rint(there)).any())


def decode(column: Column, codes: np.ndarray, *, clip: bool = False) -> Any:
    """Give numbers as the values of a column, in its type.

    Whole numbers are rounded, reals to the digits that the source's have; a category is the nearest; a truth
    value is true from 0.5 on. What is NaN, or a category's other value, is missing: as NaN, None, NaT or
    pandas.NA, as the type has it. Where a type of numpy has no place for what is missing, pandas' own of the
    same numbers takes its place.

    Args:
        column: what it holds.
        codes: their codes, `(N,)`.
        clip: keep numbers and times within the ends of the training split.

    Returns:
        A series of pandas.
    """
    pandas = pandas_for("the columns of a table")
    codes = codes.astype(np.float64)
    absent = np.isnan(codes)
    if clip and column.numeric:
        codes = np.clip(codes, column.low, column.high)
    if column.kind in DISCRETE:
        return _categories(pandas, column, codes)
    if column.kind == "time":
        return _times(pandas, column, codes, absent)
    if column.kind == "boolean":
        return _typed(pandas, codes >= 0.5, absent, column.dtype)
    if column.kind == "integer":
        return _typed(pandas, np.rint(codes), absent, column.dtype)
    return _typed(pandas, rounded(codes, column), absent, column.dtype)


def rounded(codes: np.ndarray, column: Column) -> np.ndarray:
    """Round numbers to the digits that a column's have, in its own type.

    Args:
        codes: the numbers.
        column: what it holds.

    Returns:
        The numbers; as they are where there is no limit to the digits.
    """
    if column.decimals is None:
        return codes
    single = column.dtype.lower() in ("float32", "float16")
    return np.round(codes.astype(np.float32 if single else np.float64), column.decimals)


def _places(column: Column, cells: Cells) -> np.ndarray:
    """Find the values among the categories."""
    size = len(column.categories)
    text = any(isinstance(word, str) for word in column.categories)
    place: dict[Any, float] = {word: float(at) for at, word in enumerate(column.categories)}
    if cells.form == "words":
        found = np.array([*(_place(place, word, text, size) for word in cells.words), np.nan])
        return found[cells.values]
    if cells.form not in ("boolean", "whole", "real"):
        raise _other(column, cells)
    absent = cells.absent
    values, inverse = np.unique(cells.values[~absent], return_inverse=True)
    words = values.tolist()
    if text and cells.form == "real" and all(word == round(word) for word in words):
        words = [round(word) for word in words]  # whole numbers among which one is missing
    known = [place.get(str(word) if text else word, float(size)) for word in words]
    if text and cells.form == "real" and words and min(known) == size:
        raise WrongCell(int(np.flatnonzero(~absent)[0]), f"is {words[0]}, and the column is one of words")
    codes = np.full(len(cells.values), np.nan)
    codes[~absent] = np.array(known, np.float64)[inverse]
    return codes


def _place(place: dict[Any, float], word: Any, text: bool, size: int) -> float:
    if word in place:
        return place[word]
    if isinstance(word, str):
        if is_absent(word):
            return np.nan
        number = np.nan if text else float(read_words([word])[0])
        return place.get(number, float(size))
    return place.get(str(word), float(size)) if text else float(size)


def _read(column: Column, cells: Cells) -> Cells:
    """Read words as what the column holds."""
    if cells.declared and not all(isinstance(word, str) for word in cells.words):
        numbers = np.array([*map(float, cells.words), np.nan])
        return Cells("real", numbers[cells.values], cells.dtype)
    absent = [is_absent(word) for word in cells.words]
    if column.kind == "time":
        wrong = [not (gone or is_iso(word)) for gone, word in zip(absent, cells.words)]
        _refuse(cells, wrong, "no date in ISO 8601 (2024-05-01)")
        there = tuple(word for gone, word in zip(absent, cells.words) if not gone)
        try:
            values, zone = moments(there)
        except ValueError as error:
            raise WrongCell(0, f"holds no dates: {' '.join(str(error).split())[:80]}") from error
        table = np.full(len(cells.words) + 1, np.datetime64("NaT"), values.dtype)
        table[:-1][~np.array(absent, bool)] = values
        return Cells("time", table[cells.values], cells.dtype, zone=zone)
    if column.kind == "boolean":
        lowered = [word.strip().lower() for word in cells.words]
        if set(lowered) - {"true", "false"} <= {word for word in lowered if is_absent(word)}:
            table = np.array(
                [*(np.nan if g else float(w == "true") for w, g in zip(lowered, absent)), np.nan]
            )
            return Cells("boolean", table[cells.values], cells.dtype)
    numbers = np.array([*read_words(cells.words), np.nan])
    _refuse(cells, [bool(np.isnan(n)) and not gone for n, gone in zip(numbers, absent)], "")
    with np.errstate(over="ignore"):
        large = np.isinf(numbers[:-1].astype(np.float32)).tolist()
    _refuse(cells, large, "infinity, or too large for float32")
    key = "which float64 can only hold rounded: a key rather than a number"
    _refuse(cells, [not gone and is_rounded(word) for word, gone in zip(cells.words, absent)], key)
    return Cells("real", numbers[cells.values], cells.dtype)


def _refuse(cells: Cells, wrong: list[bool], told: str) -> None:
    if not any(wrong):
        return
    bad = np.array([*wrong, False])[cells.values]
    row = int(np.flatnonzero(bad)[0])
    word = cells.words[int(cells.values[row])]
    raise WrongCell(row, f"is {word[:40]!r}, {told}" if told else why_not(word))


def _other(column: Column, cells: Cells) -> WrongCell:
    held = {"words": "words", "time": "times", "span": "spans of time", "other": cells.dtype}
    told = held.get(cells.form, "numbers")
    row = int(np.flatnonzero(~cells.absent)[0]) if not cells.absent.all() else 0
    return WrongCell(row, f"holds {told}, and the column is one of {_KINDS.get(column.kind, 'words')}")


def _since(column: Column, values: np.ndarray) -> np.ndarray:
    """Count days or seconds from the origin; fractions of a second as exactly as float64 has them."""
    absent = np.isnat(values)
    if column.origin and column.unit == "day":
        days = values.astype("datetime64[D]") - np.datetime64(column.origin, "D")
        codes = days.astype(np.int64).astype(np.float64)
        if not ends_at_midnight(values):
            codes += (values - values.astype("datetime64[D]")) / np.timedelta64(1, "D")
    else:
        unit = np.datetime_data(values.dtype)[0]
        per = _PER_SECOND.get(unit, 1)
        if unit not in _PER_SECOND:
            values = values.astype(f"{values.dtype.kind}8[s]")
        ticks = np.where(absent, 0, values.astype(np.int64))
        start = np.datetime64(column.origin, "s").astype(np.int64) if column.origin else 0
        codes = (ticks // per - start).astype(np.float64) + (ticks % per) / per
    return np.where(absent, np.nan, codes)


def _times(pandas: Any, column: Column, codes: np.ndarray, absent: np.ndarray) -> Any:
    """Give moments and spans in the unit of the type; those of days are whole ones."""
    filled = np.where(absent, 0.0, codes)
    named = re.search(r"\[(s|ms|us|ns)\b", column.dtype)
    unit = named[1] if named else "us"
    if column.unit == "day":
        ticks, unit = np.rint(filled).astype(np.int64), "D"
        start = np.datetime64(column.origin, "D").astype(np.int64)
    else:
        per = _PER_SECOND.get(unit, 1)
        whole = np.floor(filled) if per > 1 else np.rint(filled)
        ticks = whole.astype(np.int64) * per + np.rint((filled - whole) * per).astype(np.int64) * (per > 1)
        start = (np.datetime64(column.origin, "s").astype(np.int64) if column.origin else 0) * per
    values = (ticks + start).view(f"{'M' if column.origin else 'm'}8[{unit}]")
    values[absent] = "NaT"
    if column.dtype == "date":
        days = values.astype("datetime64[D]").tolist()
        return pandas.Series([day if isinstance(day, datetime.date) else None for day in days], dtype=object)
    if column.dtype in ("str", "string", "object") and column.origin:
        return _typed(pandas, _written(values, column), absent, column.dtype)
    series = pandas.Series(
        values.astype(f"{values.dtype.kind}8[{named[1] if named else 's' if unit == 'D' else unit}]")
    )
    if column.zone:
        series = series.dt.tz_localize("UTC").dt.tz_convert(column.zone)
    if column.dtype.startswith("period"):
        return series.astype(column.dtype)
    return series.astype(column.dtype) if column.dtype.endswith("[pyarrow]") else series


def _written(values: np.ndarray, column: Column) -> np.ndarray:
    """Write moments in ISO 8601."""
    if column.unit == "day":
        return np.datetime_as_string(values, unit="D").astype(object)
    there = values[~np.isnat(values)]
    whole = bool((there == there.astype("datetime64[s]")).all())
    texts = np.datetime_as_string(values, unit="s" if whole else "us").astype(object)
    return texts + "Z" if column.zone else texts


def _categories(pandas: Any, column: Column, codes: np.ndarray) -> Any:
    size = len(column.categories)
    at = np.rint(np.where(np.isnan(codes), size, codes))
    at = np.where((at < 0) | (at >= size), -1, at).astype(np.int64)
    if column.dtype == "category":
        kind = pandas.CategoricalDtype(list(column.categories), ordered=column.kind == "ordered")
        return pandas.Series(pandas.Categorical.from_codes(at, dtype=kind))
    values = np.empty(size + 1, object)
    values[:-1] = column.categories
    return _typed(pandas, values[at], at < 0, column.dtype)


def _typed(pandas: Any, values: np.ndarray, absent: np.ndarray, name: str) -> Any:
    """Give values in a type, and what is missing as the type has it."""
    holes = bool(absent.any())
    if name in ("str", "object"):
        filled = values.astype(object)
        filled[absent] = None
        own = name == "str" and int(pandas.__version__.split(".")[0]) >= 3  # before, words were objects
        return pandas.Series(filled, dtype="str" if own else object)
    kind = _numpy(name)
    if kind is not None and kind.kind == "f":
        return pandas.Series(np.where(absent, np.nan, values.astype(np.float64)).astype(kind))
    if kind is not None and not holes:
        return pandas.Series(_within(values, kind))
    if kind is not None:
        name = "boolean" if kind.kind == "b" else f"{'U' * (kind.kind == 'u')}Int{8 * kind.itemsize}"
    filled = np.where(absent, values[~absent][0] if not absent.all() else 0, values)
    if re.fullmatch(r"U?Int\d+", name):
        filled = _within(filled, np.dtype(name.lower()))
    elif name == "boolean":
        filled = filled.astype(bool)
    elif name == "string":
        filled = np.where(absent, "", filled).astype(object)
    series = pandas.Series(filled).astype(name)
    if holes:
        series[absent] = pandas.NA
    return series


def _numpy(name: str) -> np.dtype | None:
    """Give the type of numpy that is called so; None where it is one of another library."""
    try:
        return np.dtype(name)
    except TypeError:
        return None


def _within(values: np.ndarray, kind: np.dtype) -> np.ndarray:
    """Bring numbers into the ends of a type."""
    if kind.kind not in "iu":
        return values.astype(kind)
    ends = np.iinfo(kind)
    # float64 has no number between 2^63 - 1 and 2^63: the last one below is taken.
    top = np.nextafter(float(ends.max), 0.0) if float(ends.max) > ends.max else float(ends.max)
    return np.clip(values.astype(np.float64), float(ends.min), top).astype(kind)
