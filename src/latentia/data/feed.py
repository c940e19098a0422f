"""From resident data to batches: an index gather, then the transform, on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from latentia.data.transforms import Transform
from latentia.types import Batch

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset


class Feed:
    """One split of a data set, resident on a device as it is stored, given out in batches."""

    def __init__(self, data: Tensor, rows: Tensor, transform: Transform, c: Tensor | None = None) -> None:
        """Take a split.

        Args:
            data: all examples as stored, shape `(N, *event)`, on the device.
            rows: positions of the split's examples, int64, on the CPU.
            transform: what prepares a batch.
            c: the condition of every example, shape `(N, C)`, on the device, or None.
        """
        self.data = data
        self.rows = rows
        self.transform = transform
        self.c = c

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.rows)

    def order(self, seed: int, epoch: int) -> Tensor:
        """Give the epoch's order: a function of seed and epoch alone, so that a resumed run repeats it.

        Args:
            seed: the run's seed.
            epoch: which pass over the data.

        Returns:
            Positions into the data, shape `(len(self),)`.
        """
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = self.rows[torch.randperm(len(self.rows), generator=generator)]
        return order.to(self.data.device)

    def shuffled(self, seed: int) -> Feed:
        """Give the same split in a random order: sources may be sorted, and parts of them be of one kind.

        Args:
            seed: the order is a function of it and of the number of examples alone.

        Returns:
            A feed over the same data.
        """
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.rows), generator=generator)
        return Feed(self.data, self.rows[order], self.transform, self.c)

    def over(self, rows: np.ndarray) -> Feed:
        """Give a feed over other examples of the same data.

        Args:
            rows: their positions; one may stand there more than once.

        Returns:
            The feed.
        """
        chosen = torch.from_numpy(np.asarray(rows, dtype=np.int64))
        return Feed(self.data, chosen, self.transform, self.c)

    def batch(self, index: Tensor) -> Batch:
        """Gather and prepare.

        Args:
            index: positions into the data, shape `(B,)`, on its device.

        Returns:
            The batch.
        """
        c = None if self.c is None else self.c.index_select(0, index)
        return Batch(self.transform(self.data.index_select(0, index)), index, c)


def feeds(
    dataset: Dataset,
    transform: Transform,
    device: torch.device | str = "cpu",
    c: np.ndarray | None = None,
) -> dict[str, Feed]:
    """Make the feed of every split, over one resident copy of the data.

    Args:
        dataset: the data.
        transform: what prepares a batch.
        device: where the data shall live; on the CPU nothing is copied.
        c: what the model is told of each example, shape `(N, C)`, or None.

    Returns:
        Feeds by the name of the split.
    """
    array = dataset.x
    if not array.flags.writeable:  # a read-only map; torch wants memory that it could write to
        array = np.array(array)
    data = torch.from_numpy(array).to(device)
    told = None if c is None else torch.from_numpy(c).to(device)
    return {
        split: Feed(data, torch.from_numpy(np.asarray(rows, dtype=np.int64)), transform, told)
        for split, rows in dataset.splits.items()
    }
