"""Trackers: where the metrics go besides metrics.jsonl."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from latentia.core.errors import MissingExtra
from latentia.core.registry import register


class Tracker(abc.ABC):
    """Receives every line of the log."""

    kind: ClassVar[str] = "tracker"

    @abc.abstractmethod
    def log(self, row: Mapping[str, Any]) -> None:
        """Take one line.

        Args:
            row: plain values, with `step` and `split`.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Write what is left."""


@register("tracker", "tensorboard")
class TensorBoard(Tracker):
    """Event files for TensorBoard, in the run folder's `tensorboard/`."""

    def __init__(self, folder: Path) -> None:
        """Open the event file.

        Args:
            folder: the run folder.

        Raises:
            MissingExtra: if the package tensorboard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtra("tensorboard", "tensorboard", "training.trackers=tensorboard") from error
        self.writer = SummaryWriter(str(folder / "tensorboard"))

    def log(self, row: Mapping[str, Any]) -> None:
        """Write every number as a scalar; see `Tracker`."""
        for name, value in row.items():
            if isinstance(value, (int, float)) and name != "step":
                self.writer.add_scalar(f"{row['split']}/{name}", value, row["step"])

    def close(self) -> None:
        """Flush and close; see `Tracker`."""
        self.writer.close()
