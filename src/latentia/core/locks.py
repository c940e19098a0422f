"""Locks on a byte of a file, which the system gives back when the process ends, however it ends."""

from __future__ import annotations

import errno
import importlib
from types import ModuleType
from typing import IO, Any

BUSY = (BlockingIOError, PermissionError)
"""What is raised where another process holds the byte."""


def lock(handle: IO[Any], number: int = 0, *, wait: bool = False) -> None:
    """Take a byte of a file for this process: by POSIX locks, which file systems share, or Windows' own.

    Args:
        handle: the file, open for writing.
        number: which byte; it need not exist.
        wait: until another process gives it back.

    Raises:
        OSError: if another process holds it (`BUSY`), or the file system has no locks.
    """
    if (fcntl := _posix()) is not None:
        fcntl.lockf(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, number)
        return
    msvcrt: Any = importlib.import_module("msvcrt")
    while True:
        handle.seek(number)
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if wait and error.errno in (errno.EDEADLK, errno.EACCES):  # it waits ten seconds at a time
                continue
            raise
        return


def unlock(handle: IO[Any], number: int = 0) -> None:
    """Give a byte back.

    Args:
        handle: the file.
        number: which byte.
    """
    if (fcntl := _posix()) is not None:
        fcntl.lockf(handle, fcntl.LOCK_UN, 1, number)
        return
    msvcrt: Any = importlib.import_module("msvcrt")
    handle.seek(number)
    msvcrt.locking(handle.fileno(), msvcrt.LK_UNLCK, 1)


def lock_file(handle: IO[Any]) -> None:
    """Take a whole file, for as long as it is open; a second handle in the same process is refused, too.

    Args:
        handle: the file, open for writing.

    Raises:
        OSError: if it is held already, or the file system has no locks.
    """
    if (fcntl := _posix()) is not None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        lock(handle)


def _posix() -> ModuleType | None:
    """Give the module fcntl, which Windows has not."""
    try:
        return importlib.import_module("fcntl")
    except ImportError:
        return None
