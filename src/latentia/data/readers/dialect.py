"""How tables of text are written: in which encoding, and with which signs in their numbers."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO

from latentia.core.errors import DataError
from latentia.data.cells import DECIMAL_COMMA, is_absent

Open = Callable[[], BinaryIO]

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_GROUPED = {
    sign: re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:\{sign}\d{{3}})+(?:\{point}\d*)?", re.ASCII)
    for sign, point in (",.", ".,")
}
_PLAIN = {point: re.compile(rf"[+-]?\d*\{point}?\d+(?:[eE][+-]?\d+)?", re.ASCII) for point in ".,"}


def as_utf8(open_: Open) -> Open:
    """Give a file as UTF-8, where its first bytes say that it is UTF-16 or UTF-32.

    Args:
        open_: opens the file, unpacked.

    Returns:
        What opens the same text in UTF-8, from memory if it is not UTF-8 in the file.

    Raises:
        UnicodeDecodeError: if the first bytes are wrong.
    """
    with open_() as handle:
        begin = handle.read(4)
        encoding = next((name for mark, name in _MARKS.items() if begin.startswith(mark)), None)
        if encoding is None:
            return open_
        data = (begin + handle.read()).decode(encoding).encode("utf-8")
    return lambda: io.BytesIO(data)


def is_grouped(cell: str, sign: str) -> bool:
    """Whether a sign in a number can be for nothing but thousands: it is there twice, or beside a point.

    Args:
        cell: the text.
        sign: a comma or a point; the other one of the two divides decimals then.

    Returns:
        True for `1,234.5` and `1,234,567`, but not for `1,234`.
    """
    point = "." if sign == "," else ","
    plain = cell.strip()
    return _GROUPED[sign].fullmatch(plain) is not None and (point in plain or plain.count(sign) > 1)


def ungrouped(cells: Sequence[Any], sign: str) -> list[Any] | None:
    """Take the signs for thousands out of the numbers of a column.

    Args:
        cells: texts, and None or a word for it where there is nothing.
        sign: the one for thousands, a comma or a point.

    Returns:
        The cells, with a decimal point; None if they are not all numbers, or none of them says that the sign
        is for thousands.
    """
    point = "." if sign == "," else ","
    told = False
    for cell in cells:
        if cell is None or is_absent(cell):
            continue
        told = told or is_grouped(cell, sign)
        if not (_GROUPED[sign].fullmatch(cell.strip()) or _PLAIN[point].fullmatch(cell.strip())):
            return None
    if not told:
        return None
    return [
        cell if cell is None or is_absent(cell) else cell.strip().replace(sign, "").replace(point, ".")
        for cell in cells
    ]


def has_decimal_commas(records: Iterable[Iterable[str]], where: str) -> bool:
    """Whether commas in the numbers of a file, whose cells another sign divides, are for decimals.

    Args:
        records: cells of its first lines.
        where: what messages call the file.

    Returns:
        True if a number has one that is not for thousands.

    Raises:
        DataError: if none tells which it is.
    """
    cells = [cell.strip() for record in records for cell in record]
    if any(is_grouped(cell, ".") for cell in cells):
        return True
    if any(is_grouped(cell, ",") for cell in cells):
        return False
    found = [cell for cell in cells if DECIMAL_COMMA.fullmatch(cell)]
    if found and all(map(_GROUPED[","].fullmatch, found)):
        raise DataError(
            f"{where}: has numbers such as '{found[0]}', whose comma may be for decimals or for thousands; "
            "write them with a decimal point, or without a sign for thousands"
        )
    return bool(found)
