"""Files that grow part by part: what is done stands beside a file until all is, and can be gone on with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from latentia.coding.container import Parts
from latentia.core import storage
from latentia.core.errors import DataError


@contextlib.contextmanager
def growing(
    path: Path,
    header: Any,
    reader: Callable[[BinaryIO, str], Parts],
    same: Callable[[int, int], bool],
    *,
    resume: bool,
    options: str,
) -> Iterator[tuple[BinaryIO, int]]:
    """Write a file by way of another, `.NAME.part` beside it, which stays where the work is interrupted.

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
        LatentiaError: if the file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    started, end = _left(part, header, reader, same, options) if resume else (0, 0)
    try:
        with part.open("r+b" if end else "wb") as handle:
            if not end:
                handle.write(header.packed())
            handle.seek(end or len(header.packed()))
            handle.truncate()
            yield handle, started
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(path)
        storage.sync_folder(path.parent)
    except OSError as error:
        raise storage.cannot_write(path, error) from error


def _left(
    part: Path,
    header: Any,
    reader: Callable[[BinaryIO, str], Parts],
    same: Callable[[int, int], bool],
    options: str,
) -> tuple[int, int]:
    """Find what an interrupted call left: how many parts may stay, and where they end."""
    if not part.is_file():
        return 0, 0
    packed = header.packed()
    with part.open("rb") as handle:
        begun = handle.read(len(packed))
        if len(begun) < len(packed) and packed.startswith(begun):
            return 0, 0  # killed before the header was there
        if begun != packed:
            raise DataError(f"{part} was begun with {options}; compress without --resume to begin anew")
        return reader(handle, str(part)).whole(same)
