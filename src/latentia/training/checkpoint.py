"""Checkpoints: one atomic file with everything that the future of a run depends on.

Order and noise are functions of the seed and the step, so that the step is all there is to keep of them. The
first of several processes writes all that they hold together, in shards or not, so that any number can go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from latentia.core import storage
from latentia.core.errors import RunError
from latentia.objectives import Objective
from latentia.training.discriminator import TrainedDiscriminator
from latentia.training.engines import Engine
from latentia.training.optimiser import Adam

KEPT = 2
"""How many checkpoints stay: the newest, and the one before in case it is damaged."""
FORMER = ("opponent.", "discriminator.")
"""What the tensors of a discriminator were called in checkpoints once, and are called now."""


@dataclass
class Progress:
    """Where a run is.

    Attributes:
        step: optimiser steps done.
        seconds: time spent training, over all sessions.
        best_score: lowest validation score (`Terms.score`) so far among the settled ones; None before one.
        best_step: the step that it was reached at.
        stale: validations since then.
        finished: why the run is over; empty while it is not.
        first_loss: the loss of the first batch, before any step, without an adversary's term; None before it
            was logged.
        last_loss: the mean of the last steps that were logged, without that term as well.
    """

    step: int = 0
    seconds: float = 0.0
    best_score: float | None = None
    best_step: int | None = None
    stale: int = 0
    finished: str = ""
    first_loss: float | None = None
    last_loss: float | None = None


@dataclass(frozen=True)
class Checkpointed:
    """The live objects whose state a checkpoint holds."""

    model: nn.Module
    optimiser: Adam
    average: list[Tensor]
    discriminator: TrainedDiscriminator | None = None
    objective: Objective | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Collect the state by name."""
        named = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        named |= {f"optimiser.{name}": value for name, value in self.optimiser.state().items()}
        for position, value in enumerate(self.average):
            named[f"average.{position}"] = value
        if self.discriminator is not None:
            named |= {f"discriminator.{name}": value for name, value in self.discriminator.state().items()}
        for part, module in (self.objective.moving() if self.objective else {}).items():
            named |= {f"objective.{part}.{name}": value for name, value in module.state_dict().items()}
        return named

    def check(self, tensors: Mapping[str, Tensor]) -> None:
        """Refuse a collected state that is not this one's.

        Args:
            tensors: what is to be put back.

        Raises:
            ValueError: naming a tensor that is too many, missing, or of another shape.
        """
        own = self.tensors()
        for name in sorted(own.keys() ^ tensors.keys()):
            raise ValueError(f"'{name}' is in one of them alone")
        for name, tensor in own.items():
            if tensor.shape != tensors[name].shape:
                want, got = (list(shape) for shape in (tensor.shape, tensors[name].shape))
                raise ValueError(f"'{name}' has shape {got}, and the model's has {want}")


def checkpoint_files(folder: Path) -> list[Path]:
    """List the checkpoints of a run, oldest first.

    Args:
        folder: where they are.

    Returns:
        The files.
    """
    return sorted(folder.glob("*.safetensors"))


class Checkpoints:
    """The checkpoints of a run, newest last."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        """Point at the folder.

        Args:
            folder: where they are.
            engine: how the processes hold what they save.
        """
        self.folder = folder
        self.engine = engine

    def files(self) -> list[Path]:
        """List them, oldest first."""
        return checkpoint_files(self.folder)

    def save(self, progress: Progress, live: Checkpointed) -> None:
        """Write one and drop those that are too old; the first process does, with all that there is.

        Args:
            progress: where the run is.
            live: the objects to save.

        Raises:
            LatentiaError: if it cannot be written; the older ones stay.
        """
        tensors = self.engine.collect(live.tensors())

        def write() -> None:
            path = self.folder / f"{progress.step:010d}.safetensors"
            storage.save_tensors(path, tensors, asdict(progress))
            for old in self.files()[:-KEPT]:
                old.unlink(missing_ok=True)

        self.engine.processes.alone(write)

    def load(self, live: Checkpointed) -> tuple[Progress | None, list[str]]:
        """Restore the newest one that is whole: the first process reads it and tells the others.

        Args:
            live: the objects to restore.

        Returns:
            Where the run was, or None if there is no checkpoint; and a line for each one that was
            damaged and passed over.

        Raises:
            RunError: if there are some but none is whole, or they fit another model.
        """
        processes = self.engine.processes
        tensors, header, passed_over = processes.alone(lambda: self._newest(live)) or (None, None, [])
        header = processes.tell(header)
        if header is None:
            return None, passed_over
        self.engine.fill(live.tensors(), tensors)
        return Progress(**header), passed_over

    def _newest(
        self, live: Checkpointed
    ) -> tuple[dict[str, Tensor] | None, dict[str, Any] | None, list[str]]:
        """Read the newest one that is whole, and delete those after it."""
        passed_over: list[str] = []
        for path in reversed(self.files()):
            try:
                tensors, header = storage.load_tensors(path)
            except RunError as error:
                passed_over.append(str(error))
                continue
            tensors = {name.replace(*FORMER, 1): value for name, value in tensors.items()}
            try:
                live.check(tensors)
                Progress(**header)
            except (ValueError, TypeError) as error:
                raise RunError(f"{path} belongs to another model than run.toml describes: {error}") from error
            for later in self.files():
                if later > path:
                    later.unlink()
            return tensors, header, passed_over
        if passed_over:
            raise RunError(
                f"no checkpoint in {self.folder} is whole ({passed_over[0]}); train anew with another --out"
            )
        return None, None, []
