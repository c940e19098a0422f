"""From a split to batches: an index gather, then the transform, on the device.

A loader is asked for positions of an epoch's order and for the examples at positions. `Loader` holds the data
resident; `StreamedLoader` is the same over data that stay in their files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from latentia.core.types import Batch
from latentia.data.pictures import DRAWS
from latentia.data.shards import Shards
from latentia.data.splits import spread
from latentia.data.streaming import Buffers, generator
from latentia.data.transforms import Transform
from latentia.data.variation import Variation

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset


SHARED, CHUNK = 10_000, 512
"""Examples that are looked at for missing values at the most, and how many at once."""


class Loader:
    """One split of a data set, resident on a device as it is stored, given out in batches."""

    def __init__(
        self,
        data: Tensor,
        rows: Tensor,
        transform: Transform,
        c: Tensor | None = None,
        variation: Variation | None = None,
    ) -> None:
        """Take a split.

        Args:
            data: all examples as stored, shape `(N, *event)`, on the device.
            rows: positions of the split's examples, int64, on the CPU.
            transform: what prepares a batch.
            c: the condition of every example, shape `(N, C)`, on the device, or None.
            variation: what training makes of them anew in each epoch, or None.
        """
        self.data = data
        self.rows = rows
        self.transform = transform
        self.c = c
        self.variation = variation
        self._order: tuple[tuple[int, int], Tensor] | None = None
        self._draws: Tensor | None = None

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
            if self.variation is not None:
                draws = torch.rand(len(self.data), DRAWS, generator=generator(seed, epoch, 1))
                self._draws = draws.to(self.device)
        return self._order[1][start:stop]

    def stored(self, index: Tensor) -> Tensor:
        """Gather examples as they are stored.

        Args:
            index: positions into the data, shape `(B,)`, as `chosen` and `rows` have them.

        Returns:
            Shape `(B, *event)`, on the device.
        """
        return self.data.index_select(0, index)

    def varied(self, index: Tensor) -> Tensor:
        """Gather examples as training sees them in the epoch that `chosen` was last asked for.

        What is cut and mirrored is a function of the seed, the epoch and the position in the data.

        Args:
            index: positions into the data, shape `(B,)`.

        Returns:
            Shape `(B, *event)`, on the device; as `stored` where nothing varies.
        """
        if self.variation is None or self._draws is None:
            return self.stored(index)
        return self.variation(self.data, index, self._draws.index_select(0, index))

    def with_rows(self, rows: Tensor) -> Loader:
        """Give other examples of the same data.

        Args:
            rows: their positions, int64, on the CPU.

        Returns:
            The loader.
        """
        return Loader(self.data, rows, self.transform, self.c, self.variation)

    def with_condition(self, c: Tensor | None) -> Loader:
        """Give the same examples under other conditions.

        Args:
            c: the condition of every example of the data, shape `(N, C)`, on the device, or None.

        Returns:
            The loader.
        """
        return Loader(self.data, self.rows, self.transform, c, self.variation)

    def shuffled(self, seed: int) -> Loader:
        """Give the same split in a random order: sources may be sorted, and parts of them be of one kind.

        Args:
            seed: the order is a function of it and of the number of examples alone.

        Returns:
            A loader over the same data.
        """
        order = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(seed))
        return self.with_rows(self.rows[order])

    def over(self, rows: np.ndarray) -> Loader:
        """Give a loader over other examples of the same data.

        Args:
            rows: their positions; one may stand there more than once.

        Returns:
            The loader.
        """
        return self.with_rows(torch.from_numpy(np.asarray(rows, dtype=np.int64)))

    @property
    def observed(self) -> Tensor | None:
        """The share of the examples in which each entry is observed, `(*event,)`; None where none is missing.

        It is that of up to 10,000 examples, evenly spaced; whole numbers are never missing.
        """
        if self._observed is None:
            rows = torch.from_numpy(spread(self.rows.cpu().numpy(), SHARED)).to(self.device)
            self._observed = torch.ones(())
            if len(rows) and self.stored(rows[:1]).is_floating_point():
                missing = torch.cat([self.stored(part).isnan() for part in rows.split(CHUNK)])
                self._observed = 1 - missing.double().mean(dim=0).cpu()
        return None if bool((self._observed == 1).all()) else self._observed

    _observed: Tensor | None = None

    def batch(self, index: Tensor, *, varied: bool = False) -> Batch:
        """Gather and prepare.

        Args:
            index: positions into the data, shape `(B,)`, as `chosen` and `rows` have them.
            varied: as training sees them, cut anywhere and mirrored, where the data are to be.

        Returns:
            The batch.
        """
        x = self.transform(self.varied(index) if varied else self.stored(index))
        index = index.to(x.device)
        return Batch(x, index, None if self.c is None else self.c.index_select(0, index))


class StreamedLoader(Loader):
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
        """Give a part of an epoch's order, shuffled within buffers; see `Loader`."""
        return self.buffers.chosen(seed, epoch, start, stop)

    def stored(self, index: Tensor) -> Tensor:
        """Gather examples from buffers or files; see `Loader`."""
        return self.buffers.stored(index)

    def varied(self, index: Tensor) -> Tensor:
        """Gather examples from buffers, which vary when they are read; see `Loader`."""
        return self.buffers.varied(index)

    def with_rows(self, rows: Tensor) -> Loader:
        """Give other examples of the same data; see `Loader`."""
        return StreamedLoader(self.buffers.over(rows.numpy()), self.transform, self.c)

    def with_condition(self, c: Tensor | None) -> Loader:
        """Give the same examples under other conditions; see `Loader`."""
        return StreamedLoader(self.buffers, self.transform, c)


def loaders(
    dataset: Dataset,
    transform: Transform,
    device: torch.device | str = "cpu",
    c: np.ndarray | None = None,
) -> dict[str, Loader]:
    """Make the loader of every split: over one resident copy of the data, or over their files.

    Args:
        dataset: the data.
        transform: what prepares a batch.
        device: where the data shall live; on the CPU nothing is copied.
        c: what the model is told of each example, shape `(N, C)`, or None.

    Returns:
        Loaders by the name of the split.
    """
    told = None if c is None else torch.from_numpy(c).to(device)
    rows = {
        split: torch.from_numpy(np.asarray(rows, dtype=np.int64)) for split, rows in dataset.splits.items()
    }
    array = dataset.x
    if isinstance(array, Shards):
        return {
            name: StreamedLoader(
                Buffers(array, at.numpy(), device, dataset.buffer, change=dataset.change), transform, told
            )
            for name, at in rows.items()
        }
    if not array.flags.writeable:  # a read-only map; torch wants memory that it could write to
        array = np.array(array)
    data = torch.from_numpy(array).to(device)
    variation = None
    if dataset.pictures is not None or dataset.change:
        variation = Variation(dataset.pictures, dataset.event[-2:], dataset.change, data.device)
    return {name: Loader(data, at, transform, told, variation) for name, at in rows.items()}
