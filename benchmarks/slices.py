"""Processes that take turns of half a second, so that a machine whose speed wanders treats them alike.

On a shared machine whole runs of some seconds scatter by a quarter, and a difference of 3 % would take
hundreds of them. Here the processes stand beside each other, all but one are stopped, and the ratio is taken
between turns that lie within seconds. POSIX alone has the signals for it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, Any, NamedTuple, NoReturn, TypeVar

import numpy as np

SLICE = 0.5
"""Seconds of a turn."""
Name = TypeVar("Name")
_SETTLED = 20
"""Units of work before a process is first measured."""


class Turn(NamedTuple):
    """What runs in a turn.

    Attributes:
        process: writes one byte for each unit of work.
        beside: what runs beside it, and is stopped else.
    """

    process: subprocess.Popen[bytes]
    beside: Sequence[subprocess.Popen[bytes]] = ()


@contextmanager
def paced(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process, let it come to its pace, and stop it.

    Args:
        command: a program that writes one byte to its standard output for each unit of work, without an end.
        environment: its environment; this one's if None.

    Yields:
        The process, stopped; killed in the end.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    try:
        os.set_blocking(_output(process).fileno(), False)
        done = 0
        while done < _SETTLED:
            time.sleep(0.05)
            done += _count(process)
            if process.poll() is not None:
                _, said = process.communicate()
                raise RuntimeError(f"{' '.join(command)}: {said.decode().strip()}")
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def loops(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start processes that keep a core busy each.

    Args:
        count: how many.

    Yields:
        The processes, running; killed in the end.
    """
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(process.wait)
            stack.callback(process.kill)
            found.append(process)
        yield found


def mark() -> None:
    """Say that a unit of work is done; for the processes that are measured."""
    os.write(1, b".")


def train(source: Any, **settings: Any) -> NoReturn:
    """Train as a user does, but without an end, and mark each step; for the processes that are measured.

    Args:
        source: what to train on.
        settings: as for `latentia.train`.
    """
    import latentia
    from latentia.training.callbacks import Callback, Moment

    class Mark(Callback):
        def on_step(self, at: Moment) -> None:
            mark()

    forever = {"compile": "never", "validate_every": 10**9, **settings.pop("training", {})}
    with tempfile.TemporaryDirectory() as scratch:
        latentia.train(
            source,
            out=f"{scratch}/run",
            quiet=True,
            callbacks=[Mark()],
            epochs=10**6,
            training=forever,
            **settings,
        )
    raise RuntimeError("a million epochs are over")


def rates(turns: Mapping[Name, Turn], rounds: int, seconds: float = SLICE) -> dict[Name, np.ndarray]:
    """Let each take its turn, in each round, every second round from the last to the first.

    Args:
        turns: what is compared, by name.
        rounds: how many turns each has.
        seconds: how long a turn is.

    Returns:
        Units of work a second of each turn, by name, shape `(rounds,)`.
    """
    found: dict[Name, list[float]] = {name: [] for name in turns}
    for number in range(rounds):
        for name in list(turns)[:: 1 if number % 2 == 0 else -1]:
            found[name].append(_rate(turns[name], seconds))
    return {name: np.array(of) for name, of in found.items()}


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdout is None:
        raise ValueError("a process whose work is counted writes to a pipe")
    return process.stdout


def _count(process: subprocess.Popen[bytes]) -> int:
    """Read how many units of work were done since the last time."""
    return len(_output(process).read() or b"")


def _rate(turn: Turn, seconds: float) -> float:
    _count(turn.process)
    for process in (*turn.beside, turn.process):
        process.send_signal(signal.SIGCONT)
    started = time.perf_counter()
    time.sleep(seconds)
    for process in (turn.process, *turn.beside):
        process.send_signal(signal.SIGSTOP)
    elapsed = time.perf_counter() - started
    time.sleep(0.02)  # the signal reaches all threads
    return _count(turn.process) / elapsed


def ratio(these: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Compare the rates of turns that lay beside each other.

    Args:
        these: units a second, shape `(N,)`.
        others: of the others, shape `(N,)`.

    Returns:
        The ratio of all that was done, and its standard error: that of the mean of the differences of paired
        turns, as a share of the others' mean (the ratio's first-order error).
    """
    found = float(these.mean() / others.mean())
    spread = (these - found * others).std(ddof=1) / len(these) ** 0.5
    return found, float(spread / others.mean())
