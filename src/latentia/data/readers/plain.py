"""Plain arrays in files, such as latents that were written by the program itself."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from latentia.core.errors import DataError
from latentia.data.coding import decode
from latentia.data.column import Column

_BLOCK = 4096


def read_array(path: Path) -> np.ndarray:
    """Read one array as it stands: no splits, no labels, no change of layout.

    Args:
        path: a `.npy` file, a `.npz` file with one array, or a `.csv` file, whose first line may hold names.

    Returns:
        The array, as float32, or as float64 where the file has more digits.

    Raises:
        DataError: if the file is missing, damaged, or holds something else.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; give a .npy, .npz or .csv file")
    if path.suffix.lower() not in (".npy", ".npz", ".csv"):
        raise DataError(f"{path} is no array; give a .npy, .npz or .csv file")
    try:
        if path.suffix.lower() == ".csv":
            array = _read_text(path)
        else:
            array = _stored(path)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as an array ({' '.join(str(error).split())})") from error
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise DataError(f"{path}: row {row} holds NaN or infinity; leave such rows out")
    return array


def _stored(path: Path) -> np.ndarray:
    loaded = np.load(path, allow_pickle=False)
    if not isinstance(loaded, np.ndarray):
        with loaded:
            if len(loaded.files) != 1:
                raise DataError(f"{path} holds {len(loaded.files)} arrays; give a file with one")
            loaded = loaded[loaded.files[0]]
    narrow = loaded.dtype.kind in "bf" and loaded.dtype.itemsize <= 4
    return loaded.astype(np.float32 if narrow else np.float64)


def _read_text(path: Path) -> np.ndarray:
    """Read a table of text without pandas; its first line is told as that of any table."""
    from latentia.data.readers.delimited import first_lines
    from latentia.data.readers.header import guess

    delimiter, records = first_lines(path.open("rb"))
    named = bool(records) and guess(records[0], records[1:]).named
    with path.open(encoding="utf-8-sig") as handle:
        return np.loadtxt(handle, delimiter=delimiter, skiprows=int(named), ndmin=2, dtype=np.float64)


def write_csv(handle: BinaryIO, names: Sequence[str], columns: Sequence[np.ndarray | Sequence[str]]) -> None:
    """Write a table: UTF-8, quoted where it has to be, and numbers with as many digits as tell them apart.

    Args:
        handle: where to.
        names: what the columns are called.
        columns: their cells, `(N,)` each, of numbers or texts.
    """
    text = io.TextIOWrapper(handle, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for start in range(0, len(columns[0]), _BLOCK):
        writer.writerows(zip(*(_cells(column[start : start + _BLOCK]) for column in columns), strict=True))
    text.detach()


def texts(column: Column, codes: np.ndarray, *, clip: bool = False) -> list[str]:
    """Write the values of a table's column as texts: nothing where one is missing.

    Args:
        column: what it holds.
        codes: their codes, `(N,)`; of float32, reals get no more digits than tell such numbers apart.
        clip: keep numbers and times within the ends of the training split.

    Returns:
        N texts.
    """
    values = decode(column, codes, clip=clip)
    if column.kind == "real" and column.decimals is None and codes.dtype == np.float32:
        values = values.astype(np.float32)
    day = column.unit == "day" and column.dtype.startswith("datetime")
    written = [str(value)[:10] if day else str(value) for value in values]
    return ["" if gone else text for text, gone in zip(written, values.isna())]


def _cells(column: np.ndarray | Sequence[str]) -> Sequence[str]:
    # numpy writes a float with the fewest digits that no other float of its type has.
    return column.astype(str).tolist() if isinstance(column, np.ndarray) else column
