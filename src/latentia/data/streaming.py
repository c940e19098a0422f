"""A split that outgrows memory: read block by block into a buffer, shuffled there.

The split is cut into blocks of neighbours. An epoch takes the blocks in random order; as many as a buffer
holds are read in the order of their places, and the examples within the buffer are shuffled. While one
buffer is used, a thread reads the next into the memory of the one before.
"""

from __future__ import annotations

import functools
import itertools
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from latentia.data.change import UNCHANGED, Change
from latentia.data.pictures import DRAWS, Crops, read_varied
from latentia.data.shards import Shards

BLOCK = 2 << 20
"""Bytes of a block, about: enough for a disk to read at full speed, few enough to mix well."""


def generator(seed: int, epoch: int, number: int = 0) -> torch.Generator:
    """Make the generator of an epoch's order.

    Args:
        seed: the run's seed.
        epoch: which pass over the data.
        number: which of the epoch's generators.

    Returns:
        A fresh generator on the CPU.
    """
    own = seed * 1_000_003 + epoch
    return torch.Generator().manual_seed((own * 1_000_003 + number) % 2**63 if number else own)


class _Key(NamedTuple):
    """Names a buffer; what is in it, and in which order, follows from the key alone."""

    seed: int
    epoch: int
    number: int


class _Buffer(NamedTuple):
    """Some examples, in memory.

    Attributes:
        rows: their positions, ascending.
        order: the same, shuffled.
        data: the examples, in the order of `rows`; there may be room behind them.
    """

    rows: np.ndarray
    order: np.ndarray
    data: Tensor


