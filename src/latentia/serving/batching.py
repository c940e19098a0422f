"""Concurrent requests computed together: one worker, one queue, every answer to the one who asked."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np

from latentia.serving.errors import Busy

Rows = tuple["np.ndarray | None", ...]
"""Arrays with one row for each example; None where the model takes none."""
Compute = Callable[..., Any]
"""Maps `Rows` to an array, or a tuple of arrays or None, with one row for each example."""

BYTES = 256 * 2**20
"""What the waiting requests may hold together."""


@dataclass
class _Job:
    """A request that waits.

    Attributes:
        compute: what answers it; requests of one are joined.
        rows: what it is given.
        count: how many rows.
        join: whether it may be computed with others.
        answer: where the answer goes.
        came: when it came.
    """

    compute: Compute
    rows: Rows
    count: int
    join: bool
    answer: asyncio.Future[Any]
    came: float = field(default_factory=monotonic)

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return sum(array.nbytes for array in self.rows if array is not None)


class Batcher:
    """Collects requests for a moment, or while the worker is busy, and computes those of one kind together.

    The oldest request goes first, with all of its kind that fit. An error goes to the request that caused it:
    where a batch fails, its requests are computed one by one. All methods are called in one event loop; the
    computing itself is done in one thread.
    """

    def __init__(self, most: int = 256, *, wait: float = 0.001, waiting: int = 1024) -> None:
        """Set the limits.

        Args:
            most: rows in a batch; a request with more is a batch of its own.
            wait: seconds for which the first request of a batch waits for others.
            waiting: requests that may wait; more are refused.
        """
        self.most = most
        self.wait = wait
        self.waiting = waiting
        self.batches = 0
        self.requests = 0
        self._jobs: deque[_Job] = deque()
        self._held = 0
        self._open = 0
        self._more = asyncio.Event()
        self._worker = ThreadPoolExecutor(1, "latentia-batches")
        self._loop: asyncio.Task[None] | None = None

    async def joined(self, compute: Compute, *rows: np.ndarray | None) -> Any:
        """Compute rows, together with those of others who ask for the same.

        Args:
            compute: what to compute, row by row; the same object for requests of one kind.
            rows: its arguments, the first one an array.

        Returns:
            What it gives for these rows.
        """
        first = rows[0]
        return await self._ask(compute, rows, 0 if first is None else len(first), join=True)

    async def alone(self, compute: Callable[[], Any]) -> Any:
        """Compute something in its turn, with nothing else beside it.

        Args:
            compute: what to compute.

        Returns:
            What it gives.
        """
        return await self._ask(compute, (), 1, join=False)

    async def _ask(self, compute: Compute, rows: Rows, count: int, *, join: bool) -> Any:
        job = _Job(compute, rows, count, join, asyncio.get_running_loop().create_future())
        if len(self._jobs) >= self.waiting or (self._jobs and self._held + job.size > BYTES):
            raise Busy("the server is busy: too many requests are waiting; try again in a second")
        if self._loop is None:
            self._loop = asyncio.create_task(self._run(), name="latentia-batches")
        self._jobs.append(job)
        self._held += job.size
        self._open += 1
        self._more.set()
        return await job.answer

    async def close(self) -> None:
        """Answer what is waiting, then stop the worker."""
        while self._open:
            await asyncio.sleep(0.005)
        if self._loop is not None:
            self._loop.cancel()
        self._worker.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._more.wait()
            await self._collect()
            batch = self._take()
            self.batches, self.requests = self.batches + 1, self.requests + len(batch)
            answers = await loop.run_in_executor(self._worker, _answers, batch)
            self._held -= sum(job.size for job in batch)
            self._open -= len(batch)
            for job, answer in zip(batch, answers, strict=True):
                if job.answer.done():  # the one who asked has gone
                    continue
                if isinstance(answer, BaseException):
                    job.answer.set_exception(answer)
                else:
                    job.answer.set_result(answer)

    async def _collect(self) -> None:
        """Wait until the oldest request has waited long enough, or a batch is full."""
        while (left := self._jobs[0].came + self.wait - monotonic()) > 0:
            if not self._jobs[0].join or sum(job.count for job in self._jobs) >= self.most:
                return
            await asyncio.sleep(min(left, self.wait))

    def _take(self) -> list[_Job]:
        """Take the oldest request off the queue, and those that can be computed with it."""
        first = self._jobs.popleft()
        batch, room = [first], self.most - first.count
        if first.join:
            others: deque[_Job] = deque()
            for job in self._jobs:
                fits = job.join and job.compute == first.compute and job.count <= room
                (batch if fits else others).append(job)
                room -= job.count if fits else 0
            self._jobs = others
        if not self._jobs:
            self._more.clear()
        return batch


def _answers(batch: list[_Job]) -> list[Any]:
    """Compute a batch, in the worker: an answer or an error for each request."""
    if len(batch) > 1:
        try:
            return _joined(batch)
        except Exception:  # one of them is at fault: below, each finds out for itself
            pass
    answers = []
    for job in batch:
        try:
            answers.append(job.compute(*job.rows))
        except Exception as error:
            answers.append(error)
    return answers


def _joined(batch: list[_Job]) -> list[Any]:
    """Compute all rows at once, and deal the answers out."""
    columns = zip(*(job.rows for job in batch), strict=True)
    found = batch[0].compute(*(None if parts[0] is None else np.concatenate(parts) for parts in columns))
    whole = found if isinstance(found, tuple) else (found,)
    ends = np.cumsum([job.count for job in batch]).tolist()
    for array in whole:
        if array is not None and len(array) != ends[-1]:
            raise ValueError(f"{len(array)} rows for {ends[-1]}")
    answers = []
    for job, end in zip(batch, ends, strict=True):
        parts = tuple(None if array is None else array[end - job.count : end] for array in whole)
        answers.append(parts if isinstance(found, tuple) else parts[0])
    return answers
