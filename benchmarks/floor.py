"""The floor: a bare hand-written training loop over resident tensors, and nothing else."""

from __future__ import annotations

import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.workload import BATCH, LEARNING_RATE, Lap, Workload


def train(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train for some epochs; an incomplete last batch is dropped.

    Args:
        workload: network and loss.
        images: uint8, shape `(N, 1, 28, 28)`.
        epochs: passes over the images.

    Returns:
        The measurement; it covers everything from the first step to the last, orders included.
    """
    data = torch.from_numpy(images)
    encoder, decoder = workload.build()
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)
    steps = len(data) // BATCH
    total = torch.zeros(())

    started = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(data))
        for step in range(steps):
            x = _batch(data, order[step * BATCH : (step + 1) * BATCH], workload.binarise)
            loss = _loss(encoder, decoder, x)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += loss.detach()
    seconds = time.perf_counter() - started

    count = sum(parameter.numel() for parameter in parameters)
    return Lap(epochs * steps * BATCH, seconds, (total / (epochs * steps)).item(), count)


def _batch(data: Tensor, index: Tensor, binarise: bool) -> Tensor:
    x = data.index_select(0, index).to(torch.float32).mul_(1 / 255)
    return (torch.rand_like(x) < x).to(torch.float32) if binarise else x


def _loss(encoder: nn.Module, decoder: nn.Module, x: Tensor) -> Tensor:
    """Give the negative evidence lower bound, the mean over the batch."""
    mean, log_variance = encoder(x).chunk(2, dim=1)
    z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    distortion = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum")
    rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
    return (distortion + rate) / len(x)
