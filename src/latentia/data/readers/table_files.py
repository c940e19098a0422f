"""Files of tables: text, Parquet, Feather, Excel, and several of them in a folder or a zip."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from latentia.core.errors import ConfigError, DataError, nearest, reason
from latentia.core.extras import optional
from latentia.data.column import column_names
from latentia.data.raw import SPLITS, Options, Raw, consecutive, split_of
from latentia.data.readers import delimited, header, pictures
from latentia.data.readers.streams import READ_ERRORS, open_maybe_gzip
from latentia.data.readers.tables import Table, from_table, holds_classes, table_of
from latentia.data.series import narrowed, pandas_for, plain

TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
COLUMNS = (".parquet", ".feather")
EXCEL = (".xlsx",)
_SUBMISSION = "submission"  # what a contest wants to be given, not data


class _File(NamedTuple):
    """A file, on the disk or in an archive."""

    name: str
    where: str
    open: delimited.Open


def read(path: Path, options: Options) -> Raw:
    """Read one file.

    Args:
        path: text, gzipped or not; Parquet, Feather or Excel.
        options: label, header, and as key the sheet of an Excel file are used.

    Returns:
        Its rows.

    Raises:
        DataError: if it is not a table, or a cell is not a finite number.
        MissingExtra: if a package that reads it is not installed.
    """
    file = _File(path.name, str(path), partial(open_maybe_gzip, path))
    schema = _pictures(file)
    if options.key is not None and schema is None and path.name.lower().endswith(COLUMNS):
        raise ConfigError(
            f"data.key={options.key} does not apply to {path}, which has no pictures; leave it out"
        )
    return _raw(_table(file, options), schema, options, str(path))


def frame_of(path: Path, options: Options) -> Any:
    """Read all columns of one file as they are, those that no model is trained on, too.

    Args:
        path: as `read`.
        options: header, and as key the sheet of an Excel file are used.

    Returns:
        A data frame of pandas.

    Raises:
        DataError: if it is not a table.
        MissingExtra: if a package that reads it is not installed.
    """
    table = _table(_File(path.name, str(path), partial(open_maybe_gzip, path)), options)
    return pandas_for(str(path)).DataFrame({name: table.column(name) for name in table.names})


def read_folder(folder: Path, options: Options) -> Raw:
    """Read all tables of a folder as one; see `_join`.

    Args:
        folder: where they are.
        options: as `read`.

    Returns:
        The rows of all, with the splits that their names tell.

    Raises:
        DataError: if one is no table, or they do not belong together.
        MissingExtra: if a package that reads them is not installed.
    """
    files = [
        _File(path.name, str(path), partial(open_maybe_gzip, path))
        for path in sorted(folder.iterdir())
        if is_table(path.name) and path.is_file()
    ]
    return _join(files, options, str(folder))


def read_zip(path: Path, options: Options) -> Raw:
    """Read all tables of a zip archive as one; see `_join`.

    Args:
        path: the archive.
        options: as `read`.

    Returns:
        The rows of all, with the splits that their names tell.

    Raises:
        DataError: if the archive is damaged, one is no table, or they do not belong together.
        MissingExtra: if a package that reads them is not installed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = [
                _File(PurePosixPath(name).name, f"{path}, {name}", partial(_open_member, archive, name))
                for name in sorted(tables_in(archive.namelist()))
            ]
            return _join(files, options, str(path))
    except (RuntimeError, *READ_ERRORS) as error:  # RuntimeError for a password
        raise DataError(f"{path}: cannot be read ({reason(error)}); copy or download it again") from error


def is_table(name: str) -> bool:
    """Whether a file is one of a table, by its name.

    Args:
        name: the name.

    Returns:
        True for the endings that `read` takes.
    """
    return name.lower().endswith((*TEXT, *COLUMNS, *EXCEL)) and not name.startswith((".", "~$"))


def tables_in(names: Sequence[str]) -> list[str]:
    """Find the tables of an archive.

    Args:
        names: the paths of its members.

    Returns:
        Those that are tables, without what macOS adds.
    """
    paths = [(name, PurePosixPath(name)) for name in names]
    return [name for name, path in paths if is_table(path.name) and "__MACOSX" not in path.parts]


