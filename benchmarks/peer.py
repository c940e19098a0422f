# pyright: reportMissingImports=false
"""The peer: pythae's BaseTrainer with the same network, batch and loss, its defaults otherwise."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import tempfile
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.workload import LATENTS, LEARNING_RATE, Lap, Terminal, Workload, weights_of


def available() -> bool:
    """Whether pythae is installed."""
    return importlib.util.find_spec("pythae") is not None


def train(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train for some epochs.

    Only its epochs' loops over the batches are timed: not its set-up, not the copy of the best model
    that it makes after each epoch.

    Args:
        workload: network and loss; binarised pixels are nothing that pythae knows.
        images: uint8, shape `(N, 1, 28, 28)`.
        epochs: passes over the images.

    Returns:
        The measurement.
    """
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.WARNING)
    clock = _clock()
    try:
        with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stderr(Terminal()):
            settings = BaseTrainerConfig(
                output_dir=scratch,
                per_device_train_batch_size=workload.batch,
                num_epochs=epochs,
                learning_rate=LEARNING_RATE,
                no_cuda=True,
            )
            model = wrap(*workload.build(), LATENTS)
            trainer = BaseTrainer(model, _dataset(images), training_config=settings, callbacks=[clock])
            trainer.train()
    finally:
        logging.disable(logging.NOTSET)
    weights = weights_of(model.encoder, model.decoder)
    return Lap(epochs * len(images), clock.seconds, float(np.mean(clock.losses)), weights)


def _dataset(images: np.ndarray) -> Any:
    """Give the images as pythae wants them: float32 in [0, 1], all of them."""
    from pythae.data.datasets import BaseDataset

    return BaseDataset(torch.from_numpy(images).to(torch.float32) / 255, torch.ones(len(images)))


def wrap(encoder: nn.Module, decoder: nn.Module, latents: int) -> Any:
    """Put plain networks into pythae's classes.

    Args:
        encoder: gives means and log variances side by side.
        decoder: gives logits.
        latents: dimensions of the latent.

    Returns:
        pythae's VAE with the cross-entropy as its loss.
    """
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = encoder

        def forward(self, x: Tensor) -> ModelOutput:
            mean, log_variance = self.layers(x).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = decoder

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.layers(z).sigmoid())

    description = VAEConfig(input_dim=(1, 28, 28), latent_dim=latents, reconstruction_loss="bce")
    return VAE(description, Encoder(), Decoder())


def _clock() -> Any:
    from pythae.trainers.training_callbacks import TrainingCallback

    class Clock(TrainingCallback):
        def __init__(self) -> None:
            self.began = self.ended = self.seconds = 0.0
            self.losses: list[float] = []

        def on_train_step_begin(self, training_config: Any, **others: Any) -> None:
            """Start: pythae calls the loop over one epoch's batches a train step."""
            self.began = time.perf_counter()

        def on_train_step_end(self, training_config: Any, **others: Any) -> None:
            """Note the end of a batch."""
            self.ended = time.perf_counter()

        def on_log(self, training_config: Any, logs: dict[str, float], **others: Any) -> None:
            """Close an epoch."""
            self.seconds += self.ended - self.began
            self.losses.append(logs["train_epoch_loss"])

    return Clock()
