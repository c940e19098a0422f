"""What all contestants of the training benchmarks train: network, loss, batch."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

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
        batch: images in a step.
    """

    network: str
    binarise: bool
    settings: Mapping[str, Any]
    build: Callable[[], Pair]
    batch: int = BATCH

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
        weights: the encoder's parameters and then the decoder's, in the order and shapes of the plain torch
            networks.
    """

    images: int
    seconds: float
    loss: float
    weights: Sequence[np.ndarray]

    @property
    def parameters(self) -> int:
        """How many parameters the model has."""
        return sum(weight.size for weight in self.weights)

    @property
    def speed(self) -> float:
        """Images per second."""
        return self.images / self.seconds


def weights_of(*modules: nn.Module) -> list[np.ndarray]:
    """Copy the parameters of some modules.

    Args:
        modules: the encoder, then the decoder; or a model that holds them in this order and nothing else.

    Returns:
        One array for each.
    """
    return [p.detach().numpy().copy() for module in modules for p in module.parameters()]


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


class Block(nn.Module):
    """`x + f(x)` with two normalised 3x3 convolutions, the normalisation first."""

    def __init__(self, channels: int) -> None:
        """Build it for this many channels, in and out."""
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map images to images of the same shape."""
        return x + self.body(x)


class Double(nn.Module):
    """Nearest-neighbour doubling of height and width."""

    def forward(self, x: Tensor) -> Tensor:
        """Double both."""
        return F.interpolate(x, scale_factor=2)


def resnet() -> Pair:
    """Build residual blocks of 16 and 32 channels, a dense layer of 128, and their mirror."""
    encoder = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        Block(16),
        nn.Conv2d(16, 32, 4, 2, 1),
        Block(32),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(32 * 14 * 14, 128),
        nn.SiLU(),
        nn.Linear(128, 2 * LATENTS),
    )
    decoder = nn.Sequential(
        nn.Linear(LATENTS, 128),
        nn.SiLU(),
        nn.Linear(128, 32 * 14 * 14),
        nn.Unflatten(1, (32, 14, 14)),
        Block(32),
        Double(),
        nn.Conv2d(32, 16, 3, padding=1),
        Block(16),
        nn.SiLU(),
        nn.Conv2d(16, 1, 3, padding=1),
    )
    return encoder, decoder


_MLP = {"name": "mlp", "hidden": [512], "activation": "relu"}
_CONV = {"name": "conv", "channels": [16, 32], "hidden": [128], "activation": "relu"}
_RESNET = {"name": "resnet", "channels": [16, 32], "blocks": 1, "hidden": [128], "activation": "silu"}

MLP = Workload("mlp 784-512-16", False, _MLP, mlp)
MLP_BINARISED = Workload("mlp 784-512-16", True, _MLP, mlp)
CONV = Workload("conv 16, 32; 128", False, _CONV, conv)
RESNET = Workload("resnet 16, 32; 128", False, _RESNET, resnet)