class Buffers:
    """The examples of a split on their way from files to batches, never more than a few in memory."""

    def __init__(
        self,
        files: Shards,
        rows: np.ndarray,
        device: torch.device | str = "cpu",
        size: int = 1 << 30,
        *,
        change: Change = UNCHANGED,
    ) -> None:
        """Divide a split into blocks and buffers.

        Args:
            files: all examples, in their files.
            rows: positions of the split's examples, int64.
            device: where the examples are wanted.
            size: bytes of examples that may be in memory: those in use and those that come next.
            change: what becomes of each example in training.
        """
        self.files = files
        self.rows = rows
        self.device = torch.device(device)
        self.size = size
        self.change = change
        self.varies = bool(change) or isinstance(files, Crops)
        each = max(1, files.nbytes // max(1, len(files)))
        self._block = max(1, min(BLOCK // each, size // (8 * each)))
        blocks = -(-len(rows) // self._block)
        self._count = max(1, -(-blocks // max(1, size // 2 // (self._block * each))))
        self._held: dict[_Key, Future[_Buffer]] = {}
        self._used = 0  # the first so many of these are in use, the other is read ahead
        self._layouts: dict[tuple[int, int], tuple[list[np.ndarray], np.ndarray]] = {}
        self._reader: ThreadPoolExecutor | None = None
        self._free: list[Tensor] = []  # memory of buffers that are no longer held

    def over(self, rows: np.ndarray) -> Buffers:
        """Give other examples of the same files.

        Args:
            rows: their positions.

        Returns:
            Buffers of their own.
        """
        return Buffers(self.files, rows, self.device, self.size, change=self.change)

    def chosen(self, seed: int, epoch: int, start: int, stop: int) -> Tensor:
        """Give a part of an epoch's order, a function of seed and epoch; read what it and the next part need.

        Args:
            seed: the run's seed.
            epoch: which pass over the data.
            start: the first place in the order.
            stop: the place after the last.

        Returns:
            Positions into the data, shape `(stop - start,)`, on the CPU.
        """
        edges = self._layout(seed, epoch)[1]
        stop = min(stop, len(self.rows))
        ends = (start, max(start, stop - 1))
        first, last = (int(np.searchsorted(edges, at, side="right")) - 1 for at in ends)
        buffers = self._hold([_Key(seed, epoch, number) for number in range(first, last + 1)])
        pieces = [
            buffer.order[max(0, start - edge) : max(0, stop - edge)]
            for buffer, edge in zip(buffers, edges[first:].tolist())
        ]
        return torch.from_numpy(np.concatenate(pieces))

    def stored(self, index: Tensor) -> Tensor:
        """Gather examples as they are stored: from buffers if nothing varies, and from the files.

        Args:
            index: positions into the data, shape `(B,)`.

        Returns:
            The examples as stored, shape `(B, *event)`, on the device.
        """
        if self.varies:
            return torch.from_numpy(self.files[index.cpu().numpy()]).to(self.device)
        return self.varied(index)

    def varied(self, index: Tensor) -> Tensor:
        """Gather examples from the buffers in use, and from the files what is not there.

        In a buffer images are as training sees them: cut from anywhere and mirrored, where they are to be, as
        a function of the seed, the epoch and the number of the buffer.

        Args:
            index: positions into the data, shape `(B,)`.

        Returns:
            The examples, shape `(B, *event)`, on the device.
        """
        wanted = index.cpu().numpy()
        missing = np.ones(len(wanted), dtype=bool)
        found: list[tuple[np.ndarray, Tensor]] = []
        for future in itertools.islice(self._held.values(), self._used):
            rows, _, data = future.result()
            slots = np.minimum(np.searchsorted(rows, wanted), len(rows) - 1)
            here = missing & (rows[slots] == wanted)
            if here.all():  # nearly always: spare the gathers by mask
                return data.index_select(0, torch.from_numpy(slots).to(data.device))
            found.append((here, data.index_select(0, torch.from_numpy(slots[here]).to(data.device))))
            missing &= ~here
        if missing.any() or not found:
            found.append((missing, torch.from_numpy(self.files[wanted[missing]]).to(self.device)))
        found = [(where, values) for where, values in found if len(values)] or found[:1]
        if len(found) == 1:
            return found[0][1]
        whole = found[0][1].new_empty(len(wanted), *self.files.event)
        for where, values in found:
            whole[torch.from_numpy(where).to(self.device)] = values
        return whole

    @functools.cached_property
    def _sorted(self) -> np.ndarray:
        rows = self.rows
        return rows if bool((rows[1:] >= rows[:-1]).all()) else np.sort(rows)

    def _layout(self, seed: int, epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Give the blocks of each buffer, ascending, and where in the epoch's order each buffer starts."""
        if (seed, epoch) in self._layouts:
            return self._layouts[seed, epoch]
        count = -(-len(self.rows) // self._block)
        order = torch.randperm(count, generator=generator(seed, epoch)).numpy()
        blocks = [np.sort(some) for some in np.array_split(order, self._count)]
        short = count * self._block - len(self.rows)  # what the last block lacks
        sizes = [len(some) * self._block - short * int(count - 1 in some[-1:]) for some in blocks]
        made = blocks, np.cumsum([0, *sizes])[:-1]
        self._layouts = {**dict([*self._layouts.items()][-1:]), (seed, epoch): made}
        return made

    def _hold(self, keys: list[_Key]) -> list[_Buffer]:
        """Give the buffers in use; let go of all others, and have the next one read where there is room."""
        self._used, last = len(keys), keys[-1]
        if self._used == 1:
            over = last.number + 1 == self._count
            keys = [*keys, _Key(last.seed, last.epoch + over, 0 if over else last.number + 1)]
        if [*self._held] != keys:
            for key in [key for key in self._held if key not in keys]:
                self._held.pop(key).add_done_callback(self._let_go)
            self._reader = self._reader or ThreadPoolExecutor(1, "latentia-reader")
            self._held = {key: self._held.get(key) or self._reader.submit(self._load, key) for key in keys}
        return [future.result() for future in itertools.islice(self._held.values(), self._used)]

    def _load(self, key: _Key) -> _Buffer:
        size = self._block
        blocks = self._layout(key.seed, key.epoch)[0][key.number]
        rows = np.concatenate([self._sorted[b * size : (b + 1) * size] for b in blocks.tolist()])
        own = generator(key.seed, key.epoch, key.number + 1)
        order = rows[torch.randperm(len(rows), generator=own).numpy()]
        draws = torch.rand(len(rows), DRAWS, generator=own).numpy() if self.varies else None
        return _Buffer(rows, order, self._read(rows, draws))

    def _read(self, rows: np.ndarray, draws: np.ndarray | None) -> Tensor:
        """Read examples into memory that was let go of, or that is the first of its kind."""
        if self.device.type != "cpu":
            found = np.empty((len(rows), *self.files.event), self.files.dtype)
            self._fill(rows, draws, found)
            return torch.from_numpy(found).to(self.device)
        kind = torch.from_numpy(np.empty(0, self.files.dtype)).dtype
        blocks = -(-len(self.rows) // self._block)
        room = -(-blocks // self._count) * self._block
        data = self._free.pop() if self._free else torch.empty(room, *self.files.event, dtype=kind)
        self._fill(rows, draws, data.numpy()[: len(rows)])
        return data

    def _fill(self, rows: np.ndarray, draws: np.ndarray | None, found: np.ndarray) -> None:
        if draws is None:
            self.files.read(rows, found)
        else:
            read_varied(self.files, rows, found, draws, change=self.change)

    def _let_go(self, read: Future[_Buffer]) -> None:
        if not read.cancelled() and not read.exception():
            self._free.append(read.result().data)
