"""Where a run writes: into a folder, from which it can go on, or into memory alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from latentia.core import storage
from latentia.training.checkpoint import Checkpointed, Checkpoints, Progress
from latentia.training.engines import Engine
from latentia.training.folder import RunFolder
from latentia.training.trackers import Trackers


class Record(Protocol):
    """What a loop writes down. All processes call it, and with several the first one writes."""

    def begin(self, live: Checkpointed) -> tuple[Progress | None, list[str]]:
        """Restore what a session before has left.

        Args:
            live: the objects to restore.

        Returns:
            Where the run was, or None at its start; and notes for the user.
        """
        ...

    def log(self, row: Mapping[str, Any]) -> None:
        """Take one line of the log.

        Args:
            row: plain values, with `step` and `split`.
        """
        ...

    def checkpoint(self, progress: Progress, live: Checkpointed) -> None:
        """Save all that the future of the run depends on.

        Args:
            progress: where the run is.
            live: the objects to save.
        """
        ...

    def keep(self, model: nn.Module, header: Mapping[str, Any]) -> None:
        """Keep the weights as the best so far.

        Args:
            model: whose weights.
            header: which they are.
        """
        ...

    def failed(self, tensors: dict[str, Tensor], step: int) -> str:
        """Keep a batch whose loss is not finite.

        Args:
            tensors: the batch.
            step: which step it was.

        Returns:
            What to say of it after the step.
        """
        ...

    def close(self, model: nn.Module) -> None:
        """End a session.

        Args:
            model: what was trained.
        """
        ...


class FolderRecord:
    """A run folder: checkpoints to go on from, the best weights, the log, trackers."""

    def __init__(self, folder: RunFolder, engine: Engine, trackers: Sequence[str]) -> None:
        """Open the trackers.

        Args:
            folder: the run's folder.
            engine: how the processes hold what is saved.
            trackers: their names.
        """
        self.folder = folder
        self.engine = engine
        self.checkpoints = Checkpoints(folder.checkpoints, engine)

        begun = engine.processes.alone(lambda: Trackers(trackers, folder.path))
        self.trackers = begun or Trackers((), folder.path)

    def begin(self, live: Checkpointed) -> tuple[Progress | None, list[str]]:
        """Restore the newest checkpoint, or save the first; see `Record`."""
        restored, notes = self.checkpoints.load(live)
        step = restored.step if restored else 0
        self.engine.processes.alone(lambda: self.folder.rewind(step))
        if restored is None:
            self.checkpoints.save(Progress(), live)
        return restored, notes

    def log(self, row: Mapping[str, Any]) -> None:
        """Append it to the metrics and give it to the trackers; see `Record`."""
        if not self.engine.processes.first:
            return
        self.folder.log(row)
        self.trackers.log(row)

    def checkpoint(self, progress: Progress, live: Checkpointed) -> None:
        """Write one; see `Record`."""
        self.checkpoints.save(progress, live)

    def keep(self, model: nn.Module, header: Mapping[str, Any]) -> None:
        """Write the weights; see `Record`."""
        weights = self.engine.collect(model.state_dict())
        write = self.folder.weights_file
        self.engine.processes.alone(lambda: storage.save_tensors(write, weights, header))

    def failed(self, tensors: dict[str, Tensor], step: int) -> str:
        """Write the batch, and name it and the last checkpoint; see `Record`."""
        path = self.folder.path / "failed-batch.safetensors"
        storage.save_tensors(path, tensors, {"step": step})
        return f"the batch is in {path}, the last good checkpoint is {self.checkpoints.files()[-1].name}"

    def close(self, model: nn.Module) -> None:
        """Close the trackers; see `Record`."""
        self.trackers.close()


class MemoryRecord:
    """No file at all: the log is a list, and the model has its best weights in the end."""

    def __init__(self, engine: Engine) -> None:
        """Start empty.

        Args:
            engine: how the processes hold the weights.
        """
        self.engine = engine
        self.rows: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] | None = None

    def begin(self, live: Checkpointed) -> tuple[Progress | None, list[str]]:
        """Start anew; see `Record`."""
        return None, []

    def log(self, row: Mapping[str, Any]) -> None:
        """Append it to `rows`; see `Record`."""
        self.rows.append(dict(row))

    def checkpoint(self, progress: Progress, live: Checkpointed) -> None:
        """Save nothing; see `Record`."""

    def keep(self, model: nn.Module, header: Mapping[str, Any]) -> None:
        """Copy the weights; see `Record`."""
        collected = self.engine.collect(model.state_dict())
        self.best = {name: value.detach().clone() for name, value in collected.items()}

    def failed(self, tensors: dict[str, Tensor], step: int) -> str:
        """Keep nothing; see `Record`."""
        return "it was trained in memory, and no batch is kept"

    def close(self, model: nn.Module) -> None:
        """Put the best weights into the model; see `Record`."""
        if self.best is not None:
            self.engine.fill(model.state_dict(), self.best)