def _open_member(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    """Open a member as a file that can be sought in; one that is gzipped besides is unpacked."""
    import gzip

    data = archive.read(name)
    return io.BytesIO(gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data)


def _table(file: _File, options: Options) -> Table:
    name = file.name.lower()
    if name.endswith(TEXT):
        return delimited.read(file.open, options, file.where)
    pandas = pandas_for(file.where)
    if name.endswith(EXCEL):
        return _sheet(pandas, file, options)
    optional("pyarrow", "tables", f"reading {file.where}")
    kind = "Parquet" if name.endswith(".parquet") else "Feather"
    try:
        with file.open() as handle:
            frame = (pandas.read_parquet if kind == "Parquet" else pandas.read_feather)(handle)
    except (ValueError, *READ_ERRORS) as error:  # pyarrow's errors are ValueErrors or OSErrors
        raise DataError(
            f"{file.where}: is not a {kind} table ({reason(error)}); copy or write it again"
        ) from error
    return table_of(frame, file.where)


def _raw(table: Table, schema: Any, options: Options, where: str) -> Raw:
    return (
        from_table(table, options, where) if schema is None else pictures.read(table, schema, options, where)
    )


def _pictures(file: _File) -> Any:
    """Give the schema of a file that has a column of pictures; None for others."""
    name = file.name.lower()
    if not name.endswith(COLUMNS):
        return None
    try:
        from pyarrow import feather, parquet

        with file.open() as handle:
            if name.endswith(".parquet"):
                schema = parquet.read_schema(handle)
            else:
                schema = feather.read_table(handle, columns=[], memory_map=False).schema
    except (ImportError, ValueError, *READ_ERRORS):  # what reads the table says so
        return None
    return schema if pictures.find(schema) else None


def _sheet(pandas: Any, file: _File, options: Options) -> Table:
    """Read a sheet of an Excel file: the one that `data.key` names, or the first."""
    optional("openpyxl", "excel", f"reading {file.where}")
    try:
        with file.open() as handle, pandas.ExcelFile(handle, engine="openpyxl") as book:
            sheets = [str(name) for name in book.sheet_names]
            if options.key is not None and options.key not in sheets:
                raise DataError(f"{file.where}: has no sheet '{options.key}'{nearest(options.key, sheets)}")
            chosen = options.key or sheets[0]
            frame = pandas.read_excel(
                book, sheet_name=chosen, header=None, dtype=object, keep_default_na=False, na_values=[""]
            )
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile, OSError) as error:
        raise DataError(
            f"{file.where}: is not an Excel file ({reason(error)}); copy or write it again"
        ) from error
    frame = frame.dropna(how="all").dropna(axis="columns", how="all")
    if not len(frame):
        raise DataError(f"{file.where}: sheet '{chosen}' is empty; give another with data.key=NAME")
    notes = []
    if len(sheets) > 1 and options.key is None:
        notes.append(f"the first of {len(sheets)} sheets (another: data.key=NAME)")
    cells = [["" if cell != cell or cell is None else str(cell) for cell in row] for row in frame.values]
    named, doubts = header.decide(cells[0], cells[1 : header.SAMPLE + 1], options)
    notes += doubts
    names = [name or place for name, place in zip(cells[0], column_names(len(cells[0])))] if named else None
    body = (frame.iloc[1:] if named else frame).convert_dtypes().apply(narrowed)
    table = table_of(body.set_axis(names or range(len(cells[0])), axis=1), file.where)
    return Table(table.names, table.column, notes=tuple(notes))


def _split_of(name: str) -> str | None:
    """Give the split that a file's name tells with its first or last word: train.csv, mnist_test.csv."""
    words = re.split(r"[-_. ]+", re.sub(r"(-\d+-of-\d+)?\.[^.]+(\.gz)?$", "", name.lower()))
    return split_of(words[0]) or split_of(words[-1])


