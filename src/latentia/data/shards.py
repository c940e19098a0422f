"""Arrays that stay in their files: read in part, with plain reads, when they are asked for.

A shard is an ordinary `.npy` file. Nothing is mapped into memory: mapped pages would count as
resident, and a pass over the data would hold all of them.
"""

from __future__ import annotations

import copy
import operator
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from latentia.core.errors import DataError, reason

CHUNK = 4 << 20
"""Bytes that are read at once."""
_GAP = 64 << 10  # to read so many bytes too many is faster than to start a second read


@dataclass(frozen=True)
class Shard:
    """Consecutive examples in one `.npy` file.

    Attributes:
        path: the file.
        rows: how many examples it holds.
        offset: where in the file the first of them starts, in bytes.
    """

    path: Path
    rows: int
    offset: int


def open_shard(path: Path) -> tuple[Shard, tuple[int, ...], np.dtype]:
    """Look at the head of a `.npy` file.

    Args:
        path: the file.

    Returns:
        The shard, the shape of one example and the type of its numbers, both as stored.

    Raises:
        DataError: if the file is missing, damaged, shorter than it says, or not stored row by row.
    """
    try:
        with path.open("rb") as handle:
            version = np.lib.format.read_magic(handle)
            head = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = head(handle)
            shard = Shard(path, shape[0] if shape else 0, handle.tell())
            size = os.fstat(handle.fileno()).st_size
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({reason(error)}); copy it again") from error
    if fortran or dtype.hasobject or not shape:
        raise DataError(f"{path}: is not stored row by row; save it anew with numpy.ascontiguousarray")
    wanted = shard.offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size < wanted:
        raise DataError(f"{path}: is cut short: {size:,} of {wanted:,} bytes; copy it again")
    return shard, shape[1:], dtype


def _as_stored(block: np.ndarray) -> np.ndarray:
    return block


def _one_after_other(
    first: Callable[[np.ndarray], np.ndarray], second: Callable[[np.ndarray], np.ndarray], block: np.ndarray
) -> np.ndarray:
    return second(first(block))


