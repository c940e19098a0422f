"""Ctrl-C and SIGTERM as a request to stop at the next step, not as an exception in its middle."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from latentia.core.processes import Processes


class Interrupts:
    """While entered, notes the first SIGINT or SIGTERM; a second one acts as ever."""

    def __init__(self) -> None:
        """Start with nothing received."""
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._late = False

    def __enter__(self) -> Interrupts:
        """Install the handlers, where that is possible: in the main thread."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the former handlers back, unless the own signal is still to come."""
        if error is not None or not self._late:
            self._restore()

    def together(self, processes: Processes) -> signal.Signals | None:
        """Say after the last step which signal stopped the processes, whoever of them got it.

        A launcher signals one process after another, or the rest once the first has ended. A process that
        stopped for a signal of others takes its own, when it comes, for the same one: it has yet to write and
        to say so.

        Args:
            processes: who trained.

        Returns:
            The signal, the same everywhere, or None.
        """
        received = int(processes.highest(self.received or 0)[0])
        self._late = bool(received) and self.received is None
        return signal.Signals(received) if received else None

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self._restore()


class Agreement:
    """Lets several processes stop, or save, after the same step.

    What a clock or a signal says, they ask each other about ten times a second, at steps that they agreed on
    the time before. A single process need not ask, and looks after every step.
    """

    def __init__(self, processes: Processes, step: int) -> None:
        """Start.

        Args:
            processes: who is to agree.
            step: steps done.
        """
        self.processes = processes
        self.asked, self.next = (time.monotonic(), step), step

    def __call__(self, step: int, received: int, late: bool, due: bool) -> tuple[bool, bool]:
        """Look after a step.

        Args:
            step: steps done.
            received: a signal that this process got, or 0.
            late: whether its time is over.
            due: whether a checkpoint is due.

        Returns:
            Whether all processes are to stop; and to save a checkpoint.
        """
        if step < self.next:
            return False, False
        now = time.monotonic()
        rate = (step - self.asked[1]) / max(now - self.asked[0], 1e-9)
        ahead = max(1, int(rate * self.processes.pause))
        *found, furthest = self.processes.highest(received or late, due, ahead)
        self.asked, self.next = (now, step), step + int(furthest)
        return bool(found[0]), bool(found[1])
