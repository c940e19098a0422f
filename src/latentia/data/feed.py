"""From a split to batches: an index gather, then the transform, on the device.

A feed is asked for positions of an epoch's order and for the examples at positions. `Feed` holds the data
resident; `StreamedFeed` is the same over data that stay in their files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from latentia.core.types import Batch
from latentia.data.shards import Shards
from latentia.data.streaming import Buffers, generator
from latentia.data.transforms import Transform

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
        self._order: tuple[tuple[int, int], Tensor] | None = None

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.rows)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(self.data.shape[1:])

    @property
    def device(self) -> torch.device:
        """Where batches are."""
        return self.data.device

    def chosen(self, seed: int, epoch: int, start: int, stop: int) -> Tensor:
        """Give a part of an epoch's order: a function of seed and epoch, so that a resumed run repeats it.

        Args:
            seed: the run's seed.
            epoch: which pass over the data.
            start: the first place in the order.
            stop: the place after the last.

        Returns:
            Positions into the data, shape `(stop - start,)`; fewer at the end of the epoch.
        """
        if self._order is None or self._order[0] != (seed, epoch):
            order = torch.randperm(len(self.rows), generator=generator(seed, epoch))
            self._order = (seed, epoch), self.rows[order].to(self.device)
        return self._order[1][start:stop]

    def stored(self, index: Tensor) -> Tensor:
        """Gather examples as they are stored.

        Args:
            index: positions into the data, shape `(B,)`, as `chosen` and `rows` have them.

        Returns:
            Shape `(B, *event)`, on the device.
        """
        return self.data.index_select(0, index)

    def with_rows(self, rows: Tensor) -> Feed:
        """Give other examples of the same data.

        Args:
            rows: their positions, int64, on the CPU.

        Returns:
            The feed.
        """
        return Feed(self.data, rows, self.transform, self.c)

    def with_condition(self, c: Tensor | None) -> Feed:
        """Give the same examples under other conditions.

        Args:
            c: the condition of every example of the data, shape `(N, C)`, on the device, or None.

        Returns:
            The feed.
        """
        return Feed(self.data, self.rows, self.transform, c)

    def shuffled(self, seed: int) -> Feed:
        """Give the same split in a random order: sources may be sorted, and parts of them be of one kind.

        Args:
            seed: the order is a function of it and of the number of examples alone.

        Returns:
            A feed over the same data.
        """
        order = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(seed))
        return self.with_rows(self.rows[order])

    def over(self, rows: np.ndarray) -> Feed:
        """Give a feed over other examples of the same data.

        Args:
            rows: their positions; one may stand there more than once.

        Returns:
            The feed.
        """
        return self.with_rows(torch.from_numpy(np.asarray(rows, dtype=np.int64)))

    def batch(self, index: Tensor) -> Batch:
        """Gather and prepare.

        Args:
            index: positions into the data, shape `(B,)`, as `chosen` and `rows` have them.

        Returns:
            The batch.
        """
        x = self.transform(self.stored(index))
        index = index.to(x.device)
        return Batch(x, index, None if self.c is None else self.c.index_select(0, index))


class StreamedFeed(Feed):
    """One split of a data set that stays in its files, given out in batches."""

    def __init__(self, buffers: Buffers, transform: Transform, c: Tensor | None = None) -> None:
        """Take a split.

        Args:
            buffers: the split's examples, on their way from the files.
            transform: what prepares a batch.
            c: the condition of every example, shape `(N, C)`, on the device, or None.
        """
        self.buffers = buffers
        self.rows = torch.from_numpy(buffers.rows)
        self.transform = transform
        self.c = c

    @property
    def event(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.buffers.files.event

    @property
    def device(self) -> torch.device:
        """Where batches are."""
        return self.buffers.device

    def chosen(self, seed: int, epoch: int, start: int, stop: int) -> Tensor:
        """Give a part of an epoch's order, shuffled within buffers; see `Feed`."""
        return self.buffers.chosen(seed, epoch, start, stop)

    def stored(self, index: Tensor) -> Tensor:
        """Gather examples from buffers or files; see `Feed`."""
        return self.buffers.stored(index)

    def with_rows(self, rows: Tensor) -> Feed:
        """Give other examples of the same data; see `Feed`."""
        own = self.buffers
        return StreamedFeed(Buffers(own.files, rows.numpy(), own.device, own.size), self.transform, self.c)

    def with_condition(self, c: Tensor | None) -> Feed:
        """Give the same examples under other conditions; see `Feed`."""
        return StreamedFeed(self.buffers, self.transform, c)


def feeds(
    dataset: Dataset,
    transform: Transform,
    device: torch.device | str = "cpu",
    c: np.ndarray | None = None,
) -> dict[str, Feed]:
    """Make the feed of every split: over one resident copy of the data, or over their files.

    Args:
        dataset: the data.
        transform: what prepares a batch.
        device: where the data shall live; on the CPU nothing is copied.
        c: what the model is told of each example, shape `(N, C)`, or None.

    Returns:
        Feeds by the name of the split.
    """
    told = None if c is None else torch.from_numpy(c).to(device)
    rows = {
        split: torch.from_numpy(np.asarray(rows, dtype=np.int64)) for split, rows in dataset.splits.items()
    }
    array = dataset.x
    if isinstance(array, Shards):
        return {
            name: StreamedFeed(Buffers(array, at.numpy(), device, dataset.buffer), transform, told)
            for name, at in rows.items()
        }
    if not array.flags.writeable:  # a read-only map; torch wants memory that it could write to
        array = np.array(array)
    data = torch.from_numpy(array).to(device)
    return {name: Feed(data, at, transform, told) for name, at in rows.items()}
