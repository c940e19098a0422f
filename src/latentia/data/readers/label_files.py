"""Labels of pictures from a table of their own, which names files and gives each a class."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from latentia.core.errors import ConfigError, DataError, nearest, reason
from latentia.data.raw import Options
from latentia.data.readers.arrangement import Arrangement
from latentia.data.readers.delimited import first_lines
from latentia.data.readers.formats import other_files, suffix_of
from latentia.data.readers.labels import NAMES, encode, is_missing

FOLDERS = "folders"
"""What the labels of pictures come from where no table is given."""


class LabelFile(NamedTuple):
    """A table as it is written.

    Attributes:
        path: where it is.
        rows: its cells, a line that holds names among them.
        state: changes with its content and with the column that is asked for.
        column: the column of labels that is asked for, or None.
        optional: it belongs to other data, and need not fit these.
    """

    path: Path
    rows: list[list[str]]
    state: str
    column: str | None
    optional: bool


class Labelled(NamedTuple):
    """Pictures with their labels.

    Attributes:
        arrangement: the order and the splits that folders say, with the labels that hold.
        label: what these come from; empty where there are none.
        notes: what the user should know of them.
    """

    arrangement: Arrangement
    label: str
    notes: tuple[str, ...] = ()


def read_labels(options: Options, where: str) -> LabelFile | None:
    """Read the table that `data.labels` names.

    Args:
        options: labels and label are used.
        where: the pictures, for messages.

    Returns:
        The table; None where none is asked for, or the one of other data is gone.

    Raises:
        ConfigError: if a column is asked for and no table.
        DataError: if there is no such table.
    """
    if options.labels is None:
        if options.label is not None and not options.inherited:
            raise ConfigError(
                f"data.label={options.label} does not apply to {where} without data.labels=FILE, a table of "
                "names and labels; leave it out"
            )
        return None
    path = Path(options.labels).expanduser().absolute()
    if not path.is_file():
        if options.inherited:
            return None
        raise DataError(f"data.labels: {path} does not exist; give a .csv or .tsv file of names and labels")
    try:
        data = path.read_bytes()
        delimiter, _ = first_lines(io.BytesIO(data))
        text = io.StringIO(data.decode("utf-8-sig"), newline="")
        rows = [row for row in csv.reader(text, delimiter=delimiter, skipinitialspace=True) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"data.labels: {path} cannot be read as a table ({reason(error)})") from error
    uneven = next((at for at, row in enumerate(rows) if len(row) != len(rows[0])), None)
    if not rows or len(rows[0]) < 2 or uneven is not None:
        found = f"row {(uneven or 0) + 1} has {len(rows[uneven or 0])} cells" if rows else "it is empty"
        raise DataError(
            f"data.labels: {path} is no table of names and labels: {found}; give one row for each"
        )
    state = hashlib.sha256(data + repr(options.label).encode()).hexdigest()[:24]
    return LabelFile(path, rows, state, options.label, options.inherited)


def labelled(found: Arrangement, names: Sequence[str], table: LabelFile | None, where: str) -> Labelled:
    """Give pictures the labels of a table, or leave them those of their folders.

    A row belongs to the picture whose path inside the source, or as much of its end as tells it from the
    others, stands in one of its cells, with or without the ending.

    Args:
        found: what the names of the files say.
        names: those of all files of the source.
        table: the table, or None.
        where: the source, for messages.

    Returns:
        The pictures.

    Raises:
        DataError: if no row names a picture, one names several, or it is not said which column is the labels.
    """
    known = _Known([names[int(at)] for at in found.order])
    column = -1 if table is None else _column_of_names(table.rows, known)
    if table is None or (column < 0 and table.optional):
        return Labelled(found, FOLDERS * (found.labels is not None))
    if column < 0:
        raise DataError(
            f"data.labels: no cell of {table.path} names a picture of {where}, such as '{known.names[0]}'; "
            "a column of file names, with or without their endings, is needed"
        )
    rows, head = table.rows, None
    if not known.places(rows[0][column]):
        head, rows = rows[0], rows[1:]
    own = head or [str(at) for at in range(len(rows[0]))]
    at = _column_of_labels(table, own, column)
    words, strange = _words(table, rows, (column, at), known, where)
    labels, label_names = _classes(table, words, own[at])
    left_out = dict(found.left_out)
    if strange:
        rest = f"of {table.path.name} without a picture (the first '{strange[0]}')"
        left_out[f"row{'s' * (len(strange) != 1)} {rest}"] = len(strange)
    bare = [name for name, word in zip(known.names, words, strict=True) if word is None]
    notes = (f"the first picture without a label is {bare[0]}",) if bare else ()
    arrangement = found._replace(labels=labels, label_names=label_names, left_out=left_out)
    return Labelled(arrangement, f"{own[at]} in {table.path.name}", notes)


def beside(others: Counter[str], table: LabelFile | None, source: Path) -> dict[str, int]:
    """Count the files of a source that are no pictures, without the table that was read.

    Args:
        others: how many there are of each ending.
        table: the table, or None.
        source: the folder or archive.

    Returns:
        What they are, and how many.
    """
    if table is not None and source in table.path.parents:
        others = others - Counter({suffix_of(table.path.name): 1})
    return other_files(others)


class _Known:
    """The pictures of a source, by all that they may be called."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._places: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            parts = PurePosixPath(_file_of(name)).parts
            for start in range(len(parts)):
                tail = PurePosixPath(*parts[start:])
                for called in {str(tail), str(tail.with_suffix(""))}:
                    self._places.setdefault(called, []).append(place)

    def places(self, cell: str) -> list[int]:
        """Give the positions of those that a cell names."""
        cell = cell.strip().replace("\\", "/").removeprefix("./")
        return self._places.get(cell, [])

    def files(self, places: Sequence[int]) -> list[str]:
        """Name the files of some positions, pages of one file once."""
        return list(dict.fromkeys(_file_of(self.names[at]) for at in places))


