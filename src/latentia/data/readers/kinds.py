"""The kinds of files that are read, and which reader takes a path."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from latentia.core.errors import DataError, Note, nearest, reason
from latentia.data.raw import Options, Raw
from latentia.data.readers import (
    arrays,
    clips,
    clothing,
    containers,
    digits,
    idx,
    images,
    named,
    packed,
    sound,
    sprites,
    table_files,
    tables,
    volumes,
)
from latentia.data.readers.clips import ANIMATIONS, holds_films
from latentia.data.readers.files import walk
from latentia.data.readers.formats import SUFFIXES


class Reader(NamedTuple):
    """What reads a kind of source.

    Attributes:
        read: gives what a path holds.
        takes: the settings of `load` that mean something to it.
    """

    read: Callable[[Path, Options], Raw]
    takes: frozenset[str] = frozenset()


IMAGES = Reader(images.read, frozenset({"pages", "labels", "label"}))
CLIPS = Reader(clips.read, frozenset({"frames", "stride", "rate"}))
_PACKED = Reader(packed.read)
_IDX_FILE = Reader(idx.read_file, frozenset({"channels"}))
_IDX_FOLDER = Reader(idx.read_folder, frozenset({"channels"}))
_TEXT = Reader(table_files.read, tables.TAKES | {"header"})
_COLUMNS = Reader(table_files.read, tables.TAKES)
_TABLES = Reader(table_files.read_folder, _TEXT.takes)
_ZIPPED_TABLES = _TABLES._replace(read=table_files.read_zip)
_NPZ = Reader(arrays.read_npz, frozenset({"label", "key", "channels", "shape"}))
_SOUND = Reader(sound.read)
_NIFTI = Reader(volumes.read_nifti)
_DICOM = Reader(volumes.read_dicom)
_IN_FOLDERS = {(sound.SUFFIX,): _SOUND, volumes.NIFTI: _NIFTI, volumes.DICOM: _DICOM}
_READERS = {
    ".npy": Reader(arrays.read_npy, frozenset({"channels", "shape"})),
    ".npz": _NPZ,
    **dict.fromkeys(table_files.TEXT, _TEXT),
    **dict.fromkeys(table_files.COLUMNS, _COLUMNS._replace(takes=_COLUMNS.takes | {"key"})),
    **dict.fromkeys(table_files.EXCEL, _TEXT._replace(takes=_TEXT.takes | {"key"})),
    **dict.fromkeys(containers.MATLAB, Reader(containers.read_mat, _NPZ.takes)),
    **dict.fromkeys(containers.HDF5, Reader(containers.read_hdf5, _NPZ.takes)),
    **{suffix: reader for suffixes, reader in _IN_FOLDERS.items() for suffix in suffixes},
    **dict.fromkeys(clips.FILMS, CLIPS),
    ".zip": IMAGES,
    ".tar": IMAGES,
    ".tar.gz": IMAGES,
    ".tgz": IMAGES,
}
WORDS = {
    "clothing": Reader(lambda path, options: clothing.read()),
    "digits": Reader(lambda path, options: digits.read()),
    "sprites": Reader(lambda path, options: sprites.read(options.label or "shape"), frozenset({"label"})),
}
HUB = "hf:"
KNOWN = (
    "digits, clothing, sprites, folders of images, .zip, .tar, .tar.gz, .mp4 and other films, IDX files, "
    ".npy, .npz, .csv, .tsv, .parquet, .feather, .xlsx, .mat, .h5, .wav, .nii, .dcm and hf:owner/name"
)


def built_in(word: str) -> Reader:
    """Give the reader of a word, which means the same wherever it is said: runs record it.

    Args:
        word: one of `WORDS`; a user whose file or folder is called so is told how to say that one.

    Returns:
        The reader.
    """
    if os.path.lexists(word):
        said = f"'{word}' is the built-in data set; for the file or folder of that name give ./{word}"
        warnings.warn(said, Note, stacklevel=5)
    return WORDS[word]


def reader_for(path: Path, bare: bool, clips: bool = False) -> tuple[Reader, Path]:
    """Choose by kind and name; a folder with a single data file stands for that file.

    Args:
        path: absolute.
        bare: what was given is a word without a folder, which may have meant a built-in source.
        clips: pictures and animations are frames.

    Returns:
        The reader, and what it is to read.

    Raises:
        DataError: if there is no such file, or nothing that can be read.
    """
    if path.is_dir():
        return _reader_for_folder(path, clips)
    if not path.exists():
        raise DataError(f"no such file or folder: {path}{_near(path, bare)}")
    if clips and path.suffix.lower() in ANIMATIONS:
        return CLIPS, path
    reader = _reader_for_file(path)
    if reader is IMAGES and _holds_tables(path):
        return _ZIPPED_TABLES, path
    if reader:
        return reader, path
    if path.suffix.lower() in SUFFIXES:
        return IMAGES, path  # one picture is an example to encode; of training it is too few
    raise DataError(f"{path}: files of this kind cannot be read; latentia reads {KNOWN}")


def _reader_for_file(path: Path) -> Reader | None:
    name = path.name.lower()
    if idx.is_idx_name(name):
        return _IDX_FILE
    return next((reader for suffix, reader in _READERS.items() if name.endswith(suffix)), None)


def _holds_tables(path: Path) -> bool:
    """Whether an archive has tables and no images."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):  # a tar, or damaged: the reader of images says so
        return False
    pictures = any(PurePosixPath(name).suffix.lower() in SUFFIXES for name in names)
    return not pictures and bool(table_files.tables_in(names))


def _reader_for_folder(folder: Path, clips: bool) -> tuple[Reader, Path]:
    try:
        if packed.is_packed(folder):
            return _PACKED, folder
        if idx.find(folder):
            return _IDX_FOLDER, folder
        if clips:
            return CLIPS, folder
        if next(walk(folder), None):
            return IMAGES, folder
        if holds_films(folder):
            return CLIPS, folder
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({reason(error)}); check its permissions") from error
    for suffixes, reader in _IN_FOLDERS.items():
        if named.files_of(folder, suffixes):
            return reader, folder
    if not inside:
        raise DataError(f"{folder}: is an empty folder; latentia reads {KNOWN}")
    readable = [(reader, path) for path in inside if path.is_file() and (reader := _reader_for_file(path))]
    if len(readable) == 1:
        return readable[0]
    if readable and all(table_files.is_table(path.name) for _, path in readable):
        return _TABLES, folder
    if readable:
        names = ", ".join(path.name for _, path in readable[:5]) + (", ..." if len(readable) > 5 else "")
        raise DataError(
            f"{folder}: holds no images but {len(readable)} data files ({names}); give one of them"
        )
    raise DataError(f"{folder}: holds no images and no data file; latentia reads {KNOWN}")


def _near(path: Path, bare: bool) -> str:
    """Suggest what a missing path may have meant."""
    known = list(WORDS) if bare else []
    if path.parent.is_dir():
        known += [name for name in os.listdir(path.parent) if not name.startswith(".")]
    elif not bare:
        return f" (and no folder {path.parent})"
    clause = nearest(path.name, known)
    return clause if "did you mean" in clause or len(known) <= 8 else "; check the spelling"


def stem(path: Path) -> str:
    """Give the name of a file without what says its kind.

    Args:
        path: the file, or a folder.

    Returns:
        A short name for the data.
    """
    name = path.name
    for suffix in sorted([*_READERS, ".gz"], key=len, reverse=True):
        if not path.is_dir() and name.lower().endswith(suffix):
            return name[: -len(suffix)] or name
    return name
