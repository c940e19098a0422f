"""Files that grow part by part: what is done stands beside a file until all is, and can be gone on with."""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from latentia.core import locks, storage
from latentia.core.errors import DataError, LatentiaError

Same = Callable[[int, int], bool]
"""Says of a part's number and its CRC-32 whether the part may stay."""


class Stopped(LatentiaError):
    """What ended the work is no fault of what is written: the parts that are done stay."""


class Partial(Protocol):
    """A file that may not be finished."""

    def whole(self, same: Same) -> tuple[int, int]:
        """Count the parts that are there and may stay, and say where the last of them ends."""
        ...


class Rows:
    """An array as .npy that grows by so many rows at a time, each part of which has a checksum."""

    def __init__(
        self, dtype: np.dtype, shape: tuple[int, ...], rows: int, check: Callable[[np.ndarray], int]
    ) -> None:
        """Say what the array will be.

        Args:
            dtype: of its numbers.
            shape: of all of it.
            rows: of a part; the last one has what is left.
            check: gives the CRC-32 of a part.
        """
        self.shape = shape
        self._dtype, self._rows, self._check = dtype, rows, check

    def packed(self) -> bytes:
        """Write what stands before the numbers."""
        head = io.BytesIO()
        what = {"descr": self._dtype.str, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_2_0(head, what)
        return head.getvalue()

    def reader(self, handle: BinaryIO, where: str) -> Partial:
        """Read what is there of it.

        Args:
            handle: an open file, read as far as the numbers.
            where: what messages call it.

        Returns:
            The parts.
        """
        return _Begun(self, handle)

    def parts(self, handle: BinaryIO) -> Iterator[int]:
        """Give the checksums of the parts that are there in full.

        Args:
            handle: the open file.

        Yields:
            One CRC-32 for each.
        """
        handle.seek(len(self.packed()))
        for first in range(0, self.shape[0], self._rows):
            shape = (min(self._rows, self.shape[0] - first), *self.shape[1:])
            content = handle.read(math.prod(shape) * self._dtype.itemsize)
            if len(content) < math.prod(shape) * self._dtype.itemsize:
                return
            yield self._check(np.frombuffer(content, self._dtype).reshape(shape))


class _Begun:
    def __init__(self, rows: Rows, handle: BinaryIO) -> None:
        self._rows, self._handle = rows, handle

    def whole(self, same: Same) -> tuple[int, int]:
        count, end = 0, len(self._rows.packed())
        for count, check in enumerate(self._rows.parts(self._handle), start=1):
            if not same(count - 1, check):
                return count - 1, end
            end = self._handle.tell()
        return count, end


@contextlib.contextmanager
def growing(
    path: Path,
    header: Any,
    reader: Callable[[BinaryIO, str], Partial],
    same: Same,
    *,
    resume: bool,
    options: str,
) -> Iterator[tuple[BinaryIO, int]]:
    """Write a file by way of another, `.NAME.part` beside it, which stays where the work is interrupted.

    It also stays where a disk is full, and at `Stopped`; where what is to be written is at fault, nothing
    is left.

    Args:
        path: the file.
        header: what stands before the parts; its `packed` writes it.
        reader: reads such files.
        same: says of a part's number and the CRC-32 in the file whether what is to be written has the same.
        resume: go on with what an earlier call left.
        options: what else a file is made by, for a message.

    Yields:
        Where to write the parts, and how many of them are there.

    Raises:
        DataError: if what is there was begun with another header.
        LatentiaError: if the file cannot be written, or is being written by another process.
    """
    part, begun = path.with_name(f".{path.name}.part"), False
    try:
        with part.open("a+b") as handle:
            _hold(handle, path)
            started, end = _left(handle, part, header, reader, same, options) if resume else (0, 0)
            begun = True
            handle.seek(end)
            handle.truncate()
            if not end:
                handle.write(header.packed())
            yield handle, started
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(path)
        storage.sync_folder(path.parent)
    except LatentiaError as error:
        if begun and not isinstance(error, Stopped):
            part.unlink(missing_ok=True)
        raise
    except OSError as error:
        raise storage.cannot_write(path, error) from error


def _hold(handle: BinaryIO, path: Path) -> None:
    """Refuse a second process that writes the same file: each would cut off what the other has done."""
    try:
        locks.lock_file(handle)
    except locks.BUSY as error:
        raise LatentiaError(
            f"{path} is being written by another process; wait until it ends, or give another name"
        ) from error
    except OSError:
        return  # a file system without locks


def _left(
    handle: BinaryIO,
    part: Path,
    header: Any,
    reader: Callable[[BinaryIO, str], Partial],
    same: Same,
    options: str,
) -> tuple[int, int]:
    """Find what an interrupted call left: how many parts may stay, and where they end."""
    packed = header.packed()
    handle.seek(0)
    begun = handle.read(len(packed))
    if len(begun) < len(packed) and packed.startswith(begun):
        return 0, 0  # nothing is there, or it was killed before the header was
    if begun != packed:
        raise DataError(f"{part} was begun with {options}; leave out --resume to begin anew")
    return reader(handle, str(part)).whole(same)
