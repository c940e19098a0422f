"""The floor of reconstruction: the mean of the training examples, given for every example."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from latentia.core.noise import seeded
from latentia.data.loader import Loader
from latentia.data.splits import spread
from latentia.metrics.terms import blocks, squared_error

MOST = 10_000
"""Training examples behind the mean at the most, evenly spaced."""
CHUNK = 512


@torch.no_grad()
def mean_example(loader: Loader, nominal: Tensor | None = None) -> Tensor:
    """Average training examples, without the transform's noise: what was observed of them.

    Args:
        loader: the training split.
        nominal: entries that are codes of names, shape `(*event,)`, whose commonest code is taken instead.

    Returns:
        Shape `(*event,)`, in the model's units; 0 where nothing was observed.
    """
    return constant(_examples(loader), loader.event, nominal)


def constant(parts: Iterable[Tensor], event: tuple[int, ...], nominal: Tensor | None = None) -> Tensor:
    """Give the example with the least squared error for all of some: their mean, and the commonest of names.

    Args:
        parts: examples in parts, each `(n, *event)`, on the CPU; NaN where a value is missing.
        event: shape of one example.
        nominal: entries that are codes of names, shape `(*event,)`, or None.

    Returns:
        Shape `(*event,)`; 0 where nothing was observed.
    """
    total, count = (torch.zeros(event, dtype=torch.float64) for _ in range(2))
    named, names = None if nominal is None else nominal.cpu(), []
    for x in parts:
        missing = x.isnan()
        total += x.double().masked_fill(missing, 0.0).sum(dim=0)
        count += (~missing).sum(dim=0)
        if named is not None:
            names.append(x[:, named])
    mean = (total / count.clamp(min=1)).float()
    if named is not None and names:
        mean[named] = torch.stack([_commonest(codes) for codes in torch.cat(names).unbind(dim=1)])
    return mean


def _examples(loader: Loader) -> Iterator[Tensor]:
    rows = torch.from_numpy(spread(np.asarray(loader.rows.cpu()), MOST))
    for part in rows.to(loader.device).split(CHUNK):
        yield loader.transform.expected(loader.stored(part)).cpu()


def _commonest(codes: Tensor) -> Tensor:
    values, counts = codes[~codes.isnan()].unique(return_counts=True)
    return values[counts.argmax()] if len(values) else torch.zeros(())


@torch.no_grad()
def floor(loader: Loader, mean: Tensor, samples: int = 1, nominal: Tensor | None = None) -> float:
    """Give the squared error of one example for all: what a model must get under to have learned anything.

    Args:
        loader: the split, which is prepared with the noise that `average_terms` prepares it with.
        mean: the example, shape `(*event,)`.
        samples: latents for each example, as the objective has them; blocks follow it.
        nominal: entries that are codes of names; see `squared_error`.

    Returns:
        The mean squared error per observed value, in the model's units; NaN for an empty split.
    """
    total, mean = 0.0, mean.to(loader.device)
    for noise, rows in blocks(loader, 0, samples=samples):
        with seeded(noise):
            x = loader.batch(rows).x
        total += float(squared_error(mean, x, nominal).double().sum())
    return total / len(loader) if len(loader) else math.nan
