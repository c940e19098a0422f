"""The floor: a bare hand-written training loop over resident tensors, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.workload import LEARNING_RATE, Lap, Workload, weights_of


def train(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train for some epochs; an incomplete last batch is dropped.

    Args:
        workload: network and loss.
        images: uint8, shape `(N, 1, 28, 28)`.
        epochs: passes over the images.

    Returns:
        The measurement; it covers everything from the first step to the last, orders included.
    """
    return _train(workload, images, epochs, compiled=False)


def train_compiled(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train as `train`, with loss and optimiser step compiled; compiling is not timed.

    Args:
        workload: network and loss.
        images: uint8, shape `(N, 1, 28, 28)`.
        epochs: passes over the images.

    Returns:
        The measurement.
    """
    torch._dynamo.reset()
    return _train(workload, images, epochs, compiled=True)


def _train(workload: Workload, images: np.ndarray, epochs: int, compiled: bool) -> Lap:
    data, size = torch.from_numpy(images), workload.batch
    encoder, decoder = workload.build()
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)

    def measure(index: Tensor) -> Tensor:
        return loss(encoder, decoder, _batch(data, index, workload.binarise))

    forward: Callable[[Tensor], Tensor] = torch.compile(measure) if compiled else measure
    update: Callable[[], Any] = torch.compile(optimiser.step) if compiled else optimiser.step
    steps = len(data) // size
    total = torch.zeros(())

    def step(index: Tensor) -> None:
        value = forward(index)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        update()
        total.add_(value.detach())

    if compiled:
        for _ in range(3):
            step(torch.arange(size))
        total.zero_()
    started = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(data))
        for position in range(steps):
            step(order[position * size : (position + 1) * size])
    seconds = time.perf_counter() - started
    return Lap(
        epochs * steps * size, seconds, (total / (epochs * steps)).item(), weights_of(encoder, decoder)
    )


def _batch(data: Tensor, index: Tensor, binarise: bool) -> Tensor:
    x = data.index_select(0, index).to(torch.float32).mul_(1 / 255)
    return (torch.rand_like(x) < x).to(torch.float32) if binarise else x


def loss(encoder: nn.Module, decoder: nn.Module, x: Tensor) -> Tensor:
    """Give the negative evidence lower bound, the mean over the batch.

    Args:
        encoder: gives means and log variances side by side.
        decoder: gives logits.
        x: values in [0, 1], shape `(B, 1, 28, 28)`.

    Returns:
        Nats, shape `()`.
    """
    mean, log_variance = encoder(x).chunk(2, dim=1)
    z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    distortion = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum")
    rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
    return (distortion + rate) / len(x)
