"""What all contestants of the throughput benchmark train: network, loss, batch."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

BATCH = 128
LATENTS = 16
LEARNING_RATE = 1e-3

Pair = tuple[nn.Module, nn.Module]


@dataclass(frozen=True)
class Workload:
    """One network with one loss.

    Attributes:
        network: what to call the network.
        binarise: train on pixels drawn anew as 0 or 1 each time; else on grey values in [0, 1]. The
            loss is the cross-entropy plus the KL divergence in both cases.
        settings: the section `network` of latentia's settings.
        build: makes the same encoder and decoder in plain torch; the encoder gives means and log
            variances side by side, the decoder gives logits.
    """

    network: str
    binarise: bool
    settings: Mapping[str, Any]
    build: Callable[[], Pair]

    @property
    def loss(self) -> str:
        """What to call the loss."""
        return "binarised" if self.binarise else "grey"


@dataclass(frozen=True)
class Lap:
    """One measurement.

    Attributes:
        images: how many were trained on.
        seconds: how long it took.
        loss: mean loss over the lap, in nats: a sign that the contestants train the same thing.
        parameters: how many the model has.
    """

    images: int
    seconds: float
    loss: float
    parameters: int

    @property
    def speed(self) -> float:
        """Images per second."""
        return self.images / self.seconds


class Terminal(io.StringIO):
    """A terminal for progress bars, which draw nothing where nobody looks."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


def mlp() -> Pair:
    """Build 784-512-16 and its mirror."""
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 2 * LATENTS))
    decoder = nn.Sequential(
        nn.Linear(LATENTS, 512), nn.ReLU(), nn.Linear(512, 784), nn.Unflatten(1, (1, 28, 28))
    )
    return encoder, decoder


def conv() -> Pair:
    """Build two strided convolutions of 16 and 32 channels, a dense layer of 128, and their mirror."""
    encoder = nn.Sequential(
        nn.Conv2d(1, 16, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 128),
        nn.ReLU(),
        nn.Linear(128, 2 * LATENTS),
    )
    decoder = nn.Sequential(
        nn.Linear(LATENTS, 128),
        nn.ReLU(),
        nn.Linear(128, 32 * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(1, (32, 7, 7)),
        nn.ConvTranspose2d(32, 16, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 4, 2, 1),
    )
    return encoder, decoder


MLP = {"name": "mlp", "hidden": [512], "activation": "relu"}
CONV = {"name": "conv", "channels": [16, 32], "hidden": [128], "activation": "relu"}

WORKLOADS = (
    Workload("mlp 784-512-16", False, MLP, mlp),
    Workload("mlp 784-512-16", True, MLP, mlp),
    Workload("conv 16, 32; 128", True, CONV, conv),
)
