"""The floor of reconstruction: the mean of the training examples, given for every example."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from latentia.core.noise import seeded
from latentia.data.loader import Loader
from latentia.data.splits import spread
from latentia.metrics.terms import blocks

MOST = 10_000
"""Training examples behind the mean at the most, evenly spaced."""
CHUNK = 512


@torch.no_grad()
def mean_example(loader: Loader) -> Tensor:
    """Average training examples, without the transform's noise.

    Args:
        loader: the training split.

    Returns:
        Shape `(*event,)`, in the model's units.
    """
    rows = torch.from_numpy(spread(np.asarray(loader.rows.cpu()), MOST))
    total = torch.zeros(loader.event, dtype=torch.float64)
    for part in rows.to(loader.device).split(CHUNK):
        x = loader.transform.expected(loader.stored(part)).cpu()
        total += x.double().sum(dim=0)
    return (total / max(1, len(rows))).float()


@torch.no_grad()
def floor(loader: Loader, mean: Tensor, samples: int = 1) -> float:
    """Give the squared error of one example for all: what a model must get under to have learned anything.

    Args:
        loader: the split, which is prepared with the noise that `average_terms` prepares it with.
        mean: the example, shape `(*event,)`.
        samples: latents for each example, as the objective has them; blocks follow it.

    Returns:
        The mean squared error per value, in the model's units; NaN for an empty split.
    """
    total, mean = 0.0, mean.to(loader.device)
    for noise, rows in blocks(loader, 0, samples=samples):
        with seeded(noise):
            x = loader.batch(rows).x
        total += float((x - mean).square().double().sum())
    count = len(loader) * math.prod(loader.event)
    return total / count if count else math.nan
