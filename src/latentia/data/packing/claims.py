"""Who works on what, among processes that share nothing but a folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from latentia.core import locks, storage
from latentia.core.errors import LatentiaError


class Claims:
    """Numbered pieces of work, each held by one process at a time.

    A claim is a lock on one byte of a file, `.claims`: the system gives it back when the process ends,
    however it ends, and file systems that machines share (NFS, Lustre, GPFS) pass it on between them. Locks
    belong to a process, not to a thread, and end when it closes the file: open one for a folder.
    """

    def __init__(self, folder: Path) -> None:
        """Open the file of a folder.

        Args:
            folder: made if it is missing.

        Raises:
            LatentiaError: if it cannot be written.
        """
        self.path = folder / ".claims"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = self.path.open("ab", buffering=0)
        except OSError as error:
            raise storage.cannot_write(self.path, error) from error

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *raised: object) -> None:
        self._handle.close()

    @contextlib.contextmanager
    def held(self, number: int, *, wait: bool = False) -> Iterator[bool]:
        """Hold a piece of work inside the context.

        Args:
            number: which one, from 0.
            wait: until another process gives it back.

        Yields:
            Whether it is held; False where another process holds it.

        Raises:
            LatentiaError: if the file system has no locks.
        """
        try:
            locks.lock(self._handle, number, wait=wait)
        except locks.BUSY:
            yield False
            return
        except OSError as error:
            raise LatentiaError(
                f"cannot lock {self.path}: {error.strerror}; choose a folder on a file system that has locks"
            ) from error
        try:
            yield True
        finally:
            locks.unlock(self._handle, number)
