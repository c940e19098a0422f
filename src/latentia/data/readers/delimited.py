"""Tables in text: `.csv` and `.tsv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from latentia.core.errors import DataError, quoted, reason
from latentia.data.cells import DECIMAL_COMMA, LEADING_ZERO
from latentia.data.column import DISCRETE, column_names
from latentia.data.raw import Options
from latentia.data.readers import header
from latentia.data.readers.dialect import Open, as_utf8, has_decimal_commas, is_grouped, ungrouped
from latentia.data.readers.streams import READ_ERRORS
from latentia.data.readers.tables import Table
from latentia.data.series import narrowed, pandas_for

_DELIMITERS = "\t;|,"  # a comma may stand in numbers and words of a file that another one divides
_POINT = r"[+-]?\d*\.\d*"
_SCANNED = 4 << 20


class _Form(NamedTuple):
    """How a file is written."""

    delimiter: str
    named: bool
    names: list[str]
    unnamed: list[int]
    comma: bool
    notes: tuple[str, ...]


def read(open_: Open, options: Options, where: str) -> Table:
    """Read a table of text.

    The delimiter is the one of tab, semicolon, bar and comma that divides every line into as many cells; the
    first line holds names where `header.guess` says so, or `options.header`. Numbers may have a decimal comma
    where another sign divides the cells, and signs for thousands where a number of the column has them beside
    decimals, or twice. Columns in which a number begins with a needless 0 stay text.

    Args:
        open_: opens the file, unpacked.
        options: header is used.
        where: what messages call it.

    Returns:
        The columns.

    Raises:
        DataError: if the file is not a table.
        MissingExtra: if pandas is not installed.
    """
    pandas = pandas_for(where)
    try:
        open_ = as_utf8(open_)
        form = _look(open_, options, where)
        frame = _frame(pandas, open_, form, dtype=dict.fromkeys(_texts(form.names, options), "string"))
        if not frame.index.equals(pandas.RangeIndex(len(frame))):
            raise ValueError(f"its rows have more cells than the {len(form.names)} of its first line")
        grouped = _without_groups(frame, "." if form.comma else ",", _texts(form.names, options))
        if form.comma:
            _refuse_points(frame.drop(columns=grouped), where)
        texts = (
            _frame(pandas, open_, form, dtype="string") if _has_leading_zeros(open_, form.delimiter) else None
        )
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: is not a table in UTF-8 (byte 0x{error.object[error.start]:02x} is no letter of it); "
            "save it as UTF-8"
        ) from error
    except (ValueError, csv.Error, *READ_ERRORS) as error:
        # pandas' own errors are ValueErrors
        raise DataError(f"{where}: is not a table ({reason(error)}); one row per line is needed") from error
    if texts is not None:
        for at in frame.columns:
            if frame[at].dtype.kind in "biuf" and texts[at].str.match(LEADING_ZERO.pattern, na=False).any():
                frame[at] = texts[at]
    places = {name: at for at, name in enumerate(form.names)}
    left_out = {}
    for at in form.unnamed:
        if at == 0 and header.is_index([str(cell) for cell in frame[0][: header.SAMPLE]]):
            left_out["column of row names"] = 1
        elif frame[at].isna().all():
            left_out["empty column without a name"] = left_out.get("empty column without a name", 0) + 1
        else:
            continue
        del places[form.names[at]]
    return Table(
        tuple(places),
        lambda name: narrowed(frame[places[name]]),
        lambda row: f" (line {_line_of(open_, form.delimiter, row + form.named)})",
        (*form.notes, *_told([form.names[at] for at in grouped], form.comma)),
        left_out,
    )


def first_lines(handle: BinaryIO) -> tuple[str, list[list[str]]]:
    """Look at the beginning of a file.

    Args:
        handle: the file, open.

    Returns:
        The delimiter, and the cells of the first lines that are not blank.
    """
    with io.TextIOWrapper(handle, encoding="utf-8-sig", newline="") as text:
        lines = list(islice(text, header.SAMPLE + 1))
    for delimiter in _DELIMITERS:
        records = _records(lines, delimiter)
        widths = {len(record) for record in records}
        if len(widths) == 1 and max(widths) > 1:
            return delimiter, records
    delimiter = max(reversed(_DELIMITERS), key=lines[0].count) if lines else ","
    return delimiter, _records(lines, delimiter)


def _records(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    return [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]


def _look(open_: Open, options: Options, where: str) -> _Form:
    delimiter, records = first_lines(open_())
    if not records:
        raise ValueError("it is empty")
    comma = delimiter != "," and has_decimal_commas(records, where)
    records = [[_with_point(cell, comma) for cell in record] for record in records]
    named, notes = header.decide(records[0], records[1:], options)
    names = [cell.strip() if named else str(at) for at, cell in enumerate(records[0])]
    unnamed = [at for at, name in enumerate(names) if not name]
    names = [name or place for name, place in zip(names, column_names(len(names)), strict=True)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{where}: has two columns '{twice}'; rename one")
    return _Form(delimiter, named, names, unnamed, comma, notes)


def _frame(pandas: Any, open_: Open, form: _Form, **settings: Any) -> Any:
    """Read with pandas; columns are called 0, 1, ..."""
    with open_() as handle:
        frame = pandas.read_csv(
            handle,
            sep=form.delimiter,
            header=0 if form.named else None,
            names=range(len(form.names)),
            dtype_backend="numpy_nullable",  # whole numbers stay whole where one is missing
            encoding="utf-8-sig",
            skipinitialspace=True,
            low_memory=False,
            keep_default_na=False,  # "NA" and "none" are words
            na_values=[""],
            decimal="," if form.comma else ".",
            **settings,
        )
    return frame


def _texts(names: Sequence[str], options: Options) -> list[int]:
    """Say which columns are read as they are written: those of words, as the settings or a run have it."""
    words = {name for name, kind in options.types if kind in DISCRETE}
    if options.schema is not None:
        texts = [
            column for column in options.schema.columns if any(isinstance(w, str) for w in column.categories)
        ]
        words.update(column.name for column in texts)
    return [at for at, name in enumerate(names) if name in words]


def _with_point(cell: str, comma: bool) -> str:
    """Write a number of the file as Python writes it."""
    sign, point = ".," if comma else ",."
    if is_grouped(cell, sign):
        return cell.replace(sign, "").replace(point, ".")
    return cell.replace(",", ".") if comma and DECIMAL_COMMA.fullmatch(cell.strip()) else cell


def _without_groups(frame: Any, sign: str, kept: Sequence[int]) -> list[int]:
    """Take signs for thousands out of the columns that have them, and say which these are."""
    found = []
    for at in frame.columns:
        column = frame[at]
        if at in kept or column.dtype.kind in "buif" or not column.str.contains(sign, regex=False).any():
            continue
        cells = column.astype(object).where(column.notna(), None).tolist()
        if (plain := ungrouped(cells, sign)) is not None:
            frame[at] = type(column)(plain, index=column.index, dtype=column.dtype)
            found.append(at)
    return found


def _told(names: Sequence[str], comma: bool) -> list[str]:
    """Say in which columns a sign is taken to be for thousands."""
    sign = "." if comma else ","
    return [f"'{sign}' taken as a sign for thousands in {quoted(names)}"] if names else []


def _refuse_points(frame: Any, where: str) -> None:
    """Refuse points in the numbers of a file with decimal commas: they may be for thousands."""
    for at in frame.columns:
        if frame[at].dtype.kind in "buif":
            continue
        pointed = frame[at][frame[at].astype(str).str.fullmatch(_POINT)]
        if len(pointed):
            raise DataError(
                f"{where}: has decimal commas, and numbers with a point such as '{pointed.iloc[0]}'; write "
                "all with a decimal point, or without a sign for thousands"
            )


def _has_leading_zeros(open_: Open, delimiter: str) -> bool:
    """Whether a cell anywhere may begin as `007` or `-007` does; `re` takes ten times as long."""
    begins, signs, digits = (np.isin(np.arange(256), list(of)) for of in (b'\n" ', b"+-", b"0123456789"))
    begins[ord(delimiter)] = True
    with open_() as handle:
        before = b"\n\n"
        while block := handle.read(_SCANNED):
            text = np.frombuffer(before + block, np.uint8)
            starts = begins[text]
            signed = signs[text[1:]] & starts[:-1]  # from the second on
            starts[1:] |= signed
            if (starts[:-2] & (text[1:-1] == ord("0")) & digits[text[2:]]).any():
                return True
            before = (before + block)[-3:]
    return False


def _line_of(open_: Open, delimiter: str, record: int) -> int:
    """Find the line on which a record ends, counted from 1; pandas skips blank lines, so this does too."""
    with io.TextIOWrapper(open_(), encoding="utf-8-sig", newline="") as handle:
        reader = csv.reader(handle, delimiter=delimiter)
        for number, _ in enumerate(row for row in reader if row):
            if number == record:
                return reader.line_num
    return record + 1
