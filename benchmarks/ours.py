"""latentia's own trainer, as its users get it: progress bar, metrics.jsonl and checkpoints are on."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import latentia
from benchmarks.workload import LATENTS, LEARNING_RATE, Lap, Terminal, Workload, weights_of
from latentia import assembly
from latentia.core import config
from latentia.data.loader import loaders
from latentia.training import Trainer, Training
from latentia.training.checkpoint import Progress
from latentia.training.folder import RunFolder


def train(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train for some epochs; an incomplete last batch is dropped.

    Set-up is left out: the trainer's own clock runs from the first step to the last, log lines and
    progress bar included. Validation is off, since no other contestant validates. The lap is shorter
    than the time between two checkpoints, so that it is charged for its share of one.

    Args:
        workload: network and loss.
        images: uint8, shape `(N, 1, 28, 28)`.
        epochs: passes over the images.

    Returns:
        The measurement.
    """
    return _train(workload, images, epochs, "never")


def train_compiled(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train as `train`, compiled; compiling is not timed.

    Args:
        workload: network and loss.
        images: uint8, shape `(N, 1, 28, 28)`.
        epochs: passes over the images.

    Returns:
        The measurement.
    """
    torch._dynamo.reset()
    return _train(workload, images, epochs, "always")


def _train(workload: Workload, images: np.ndarray, epochs: int, choice: str) -> Lap:
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stderr(Terminal()) as terminal:
        trainer = prepare(workload, images, epochs, Path(scratch) / "run", choice)
        if choice == "always":
            _compile(trainer)
        progress = trainer.fit().progress
        seconds = progress.seconds + _share_of_a_checkpoint(trainer, progress.seconds)
        loss = _mean_loss(RunFolder(Path(scratch) / "run"))
    if "images/s" not in terminal.getvalue():
        raise RuntimeError("latentia drew no progress bar: the comparison would flatter it")
    return Lap(progress.step * workload.batch, seconds, loss, weights_of(trainer.model))


def _compile(trainer: Trainer) -> None:
    """Run forward and backward pass once, which compiles both and moves no weight."""
    trainer.model.train()
    trainer.step.engine.loss_module(torch.arange(trainer.batch_size), 0.0)[0].mean().backward()


def prepare(workload: Workload, images: np.ndarray, epochs: int, path: Path, choice: str) -> Trainer:
    """Make the trainer that `latentia train` would make.

    Args:
        workload: network and loss.
        images: uint8, shape `(N, 1, 28, 28)`.
        epochs: passes over the images.
        path: the run's folder.
        choice: whether to compile: always or never.

    Returns:
        The trainer.
    """
    dataset = latentia.load(images, validation=0.0, test=0.0)
    settings = {
        "model": {"name": "vae", "latent_dim": LATENTS},
        "network": dict(workload.settings),
        "likelihood": {"name": "bernoulli"},
        "transform": {"name": "binarise" if workload.binarise else "scale"},
        "training": {
            "epochs": epochs,
            "batch_size": workload.batch,
            "lr": LEARNING_RATE,
            "schedule": {"name": "constant"},  # as the others have it, so that the losses can be compared
            "device": "cpu",
            "compile": choice,
        },
    }
    spec = assembly.complete(settings, dataset, Training)
    spec["data"] = {"source": dataset.source}
    parts = assembly.fresh(spec, dataset.event, seed=0)
    folder = RunFolder(path)
    folder.create(spec)
    splits = loaders(dataset, parts.transform, c=parts.condition.of(dataset) if parts.condition else None)
    return Trainer(
        parts.model, parts.objective, splits, config.construct(Training, spec["training"]), folder, say=_heed
    )


def _heed(line: str) -> None:
    """Refuse to time what fell back to running uncompiled."""
    if line.startswith("not compiled"):
        raise RuntimeError(f"latentia did not compile: {line}")


def _mean_loss(folder: RunFolder) -> float:
    """Average the log's lines, each the mean over the steps since the one before."""
    rows = [row for row in folder.metrics() if row["split"] == "train"]
    steps = np.diff([0, *(row["step"] for row in rows)])
    return float(np.average([row["loss"] for row in rows], weights=steps))


def _share_of_a_checkpoint(trainer: Trainer, seconds: float) -> float:
    every = trainer.settings.checkpoint_seconds
    if seconds >= every:
        return 0.0  # there were some
    started = time.perf_counter()
    trainer.record.checkpoint(trainer.record.begin(trainer.live)[0] or Progress(), trainer.live)
    return (time.perf_counter() - started) * seconds / every