class Shards:
    """The examples of many files as one array, `(N, *event)`, of which only parts are read.

    It is indexed as an array is along its first dimension: by a whole number, a slice, an array of
    positions, or a mask. What comes back is an ordinary array of one's own.
    """

    def __init__(
        self,
        parts: Sequence[Shard],
        stored: tuple[int, ...],
        stored_dtype: np.dtype,
        convert: Callable[[np.ndarray], np.ndarray] = _as_stored,
        observed: tuple[float, float] | None = None,
        estimated: bool = False,
    ) -> None:
        """Take files.

        Args:
            parts: the files, in the order of the examples.
            stored: the shape of one example as stored.
            stored_dtype: the type of its numbers as stored.
            convert: brings a block of stored examples, `(n, *stored)`, into the project's layout and type.
            observed: the smallest and the largest value, where they are known.
            estimated: whether these are those of a sample.
        """
        self.parts = tuple(parts)
        self.observed = observed
        self.estimated = estimated
        self._stored = stored
        self._stored_dtype = stored_dtype
        self._bytes = int(np.prod(stored, dtype=np.int64)) * stored_dtype.itemsize
        self._edges = np.cumsum([0, *(part.rows for part in self.parts)])
        self._rows: np.ndarray | None = None
        self._arrive(convert)

    def _arrive(self, convert: Callable[[np.ndarray], np.ndarray]) -> None:
        """Settle what becomes of examples as stored, and of which shape and type they are then."""
        self._convert = convert
        probe = convert(np.zeros((1, *self._stored), self._stored_dtype))
        self.event: tuple[int, ...] = probe.shape[1:]
        self.dtype: np.dtype = probe.dtype
        # Whether they are read without an array between.
        self._plain = (self.event, self.dtype) == (self._stored, self._stored_dtype)

    def __len__(self) -> int:
        """Count the examples."""
        return int(self._edges[-1]) if self._rows is None else len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole."""
        return (len(self), *self.event)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return 1 + len(self.event)

    @property
    def nbytes(self) -> int:
        """What the whole would take in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def state(self) -> str:
        """Names, sizes and times of the files: another text means that the data may have changed."""
        known = ((part.path, part.path.stat()) for part in self.parts)
        return "\n".join(f"{path}\0{about.st_size}\0{about.st_mtime_ns}" for path, about in known)

    def over(self, rows: np.ndarray) -> Shards:
        """Give some of the examples, still unread.

        Args:
            rows: their positions.

        Returns:
            An array over the same files.
        """
        some = copy.copy(self)
        some._rows = np.asarray(rows) if self._rows is None else self._rows[rows]
        return some

    def converted(self, change: Callable[[np.ndarray], np.ndarray]) -> Shards:
        """Give the same examples changed, block by block, when they are read.

        Args:
            change: takes examples, `(n, *event)`, and gives as many.

        Returns:
            An array over the same files, whose range is not known.
        """
        some = copy.copy(self)
        some.observed, some.estimated = None, False
        some._arrive(partial(_one_after_other, self._convert, change))
        some._plain = False  # another order of columns has the same shape and type
        return some

    def __iter__(self) -> Iterator[np.ndarray]:
        """Give one example after the other."""
        return (self[position] for position in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Refuse to become one array by accident; `x[:]` says that it is meant.

        Args:
            dtype: not used.
            copy: not used.

        Returns:
            Nothing, ever.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"these {self.nbytes:,} bytes stay in their files: take parts, such as x[0:1000]")

    def __getitem__(self, key: Any) -> np.ndarray:
        """Read examples.

        Args:
            key: a position, a slice, positions, or a mask.

        Returns:
            One example, `(*event)`, for a single position; else `(n, *event)`.

        Raises:
            IndexError: if a position is out of range, or the key is of another kind.
            DataError: if a file cannot be read.
        """
        if isinstance(key, slice):
            return self._taken(np.arange(*key.indices(len(self))))
        positions = np.asarray(key)
        if positions.ndim == 0 and positions.dtype.kind in "ui":
            return self._taken(np.array([operator.index(key)]))[0]
        if positions.dtype == bool and positions.shape == (len(self),):
            positions = np.flatnonzero(positions)
        if not positions.size:
            positions = positions.astype(np.int64)
        if positions.ndim != 1 or positions.dtype.kind not in "ui":
            raise IndexError(f"examples are taken by position, slice or mask, not by {key!r}")
        return self._taken(positions)

    def _taken(self, positions: np.ndarray) -> np.ndarray:
        found = np.empty((len(positions), *self.event), self.dtype)
        self.read(positions, found)
        return found

    def read(self, positions: np.ndarray, found: np.ndarray) -> None:
        """Read examples, in the order of their places, into an array.

        Args:
            positions: which ones, `(n,)`.
            found: where they go in the order asked for, `(n, *event)`, of the type `dtype`, contiguous.

        Raises:
            IndexError: if a position is out of range.
            DataError: if a file cannot be read.
        """
        wanted = self._places(positions)
        ascending = bool((wanted[1:] >= wanted[:-1]).all())
        order = slice(None) if ascending else np.argsort(wanted, kind="stable")
        places = wanted[order]
        scratch = np.empty((0, *self._stored), self._stored_dtype)
        start = 0
        for stop in self._run_ends(places):
            run = places[start:stop]
            first, end = int(run[0]), int(run[-1]) + 1
            consecutive = len(run) == end - first and (len(run) < 2 or bool((np.diff(run) == 1).all()))
            if consecutive and ascending and self._plain:
                self._fill(found[start:stop], first)
            else:
                if len(scratch) < end - first:
                    scratch = np.empty((end - first, *self._stored), self._stored_dtype)
                block = scratch[: end - first]
                self._fill(block, first)
                where = slice(start, stop) if ascending else cast("np.ndarray", order)[start:stop]
                if self._plain and ascending:
                    block.take(run - first, axis=0, out=found[where], mode="clip")  # raise copies once more
                else:
                    found[where] = self._convert(block if consecutive else block[run - first])
            start = stop

    def _places(self, positions: np.ndarray) -> np.ndarray:
        """Find where among all stored examples those at some positions are."""
        wanted = positions.astype(np.int64)
        if len(wanted) and (wanted.min() < -len(self) or wanted.max() >= len(self)):
            raise IndexError(f"a position is out of range; there are {len(self)} examples")
        wanted = np.where(wanted < 0, wanted + len(self), wanted)
        return wanted if self._rows is None else self._rows[wanted]

    def span(self, start: int, count: int) -> np.ndarray:
        """Read stored examples that follow each other in one file.

        Args:
            start: the place of the first among all that are stored.
            count: how many.

        Returns:
            Shape `(count, *stored)`, as stored.

        Raises:
            DataError: if the file cannot be read.
        """
        block = np.empty((count, *self._stored), self._stored_dtype)
        self._fill(block, start)
        return block

    def _run_ends(self, places: np.ndarray) -> Iterator[int]:
        """Divide ascending places into runs that one read serves: near each other, in one file, not long."""
        if not len(places):
            return
        near = max(1, _GAP // max(1, self._bytes))
        file = np.searchsorted(self._edges, places, side="right")
        breaks = np.flatnonzero((np.diff(places) > near) | (np.diff(file) > 0)) + 1
        longest = max(1, CHUNK // max(1, self._bytes))
        start = 0
        for end in (*breaks.tolist(), len(places)):
            while places[end - 1] - places[start] >= longest:
                start = int(np.searchsorted(places[:end], places[start] + longest))
                yield start
            yield end
            start = end

    def _fill(self, block: np.ndarray, start: int) -> None:
        """Read consecutive examples of one file, as stored, into an array."""
        number = int(np.searchsorted(self._edges, start, side="right")) - 1
        part = self.parts[number]
        into = memoryview(block.reshape(-1).view(np.uint8).data)
        at = part.offset + (start - int(self._edges[number])) * self._bytes
        try:
            descriptor = os.open(part.path, _READ)
            try:
                while into.nbytes:
                    count = _read_at(descriptor, into, at)
                    if not count:
                        raise DataError(f"{part.path}: is cut short; copy it again, or pack it again")
                    into, at = into[count:], at + count
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DataError(
                f"{part.path}: cannot be read ({reason(error)}); copy it again, or pack it again"
            ) from error


_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def _read_at(descriptor: int, into: memoryview, at: int) -> int:
    """Read from a place in a file into memory; where the system cannot (Windows), by way of a copy."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [into], at)
    os.lseek(descriptor, at, os.SEEK_SET)
    read = os.read(descriptor, min(into.nbytes, CHUNK))
    into[: len(read)] = read
    return len(read)


Examples = np.ndarray | Shards
"""All examples of a data set: in memory, or in their files."""


def as_examples(x: Any) -> Examples:
    """Take what a caller gives as examples.

    Args:
        x: anything that numpy makes an array of, or examples in files, which stay there.

    Returns:
        An array, or the same examples in files.
    """
    return x if isinstance(x, Shards) else np.asarray(x)
