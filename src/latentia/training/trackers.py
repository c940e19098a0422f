"""Trackers: where the metrics go besides metrics.jsonl."""

from __future__ import annotations

import abc
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from latentia.core import config, registry, storage
from latentia.core.errors import ConfigError, LatentiaError, Note, reason
from latentia.core.extras import optional
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
        _imported("tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / "tensorboard"))

    def log(self, row: Mapping[str, Any]) -> None:
        """Write every number as a scalar; see `Tracker`."""
        for name, value in numbers(row).items():
            self.writer.add_scalar(name, value, row["step"])

    def close(self) -> None:
        """Flush and close; see `Tracker`."""
        self.writer.close()


@register("tracker", "wandb")
class WeightsAndBiases(Tracker):
    """A run of Weights & Biases, by the name of the run folder; a resumed run goes on in the same one.

    It is set up as wandb itself is: `wandb login`, or `WANDB_MODE=offline`; `WANDB_PROJECT`, or `latentia`.
    """

    def __init__(self, folder: Path) -> None:
        """Begin a run, or go on with it.

        Args:
            folder: the run folder.

        Raises:
            MissingExtra: if the package wandb is not installed.
        """
        wandb = _imported("wandb")
        kept = folder / "wandb.json"
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "latentia"),
            name=folder.resolve().name,
            id=storage.read_json(kept)["id"] if kept.is_file() else None,
            resume="allow",
            dir=str(folder),
            config=config.read_toml(folder / "run.toml"),
        )
        storage.write_json(kept, {"id": self.run.id})

    def log(self, row: Mapping[str, Any]) -> None:
        """Write every number, and the step that it is of; see `Tracker`."""
        self.run.log({**numbers(row), "step": row["step"]})

    def close(self) -> None:
        """End the session; see `Tracker`."""
        self.run.finish()


@register("tracker", "mlflow")
class MLflow(Tracker):
    """A run of MLflow, by the name of the run folder; a resumed run goes on in the same one.

    It goes where `MLFLOW_TRACKING_URI` says, into the experiment `MLFLOW_EXPERIMENT_NAME`, or `latentia`.
    """

    def __init__(self, folder: Path) -> None:
        """Begin a run, or go on with it.

        Args:
            folder: the run folder.

        Raises:
            MissingExtra: if the package mlflow is not installed.
        """
        self.client = _imported("mlflow").MlflowClient()
        kept = folder / "mlflow.json"
        if kept.is_file():
            self.id = storage.read_json(kept)["id"]
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "latentia")
        experiment = self.client.get_experiment_by_name(name)
        place = self.client.create_experiment(name) if experiment is None else experiment.experiment_id
        self.id = self.client.create_run(place, run_name=folder.resolve().name).info.run_id
        for section, table in config.read_toml(folder / "run.toml").items():
            for key, value in table.items():
                self.client.log_param(self.id, f"{section}.{key}", value)
        storage.write_json(kept, {"id": self.id})

    def log(self, row: Mapping[str, Any]) -> None:
        """Write every number, at its step; see `Tracker`."""
        for name, value in numbers(row).items():
            self.client.log_metric(self.id, name, value, step=row["step"])

    def close(self) -> None:
        """End the session; see `Tracker`."""
        self.client.set_terminated(self.id)


class Trackers:
    """The trackers of a run; one that fails on the way is left out with a word, and training goes on."""

    def __init__(self, names: Sequence[str], folder: Path) -> None:
        """Begin with each.

        Args:
            names: what they are called.
            folder: the run folder.

        Raises:
            ConfigError: if one cannot begin, with what it says.
        """
        self._by_name: dict[str, Tracker] = {}
        for name in names:
            try:
                self._by_name[name] = registry.lookup("tracker", name)(folder)
            except LatentiaError:
                raise
            except Exception as error:  # whatever a tracker's own library raises
                raise ConfigError(
                    f"training.trackers={name} cannot begin: {reason(error)}; set it up, or leave it out"
                ) from error

    def log(self, row: Mapping[str, Any]) -> None:
        """Give a line of the log to each.

        Args:
            row: plain values, with `step` and `split`.
        """
        self._each(lambda tracker: tracker.log(row))

    def close(self) -> None:
        """Have each write what is left."""
        self._each(lambda tracker: tracker.close())

    def _each(self, work: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._by_name.items()):
            try:
                work(tracker)
            except Exception as error:  # a server that is gone loses no training
                del self._by_name[name]
                told = f"training.trackers={name} is left out from here on: {reason(error)}"
                warnings.warn(f"{told}; metrics.jsonl has all", Note, stacklevel=2)


def _imported(package: str) -> Any:
    return optional(package, package, f"training.trackers={package}")


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Give what a line of the log has of numbers, each by the split and its name.

    Args:
        row: the line.

    Returns:
        The numbers.
    """
    return {
        f"{row['split']}/{name}": value
        for name, value in row.items()
        if isinstance(value, (int, float)) and name != "step"
    }
