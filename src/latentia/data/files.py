"""Where image files lie: a folder, a zip or a tar archive, all read through one interface."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

from latentia.data.decode import SUFFIXES
from latentia.data.streams import open_maybe_gzip


class Files(AbstractContextManager["Files"]):
    """The image files of a source, in the order in which they are read fastest.

    Attributes:
        names: path of each inside the source, parts separated by slashes.
    """

    names: list[str]

    def read(self, index: int) -> bytes:
        """Read one file; ascending order is the fast one.

        Args:
            index: its position in `names`.

        Returns:
            Its content.
        """
        raise TypeError("a collection of files defines its own read")

    def close(self) -> None:
        """Let go of the archive."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_files(path: Path) -> Files:
    """Open a source of image files.

    Args:
        path: a folder, a zip archive, or a tar archive, gzipped or not.

    Returns:
        Its image files; hidden files and what macOS adds to archives are left out.

    Raises:
        OSError: if it cannot be read; a damaged archive raises one of `READ_ERRORS`.
    """
    if path.is_dir():
        return _Folder(path)
    return _Zip(path) if path.suffix.lower() == ".zip" else _Tar(path)


def walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Go through the image files of a folder and its sub-folders.

    Args:
        folder: where to start.

    Returns:
        Path inside the folder and status of each image file, in order.
    """
    return ((name, _status(f"{folder}/{name}")) for name in _names(folder))


def _names(folder: Path) -> Iterator[str]:
    """Give the path of each image file inside a folder; a million are listed without a Path for each."""

    def fail(error: OSError) -> None:
        raise error

    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=fail):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        inside = Path(place).relative_to(folder).as_posix()
        above = "" if inside == "." else f"{inside}/"
        yield from (f"{above}{name}" for name in sorted(files) if _wanted(name))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except FileNotFoundError:  # a dangling link: reading it will fail and name it
        return os.lstat(path)


def _wanted(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES and not any(map(_hidden, name.split("/")))


class _Folder(Files):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.names = list(_names(folder))

    def read(self, index: int) -> bytes:
        with open(f"{self._folder}/{self.names[index]}", "rb") as handle:
            return handle.read()


class _Zip(Files):
    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self._members = [info for info in self._archive.infolist() if _wanted(_clean(info.filename))]
        self.names = [_clean(info.filename) for info in self._members]

    def read(self, index: int) -> bytes:
        return self._archive.read(self._members[index])

    def close(self) -> None:
        self._archive.close()


class _Tar(Files):
    def __init__(self, path: Path) -> None:
        self._handle: Any = open_maybe_gzip(path)
        try:
            self._list()
        except BaseException:
            self._handle.close()
            raise

    def _list(self) -> None:
        self.names, self._spans = [], []
        archive: Any
        with tarfile.open(fileobj=self._handle, mode="r:") as archive:
            for member in archive:
                name = _clean(member.name)
                if member.isreg() and _wanted(name):
                    self.names.append(name)
                    self._spans.append((member.offset_data, member.size))
                archive.members = []  # tarfile remembers all of them: a kilobyte for each image

    def read(self, index: int) -> bytes:
        start, size = self._spans[index]
        self._handle.seek(start)
        return self._handle.read(size)

    def close(self) -> None:
        self._handle.close()


def _clean(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/").lstrip("/")))
