# pyright: reportMissingImports=false
"""A VAE in Lightning as its users write it: a module, a DataLoader, the Trainer's defaults."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import tempfile
import time
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import floor
from benchmarks.workload import LEARNING_RATE, Lap, Terminal, Workload, weights_of


def available() -> bool:
    """Whether Lightning is installed."""
    return importlib.util.find_spec("lightning") is not None


def train(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train for some epochs; an incomplete last batch is dropped.

    The images are float32 in a `TensorDataset`, the optimiser is fused, the loss goes to the progress bar.
    Only the epochs are timed, not the Trainer's set-up, nor the checkpoint that it writes after each epoch.

    Args:
        workload: network and loss.
        images: uint8, shape `(N, 1, 28, 28)`.
        epochs: passes over the images.

    Returns:
        The measurement.
    """
    import lightning

    data = TensorDataset(torch.from_numpy(images).to(torch.float32) / 255)
    loader = DataLoader(data, workload.batch, shuffle=True, drop_last=True)
    module, clock = _module(workload), _clock()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with (
        tempfile.TemporaryDirectory() as scratch,
        contextlib.redirect_stdout(Terminal()),
        contextlib.redirect_stderr(Terminal()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            accelerator="cpu", max_epochs=epochs, default_root_dir=scratch, callbacks=[clock]
        )
        trainer.fit(module, loader)
    loss = float(torch.stack(clock.losses).mean())
    return Lap(
        len(clock.losses) * workload.batch, clock.seconds, loss, weights_of(module.encoder, module.decoder)
    )


def _module(workload: Workload) -> Any:
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = workload.build()

        def training_step(self, batch: list[Tensor], position: int) -> Tensor:
            """Give the loss of a batch."""
            x = batch[0]
            if workload.binarise:
                x = torch.bernoulli(x)
            loss = floor.loss(self.encoder, self.decoder, x)
            self.log("loss", loss, prog_bar=True)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            """Give fused Adam."""
            return torch.optim.Adam(self.parameters(), lr=LEARNING_RATE, fused=True)

    return Module()


def _clock() -> Any:
    import lightning

    class Clock(lightning.Callback):
        def __init__(self) -> None:
            self.began = self.ended = self.seconds = 0.0
            self.losses: list[Tensor] = []

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            """Start."""
            self.began = time.perf_counter()

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            """Note the loss, and the end of a batch."""
            self.losses.append(outputs["loss"].detach())
            self.ended = time.perf_counter()

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            """Close an epoch."""
            self.seconds += self.ended - self.began

    return Clock()
