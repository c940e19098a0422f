"""Where image files lie: a folder, a zip or a tar archive, all read through one interface."""

from __future__ import annotations

import functools
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO

from latentia.data.readers.formats import HEAD, SUFFIXES, begins_as_picture, suffix_of
from latentia.data.readers.streams import open_maybe_gzip


class Files(AbstractContextManager["Files"]):
    """The image files of a source, in the order in which they are read fastest.

    Attributes:
        names: path of each inside the source, parts separated by slashes.
        others: how many files of each ending are no pictures.
    """

    names: list[str]
    others: Counter[str] = Counter()  # noqa: RUF012 - those that know of none share one that stays empty

    def read(self, index: int) -> bytes:
        """Read one file; ascending order is the fast one.

        Args:
            index: its position in `names`.

        Returns:
            Its content.
        """
        raise TypeError("a collection of files defines its own read")

    @property
    def count(self) -> int:
        """How many files the source has."""
        return len(self.names)

    def name(self, index: int) -> str:
        """Give the path of one file inside the source.

        Args:
            index: its position.

        Returns:
            The path.
        """
        return self.names[index]

    def page(self, index: int) -> int:
        """Tell which page of its file an example is.

        Args:
            index: its position.

        Returns:
            0 for the first.
        """
        return 0

    def part(self, indices: Sequence[int]) -> Files:
        """Give some of the files, under the positions that they have here, to be sent to another process.

        Args:
            indices: their positions.

        Returns:
            What reads these files alone, and opens the archive for itself when it is first read from.
        """
        return _Part(self._only(indices), {index: own for own, index in enumerate(indices)}, self.count)

    def _only(self, indices: Sequence[int]) -> Files:
        raise TypeError("a collection of files defines what reads a part of it")

    def close(self) -> None:
        """Let go of the archive."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_files(path: Path) -> Files:
    """Open a source of image files.

    Args:
        path: a folder, a zip archive, or a tar archive, gzipped or not; or a single picture.

    Returns:
        Its image files, those without an ending by their content; hidden files and what macOS adds to
        archives are left out, other files are counted.

    Raises:
        OSError: if it cannot be read; a damaged archive raises one of `READ_ERRORS`.
    """
    if path.is_dir():
        return _Folder(path)
    if path.suffix.lower() in SUFFIXES:
        return _Folder(path.parent, [path.name])
    return _Zip(path) if path.suffix.lower() == ".zip" else _Tar(path)


def walk(
    folder: Path, names: Iterable[str] | None = None, others: Counter[str] | None = None
) -> Iterator[tuple[str, os.stat_result]]:
    """Go through the image files of a folder and its sub-folders.

    Args:
        folder: where to start.
        names: the paths inside it, where they are known.
        others: counts the files of each ending that are no pictures, where the paths are not known.

    Returns:
        Path inside the folder and status of each image file, in order.
    """
    root = str(folder)
    listed = _names(folder, Counter() if others is None else others) if names is None else names
    return ((name, _status(f"{root}/{name}")) for name in listed)


def _names(folder: Path, others: Counter[str]) -> Iterator[str]:
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
        for name in sorted(files):
            if _hidden(name):
                continue
            if name[name.rfind(".") :].lower() in SUFFIXES or _wanted(
                name, others, lambda path=f"{place}/{name}": _head(path)
            ):
                yield above + name


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except FileNotFoundError:  # a dangling link: reading it will fail and name it
        return os.lstat(path)


def _head(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as handle:
            return handle.read(HEAD)
    except OSError:  # nothing says that it is a picture
        return b""


def _wanted(name: str, others: Counter[str], head: Callable[[], bytes]) -> bool:
    """Tell whether a file is a picture; count it if it is none."""
    if any(map(_hidden, name.split("/"))):
        return False
    suffix = suffix_of(name)
    if suffix in SUFFIXES or (not suffix and begins_as_picture(head())):
        return True
    others[suffix] += 1
    return False


class _Part(Files):
    def __init__(self, only: Files, own: Mapping[int, int], count: int) -> None:
        self.names = only.names
        self._only_these, self._own, self._count = only, own, count

    @property
    def count(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        return self.names[self._own[index]]

    def page(self, index: int) -> int:
        return self._only_these.page(self._own[index])

    def read(self, index: int) -> bytes:
        return self._only_these.read(self._own[index])

    def close(self) -> None:
        self._only_these.close()


class _Folder(Files):
    def __init__(self, folder: Path, names: Iterable[str] | None = None) -> None:
        self._folder = str(folder)
        self.others = Counter()
        self.names = list(_names(folder, self.others) if names is None else names)

    def read(self, index: int) -> bytes:
        # Without the layers of a Python file, which take longer than the system does for a small one.
        descriptor = os.open(f"{self._folder}/{self.names[index]}", os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            size = os.fstat(descriptor).st_size
            data = os.read(descriptor, size + 1)
            while len(data) < size and (more := os.read(descriptor, size - len(data))):
                data += more  # a read gives 2 GiB at most
            return data
        finally:
            os.close(descriptor)

    def _only(self, indices: Sequence[int]) -> Files:
        return _Folder(Path(self._folder), [self.names[index] for index in indices])


class _Zip(Files):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._archive = zipfile.ZipFile(path)
        self.others = Counter()
        self._members = [info for info in self._archive.infolist() if not info.is_dir() and self._takes(info)]
        self.names = [_clean(info.filename) for info in self._members]

    def _takes(self, info: zipfile.ZipInfo) -> bool:
        def head() -> bytes:
            try:
                with self._archive.open(info) as member:
                    return member.read(HEAD)
            except RuntimeError:  # it needs a password
                return b""

        return _wanted(_clean(info.filename), self.others, head)

    def read(self, index: int) -> bytes:
        return self._archive.read(self._members[index])

    def _only(self, indices: Sequence[int]) -> Files:
        return _SomeOfZip(self._path, [self.names[index] for index in indices], list(indices))

    def close(self) -> None:
        self._archive.close()


@functools.lru_cache(maxsize=1)
def _zip_of_this_process(path: Path, process: int) -> _Zip:
    return _Zip(path)


class _SomeOfZip(Files):
    """Files of an archive whose directory is read once in a process."""

    def __init__(self, path: Path, names: list[str], indices: list[int]) -> None:
        self._path, self.names, self._indices = path, names, indices

    def read(self, index: int) -> bytes:
        return _zip_of_this_process(self._path, os.getpid()).read(self._indices[index])


class _Tar(Files):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: Any = open_maybe_gzip(path)
        try:
            self._list()
        except BaseException:
            self._handle.close()
            raise

    def _list(self) -> None:
        self.names, self._spans, self.others = [], [], Counter()
        archive: Any
        with tarfile.open(fileobj=self._handle, mode="r:") as archive:
            for member in archive:
                name = _clean(member.name)
                head = functools.partial(self._head, member.offset_data, min(HEAD, member.size))
                if member.isreg() and _wanted(name, self.others, head):
                    self.names.append(name)
                    self._spans.append((member.offset_data, member.size))
                archive.members = []  # tarfile remembers all of them: a kilobyte for each image

    def _head(self, start: int, size: int) -> bytes:
        self._handle.seek(start)
        return self._handle.read(size)

    def read(self, index: int) -> bytes:
        start, size = self._spans[index]
        self._handle.seek(start)
        return self._handle.read(size)

    def _only(self, indices: Sequence[int]) -> Files:
        names = [self.names[index] for index in indices]
        return _SomeOfTar(self._path, names, [self._spans[index] for index in indices])

    def close(self) -> None:
        self._handle.close()


class _SomeOfTar(Files):
    """Files of an archive that is not gzipped, by their places in it."""

    def __init__(self, path: Path, names: list[str], spans: list[tuple[int, int]]) -> None:
        self._path, self.names, self._spans = path, names, spans
        self._handle: BinaryIO | None = None

    def read(self, index: int) -> bytes:
        self._handle = self._handle or self._path.open("rb")
        start, size = self._spans[index]
        self._handle.seek(start)
        return self._handle.read(size)

    def close(self) -> None:
        if self._handle:
            self._handle.close()


def _clean(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/").lstrip("/")))
