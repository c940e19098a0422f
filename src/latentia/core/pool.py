"""Processes that share a work whose parts are done each by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from latentia.core.errors import LatentiaError

Owner = TypeVar("Owner")
Made = TypeVar("Made")


class Pool:
    """Processes at work, or this one alone; `pool` starts some.

    Attributes:
        count: how many there are.
    """

    def __init__(
        self,
        executor: Executor | None = None,
        count: int = 1,
        died: Callable[[], LatentiaError] | None = None,
        processes: Sequence[BaseProcess] = (),
    ) -> None:
        """Take them.

        Args:
            executor: what does the work; this process by default.
            count: how many processes it has.
            died: gives what is raised where one of them dies.
            processes: these.
        """
        self.count, self._processes = count, processes
        self._executor, self._died = executor or _Here(), died

    def in_order(
        self, work: Callable[..., Made], tasks: Iterable[tuple[Owner, tuple[Any, ...]]], ahead: int = 3
    ) -> Generator[tuple[Owner, Made]]:
        """Do tasks, some ahead of the one that is asked for, and give what became of them in their order.

        Args:
            work: what is done; a function of a module, where there are several processes.
            tasks: what the caller knows each by, and what the work is given.
            ahead: for each of several processes, how many are begun before the first is waited for.

        Yields:
            What the caller knows a task by, and its outcome.

        Raises:
            LatentiaError: if a process dies, and whatever stopped a task. At Ctrl-C all processes are ended,
                so that nobody waits for what they are at.
        """
        waiting: deque[tuple[Owner, Future[Made]]] = deque()
        most = ahead * self.count if self.count > 1 else 0
        try:
            for owner, given in tasks:
                waiting.append((owner, self._executor.submit(work, *given)))
                if len(waiting) > most:
                    owner, future = waiting.popleft()
                    yield owner, future.result()
            while waiting:
                owner, future = waiting.popleft()
                yield owner, future.result()
        except (BrokenProcessPool, OSError) as error:  # OSError: it died while it was given something to do
            if self._died is None:
                raise
            raise self._died() from error
        except KeyboardInterrupt:
            for process in self._processes:
                process.terminate()
            wait([future for _, future in waiting])  # one that is cancelled meanwhile would stop the executor
            raise
        finally:
            for _, future in waiting:
                future.cancel()
            wait([future for _, future in waiting])  # none is at work any more


class _Here(Executor):
    """Does the work at once, in this process."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@contextlib.contextmanager
def pool(
    count: int, died: LatentiaError, begin: Callable[..., object] | None = None, *given: Any
) -> Iterator[Pool]:
    """Start processes; they import what their work takes and nothing of the program that runs.

    Args:
        count: how many; with 1, this one does the work, and nothing begins.
        died: what is raised where they cannot be started, or one of them dies.
        begin: what each does first; a function of a module. Where it fails with a `LatentiaError`, one of
            `died`'s type says why.
        given: what it is given.

    Yields:
        What does tasks.

    Raises:
        LatentiaError: as `died`.
    """
    if count == 1:
        yield Pool()
        return
    context = get_context("spawn")
    reasons = context.SimpleQueue()

    def why() -> LatentiaError:
        if reasons.empty():
            return died
        return type(died)(f"another process cannot begin: {reasons.get()}; go on with --workers 1")

    before = active_children()
    executor = ProcessPoolExecutor(count, context, _begin, (reasons, begin, given))
    try:
        with _apart():
            try:
                for _ in range(count):  # each starts one
                    executor.submit(os.getpid)
            except (BrokenProcessPool, OSError) as error:
                raise why() from error
        yield Pool(executor, count, why, [each for each in active_children() if each not in before])
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _begin(reasons: Any, begin: Callable[..., object] | None, given: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that has a user
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        try:
            begin(*given)
        except LatentiaError as error:
            reasons.put(str(error))
            os._exit(1)  # an exception would be shown with a traceback


def _end_with_parent() -> None:
    if parent := parent_process():
        connection.wait([parent.sentinel])
        os._exit(1)


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    """Hide what new processes would take over.

    They would run the script again up to its main block, and it may import much. And Ctrl-C would end them
    with a traceback until `_begin` ignores it: they inherit that it is blocked.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    block = getattr(signal, "pthread_sigmask", None)  # Windows has none
    before = block(signal.SIG_BLOCK, {signal.SIGINT}) if block else None
    try:
        yield
    finally:
        if block:
            block(signal.SIG_SETMASK, before)
        sys.modules["__main__"] = main