def _join(files: Sequence[_File], options: Options, where: str) -> Raw:
    """Make one table of several files.

    Files whose names begin or end with train, test, validation or the like are the splits, several of one
    split its parts, and others are left out; without such names all are parts of one table. What a contest
    wants to be given (`sample_submission.csv`) is left out. The columns must be the same, in any order; a
    single one that the test files lack is the label, or left out if it holds no classes.
    """
    kept = [file for file in files if _SUBMISSION not in file.name.lower()]
    splits = {file: split for file in kept if (split := _split_of(file.name))}
    if len(kept) == 1:
        splits = {}
    chosen = sorted(splits, key=lambda file: SPLITS.index(splits[file])) if splits else kept
    if not chosen:
        names = ", ".join(file.name for file in files)
        raise DataError(f"{where}: holds no table but {names or 'none'}; give one of them")
    tables = [_table(file, options) for file in chosen]
    table = _stacked(chosen, tables, where)
    if splits:
        lengths: dict[str, int] = {}
        for file, own in zip(chosen, tables):
            lengths[splits[file]] = lengths.get(splits[file], 0) + len(own)
        table = replace(table, parts=consecutive(lengths) if len(lengths) > 1 else {})
    passed = [file.name for file in files if file not in chosen]
    if passed:
        left_out = {f"other table{'s' * (len(passed) > 1)} ({', '.join(passed[:3])})": len(passed)}
        table = replace(table, left_out={**table.left_out, **left_out})
    schema = _pictures(chosen[0])
    if schema is not None:
        return pictures.read(table, schema, options, where)
    table, label = _without_target(table, chosen, tables, options.label, where)
    return from_table(table, options._replace(label=label), where)


def _stacked(files: Sequence[_File], tables: Sequence[Table], where: str) -> Table:
    """Put the rows of tables with the same columns below each other; a cell that one lacks is missing."""
    first = tables[0]
    for file, table in zip(files, tables):
        strange = [name for name in table.names if name not in first.names]
        if strange:
            raise DataError(
                f"{where}: {file.name} has a column '{strange[0]}' that {files[0].name} lacks; give one of "
                "the files, or a folder of files with the same columns"
            )
    edges = np.cumsum([0, *map(len, tables)])

    def column(name: str) -> Any:
        lacking = np.nan if plain(first.column(name)).dtype.kind in "iuf" else None
        pieces = [
            table.column(name) if name in table.names else np.full(len(table), lacking) for table in tables
        ]
        if not all(hasattr(piece, "dtype") and isinstance(piece.dtype, np.dtype) for piece in pieces):
            pandas = pandas_for(where)
            return pandas.concat([pandas.Series(piece) for piece in pieces], ignore_index=True)
        return np.concatenate(pieces)

    def line(row: int) -> str:
        at = int(np.searchsorted(edges, row, side="right")) - 1
        own = row - int(edges[at])
        return f" ({files[at].name}, {tables[at].line(own).strip(' ()') or f'row {own + 1}'})"

    left_out: dict[str, int] = {}
    for table in tables:
        left_out |= table.left_out
    notes = tuple(dict.fromkeys(note for table in tables for note in table.notes))
    return Table(first.names, column, line, notes, left_out) if len(tables) > 1 else first


def _without_target(
    table: Table, files: Sequence[_File], tables: Sequence[Table], label: str | None, where: str
) -> tuple[Table, str | None]:
    """Find the one column that some files lack: the label, or a quantity to predict, which is left out."""
    lacking = {
        name: file for file, own in zip(files, tables) for name in table.names if name not in own.names
    }
    if not lacking or list(lacking) == [label]:
        return table, label
    name, file = next(iter(lacking.items()))
    if len(lacking) > 1 or file.name == files[0].name:
        raise DataError(
            f"{where}: {file.name} lacks the column{'s' * (len(lacking) > 1)} {', '.join(lacking)} of "
            f"{files[0].name}; give one of the files, or a folder of files with the same columns"
        )
    if label is None and holds_classes(tables[0].cells(name)):
        return table, name
    kept = tuple(word for word in table.names if word != name)
    left_out = {**table.left_out, f"column that {file.name} lacks ({name})": 1}
    return replace(table, names=kept, left_out=left_out), label
