"""Data sets and loaders of torch, read whole."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from latentia.core import progress
from latentia.core.errors import DataError, reason

SHOWN = 10_000
"""Examples from which on a bar is shown."""


def is_torch(source: Any) -> bool:
    """Say whether a source is a data set or a loader of torch; torch is not imported for it.

    Args:
        source: what the user gave.

    Returns:
        Whether it is.
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, (torch.utils.data.Dataset, torch.utils.data.DataLoader))


def examples_of(source: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Read all examples, in their order; of a loader, those of its data set: training draws its own batches.

    Args:
        source: a `torch.utils.data.Dataset` or a `DataLoader` of one, whose items are examples, or tuples of
            an example and a label. What it draws at random, such as augmentations, is drawn once.

    Returns:
        The examples, and the labels or None.

    Raises:
        DataError: if an item is something else, or examples have different shapes.
    """
    dataset = getattr(source, "dataset", source) if hasattr(source, "batch_size") else source
    what = f"the {type(dataset).__name__} given"
    total = len(dataset) if hasattr(dataset, "__len__") else None
    items = iter(dataset) if total is None else (dataset[at] for at in range(total))
    xs, ys = [], []
    bar = progress.bar(items, desc="reading", total=total, unit=" examples", quiet=(total or 0) < SHOWN)
    for item in bar:
        x, y = (item[0], item[1]) if isinstance(item, (tuple, list)) and len(item) == 2 else (item, None)
        x = x[0] if isinstance(x, (tuple, list)) and len(x) == 1 else x  # of a TensorDataset
        try:
            xs.append(np.asarray(x))
        except (TypeError, ValueError, RuntimeError) as error:
            raise DataError(
                f"{what}: example {len(xs)} is a {type(x).__name__}, and no array ({reason(error)})"
            ) from error
        ys.append(y)
    if not xs:
        raise DataError(f"{what} has no examples")
    for at, x in enumerate(xs):
        if x.shape != xs[0].shape or x.dtype.kind not in "buif":
            raise DataError(
                f"{what}: example {at} has shape {x.shape} and type {x.dtype}, the first one {xs[0].shape}; "
                "give arrays, tensors or pictures of one shape"
            )
    labelled = all(y is not None and np.ndim(y) == 0 for y in ys)
    return np.stack(xs), np.array([np.asarray(y).item() for y in ys]) if labelled else None