def _file_of(name: str) -> str:
    """Give the file of a page, which is called such as `scan.tif[002]`."""
    return name.rpartition("[")[0] if name.endswith("]") else name


def _column_of_names(rows: Sequence[Sequence[str]], known: _Known) -> int:
    """Find the column that names the most pictures; -1 where none names any."""
    counts = []
    for at in range(len(rows[0])):
        named = {place for cell in {row[at] for row in rows} for place in known.places(cell)[:1]}
        counts.append(len(named))
    return counts.index(max(counts)) if max(counts) else -1


def _column_of_labels(table: LabelFile, own: Sequence[str], names: int) -> int:
    """Find the column of labels: the one that is asked for, is called so, or is the only other one."""
    if table.column is not None:
        if table.column not in own or own.index(table.column) == names:
            raise DataError(
                f"data.labels: {table.path} has no column '{table.column}' of labels"
                f"{nearest(table.column, [each for at, each in enumerate(own) if at != names])}"
            )
        return own.index(table.column)
    others = [at for at in range(len(own)) if at != names]
    lowered = [own[at].strip().lower() for at in others]
    called = next((others[lowered.index(name)] for name in NAMES if name in lowered), None)
    if called is None and len(others) > 1:
        raise DataError(
            f"data.labels: {table.path} has {len(others)} columns beside the names; choose the one of labels "
            f"with data.label={own[others[0]]} ({', '.join(own[at] for at in others[:8])})"
        )
    return others[0] if called is None else called


def _words(
    table: LabelFile, rows: Sequence[Sequence[str]], columns: tuple[int, int], known: _Known, where: str
) -> tuple[list[str | None], list[str]]:
    """Give the label of each picture as written, None for none; and the names that no picture has."""
    words: list[str | None] = [None] * len(known.names)
    strange = []
    for row in rows:
        name, word = (row[at].strip() for at in columns)
        places = known.places(name)
        files = known.files(places)
        if len(files) > 1:
            raise DataError(
                f"data.labels: '{name}' in {table.path} may be {files[0]} or {files[1]} of {where}; "
                "give the path"
            )
        if not places:
            strange.append(name)
        elif not is_missing(word):
            if words[places[0]] not in (None, word):
                raise DataError(
                    f"data.labels: {table.path} calls '{name}' both '{words[places[0]]}' and '{word}'; "
                    "leave one"
                )
            for place in places:
                words[place] = word
    return words, strange


def _classes(table: LabelFile, words: list[str | None], column: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Make classes of words, unless they are measurements."""
    given = sorted({word for word in words if word is not None})
    try:
        measured = any(not float(word).is_integer() for word in given)
    except (ValueError, OverflowError):  # words, or infinity
        measured = False
    encoded = encode(np.array(words, dtype=object))
    if not given or measured or encoded is None:
        held = "numbers that are no classes" if given else "no label of any picture"
        raise DataError(
            f"data.labels: column '{column}' of {table.path} holds {held}; choose another with "
            "data.label=NAME"
        )
    return encoded
