"""Work that takes its time, done once beside the server, with a share that can be asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from latentia.core.errors import LatentiaError, RunError

Tick = Callable[[float], None]
"""Is told the share of a job that was done since it was last told."""


@dataclass
class Job:
    """Something that is being computed.

    Attributes:
        what: what it is, as a person reads it.
        turn: held while it computes; jobs with the same lock take turns.
        share: how much of it is done, from 0 to 1.
        result: what came of it.
        failure: the line that says why nothing did.
        done: set when it is over.
    """

    what: str
    turn: threading.Lock
    share: float = 0.0
    result: Any = None
    failure: str = ""
    done: threading.Event = field(default_factory=threading.Event)

    def start(self, work: Callable[[Tick], Any]) -> Job:
        """Begin in a thread of its own.

        Args:
            work: is given what to tell of progress, and returns the result.

        Returns:
            The job itself.
        """
        threading.Thread(target=self._run, args=(work,), daemon=True).start()
        return self

    def wait(self) -> Any:
        """Wait until it is over.

        Returns:
            The result.

        Raises:
            RunError: if there is none.
        """
        self.done.wait()
        if self.failure:
            raise RunError(self.failure)
        return self.result

    def _run(self, work: Callable[[Tick], Any]) -> None:
        try:
            with self.turn:
                self.result = work(self._tick)
        except LatentiaError as error:
            self.failure = str(error)
        except Exception as error:  # a thread has nobody to raise to: whoever asks is told
            self.failure = f"{self.what} failed: {type(error).__name__}: {error}"
        self.done.set()

    def _tick(self, share: float) -> None:
        self.share = min(1.0, self.share + share)
