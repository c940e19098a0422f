"""Checkpoints: one atomic file with everything that the future of a run depends on.

Order and noise are functions of the seed and the step, so that the step is all there is to keep of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from latentia import storage
from latentia.errors import RunError
from latentia.training.opponent import Opponent
from latentia.training.optimiser import Adam

KEPT = 2
"""How many checkpoints stay: the newest, and the one before in case it is damaged."""


@dataclass
class Progress:
    """Where a run is.

    Attributes:
        step: optimiser steps done.
        seconds: time spent training, over all sessions.
        best_score: lowest validation loss so far among the settled ones; None before the first.
        best_step: the step that it was reached at.
        stale: validations since then.
        finished: why the run is over; empty while it is not.
    """

    step: int = 0
    seconds: float = 0.0
    best_score: float | None = None
    best_step: int | None = None
    stale: int = 0
    finished: str = ""


@dataclass(frozen=True)
class Checkpointed:
    """The live objects whose state a checkpoint holds."""

    model: nn.Module
    optimiser: Adam
    average: list[Tensor]
    opponent: Opponent | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Collect the state by name."""
        named = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        named |= {f"optimiser.{name}": value for name, value in self.optimiser.state().items()}
        for position, value in enumerate(self.average):
            named[f"average.{position}"] = value
        if self.opponent is not None:
            named |= {f"opponent.{name}": value for name, value in self.opponent.state().items()}
        return named

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Put a collected state back.

        Args:
            tensors: what `tensors` gave.
        """
        groups: dict[str, dict[str, Tensor]] = {
            group: {} for group in ("model", "optimiser", "average", "opponent")
        }
        for key, value in tensors.items():
            group, _, name = key.partition(".")
            groups[group][name] = value
        self.model.load_state_dict(groups["model"])
        self.optimiser.load(groups["optimiser"])
        for position, value in enumerate(self.average):
            value.copy_(groups["average"][str(position)])
        if self.opponent is not None:
            self.opponent.load(groups["opponent"])


class Checkpoints:
    """The checkpoints of a run, newest last."""

    def __init__(self, folder: Path) -> None:
        """Point at the folder.

        Args:
            folder: where they are.
        """
        self.folder = folder

    def files(self) -> list[Path]:
        """List them, oldest first."""
        return sorted(self.folder.glob("*.safetensors"))

    def save(self, progress: Progress, live: Checkpointed) -> Path:
        """Write one and drop those that are too old.

        Args:
            progress: where the run is.
            live: the objects to save.

        Returns:
            The file.

        Raises:
            LatentiaError: if it cannot be written; the older ones stay.
        """
        path = self.folder / f"{progress.step:010d}.safetensors"
        storage.save_tensors(path, live.tensors(), asdict(progress))
        for old in self.files()[:-KEPT]:
            old.unlink(missing_ok=True)
        return path

    def load(self, live: Checkpointed) -> tuple[Progress | None, list[str]]:
        """Restore the newest one that is whole.

        Args:
            live: the objects to restore.

        Returns:
            Where the run was, or None if there is no checkpoint; and a line for each one that was
            damaged and passed over.

        Raises:
            RunError: if there are some but none is whole, or they fit another model.
        """
        passed_over: list[str] = []
        for path in reversed(self.files()):
            try:
                tensors, header = storage.load_tensors(path)
            except RunError as error:
                passed_over.append(str(error))
                continue
            progress = _restore(path, live, tensors, header)
            for later in self.files():
                if later > path:
                    later.unlink()
            return progress, passed_over
        if passed_over:
            raise RunError(
                f"no checkpoint in {self.folder} is whole ({passed_over[0]}); train anew with another --out"
            )
        return None, []


def _restore(
    path: Path, live: Checkpointed, tensors: Mapping[str, Tensor], header: dict[str, Any]
) -> Progress:
    try:
        live.load(tensors)
        return Progress(**header)
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{path} belongs to another model than run.toml describes: {reason}") from error
