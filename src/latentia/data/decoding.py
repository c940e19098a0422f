"""Images decoded by many processes, straight into the files of their shards."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from latentia.data.files import Files, open_files
from latentia.data.raw import Options
from latentia.data.stack import decode_one, mixed
from latentia.errors import DataError
from latentia.storage import cannot_write

FEW = 1000
"""Images for which starting other processes takes longer than decoding."""


class Task(NamedTuple):
    """Some neighbouring images of one shard.

    Attributes:
        target: the file that they are written into.
        offset: where in it, in bytes.
        files: for each place the position of its file in the source.
        event: channels, height and width of an image there.
        first: the name of an image of that size.
        options: size and skip_bad are used.
    """

    target: Path
    offset: int
    files: np.ndarray
    event: tuple[int, ...]
    first: str
    options: Options


class Decoded(NamedTuple):
    """What became of a task.

    Attributes:
        good: which images could be decoded, `(n,)`.
        skipped: names of the others.
        low: the smallest value.
        high: the largest value.
        colour: there was a colour image where grey ones were expected; nothing was written.
    """

    good: np.ndarray
    skipped: tuple[str, ...] = ()
    low: int = 255
    high: int = 0
    colour: bool = False


def decode_into(task: Task, files: Files, where: str) -> Decoded:
    """Decode the images of a task and write them to their place.

    Args:
        task: which ones, and where to.
        files: the source.
        where: the source, for messages.

    Returns:
        What could be read.

    Raises:
        DataError: if an image cannot be decoded and may not be skipped, or is of another size.
        LatentiaError: if the file cannot be written.
    """
    x = np.zeros((len(task.files), *task.event), np.uint8)
    good = np.zeros(len(task.files), dtype=bool)
    skipped = []
    for place in np.argsort(task.files).tolist():  # ascending in the source is the fast order
        index = int(task.files[place])
        pixels = decode_one(files, index, task.options, where)
        if pixels is None:
            skipped.append(files.names[index])
            continue
        if pixels.shape[1:] != task.event[1:]:
            raise mixed(where, (task.first, task.event[1:]), (files.names[index], pixels.shape[1:]))
        if len(pixels) > task.event[0]:
            return Decoded(good, colour=True)
        x[place], good[place] = pixels, True
    _write(task, x)
    seen = x[good] if skipped else x
    ends = (int(seen.min()), int(seen.max())) if len(seen) else (255, 0)
    return Decoded(good, tuple(skipped), *ends)


def _write(task: Task, x: np.ndarray) -> None:
    left, at = memoryview(x.reshape(-1).data), task.offset
    try:
        descriptor = os.open(task.target, os.O_WRONLY)
        try:
            while left.nbytes:
                count = os.pwrite(descriptor, left, at)
                left, at = left[count:], at + count
        finally:
            os.close(descriptor)
    except OSError as error:
        raise cannot_write(task.target.parent, error) from error


class _Source:
    """The archive that a worker process keeps open."""

    files: Files | None = None
    where: str = ""


def _begin(path: Path, where: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that has a user
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Source.files, _Source.where = open_files(path), where


def _end_with_parent() -> None:
    if parent := parent_process():
        connection.wait([parent.sentinel])
        os._exit(1)


def _in_worker(task: Task) -> Decoded:
    if _Source.files is None:
        raise RuntimeError("a worker decodes after it has begun")
    return decode_into(task, _Source.files, _Source.where)


class _Here(Executor):
    """Does the work at once, in this process."""

    def __init__(self, files: Files, where: str) -> None:
        self._files, self._where = files, where

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Decoded]:
        done: Future[Decoded] = Future()
        done.set_result(decode_into(args[0], self._files, self._where))
        return done


def decode_tasks(
    tasks: Iterable[tuple[Any, Task]], path: Path, files: Files, where: str, workers: int
) -> Generator[tuple[Any, Task, Decoded]]:
    """Do tasks in other processes, a few at a time, and give what became of them in their order.

    Args:
        tasks: the tasks, each with what the caller knows it by.
        path: the source, which each process opens for itself.
        files: the same, open in this process.
        where: what messages call it.
        workers: how many processes; with 1, this one does the work.

    Yields:
        Each task with its outcome.

    Raises:
        DataError: if a process dies.
        LatentiaError: whatever stopped a task.
    """
    waiting: deque[tuple[Any, Task, Future[Decoded]]] = deque()
    with contextlib.ExitStack() as stack:
        if workers == 1:
            pool: Executor = _Here(files, where)
        else:
            pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (path, where))
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        try:
            for owner, task in tasks:
                waiting.append((owner, task, pool.submit(_in_worker, task)))
                if len(waiting) > 3 * workers:
                    owner, task, future = waiting.popleft()
                    yield owner, task, future.result()
            while waiting:
                owner, task, future = waiting.popleft()
                yield owner, task, future.result()
        except (BrokenProcessPool, OSError) as error:  # OSError: it died while it was given something to do
            raise DataError(
                f"{where}: a process that decoded images died, perhaps for want of memory; the same command "
                "goes on where it stopped, with fewer --workers if need be"
            ) from error
