"""Files of blocks: examples of a run's data, coded by its model without loss, or by codes with it."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from latentia.coding import Compressor
from latentia.coding.container import MOST, Header, Reader, crc, packed
from latentia.core import progress, storage
from latentia.core.errors import ConfigError, DataError
from latentia.core.pool import Pool
from latentia.runs.coder import coder_of
from latentia.runs.unfinished import Rows, growing
from latentia.runs.workers import ENOUGH, coders, decode, encode, grouped

if TYPE_CHECKING:
    from latentia.data.shards import Examples
    from latentia.runs.applied import Applied

UNIT = " examples"
BLOCK = 1024
"""Examples of a block: its own costs are about 20 bytes."""


@dataclass(frozen=True)
class Written:
    """A file that was written.

    Attributes:
        count: how many examples it holds.
        size: its bytes.
        entries: numbers of an example.
        bound: what the examples cost by the bound, in bits; NaN where no latent of them was drawn.
        costs: what messages call the bound.
        loss: why they come back with loss; empty where they come back value by value.
        held: what the file then holds.
    """

    count: int
    size: int
    entries: int
    bound: float
    costs: str = "-ELBO"
    loss: str = ""
    held: str = ""

    @classmethod
    def of(cls, coder: Compressor, header: Header, size: int, bound: float) -> Written:
        """Say what was written by a coder: so many bytes, which would take so many bits by the bound."""
        entries = int(np.prod(coder.event))
        return cls(header.count, size, entries, bound, coder.costs, coder.loss, coder.held)

    def summary(self) -> str:
        """Say it in one line."""
        bits = 8 * self.size / (self.count * self.entries)
        over = f"; {8 * self.size / self.bound - 1:+.2%} of {self.costs}" if self.bound > 0 else ""
        loss = f"; {self.held} alone, so that examples come back with loss: {self.loss}" if self.loss else ""
        examples = f"{self.count:,} example{'s' * (self.count != 1)}"
        return f"{examples} in {self.size:,} bytes, {bits:.4f} bits per dimension{over}{loss}"


def compress(
    run: Applied,
    x: Examples,
    path: str | os.PathLike[str],
    *,
    block: int = BLOCK,
    lossy: bool = False,
    resume: bool = False,
    workers: int | None = 1,
    quiet: bool = True,
) -> Written:
    """Write examples into a file, block by block.

    What is done stands in a file beside it, `.NAME.part`, until all is; what was interrupted goes on there.

    Args:
        run: the run.
        x: examples in the data's units, shape `(N, *event)`.
        path: the file.
        block: examples of a block: more take fewer bytes, fewer are found faster.
        lossy: write their rounded latents alone.
        resume: go on with what an earlier call left.
        workers: processes that code, whose number changes no byte; None for one for each core where there are
            many blocks.
        quiet: show no progress bar.

    Returns:
        What was written.

    Raises:
        ConfigError: if the model cannot be coded by.
        DataError: if a value is none that its likelihood has a probability of.
        LatentiaError: if the file cannot be written.
    """
    path = Path(path)
    storage.check_writable(path)
    which = "latent_coder" if lossy else "compressor"
    coder: Compressor = getattr(run, which)
    header = _header(coder, x, block)

    def same(number: int, check: int) -> bool:
        return crc(_read(coder, x, *header.rows(number))) == check

    options = "another model, other examples or another --block"
    with growing(path, header, Reader, same, resume=resume, options=options) as (handle, started):
        with coders(run, which, workers, header.blocks - started, ENOUGH) as processes:
            bound = _write(coder, header, x, handle, started, quiet, processes, which)
        size = handle.tell()
    return Written.of(coder, header, size, bound)


def compared(run: Applied, x: Examples, loss: bool) -> list[str]:
    """Say what other compressors make of examples, all of which are taken into memory.

    Args:
        run: the run.
        x: examples in the data's units, shape `(N, *event)`.
        loss: whether the file that they are compared with is one with loss.

    Returns:
        One line for each.
    """
    examples, without = np.asarray(x), ["  without loss, others take"] * loss
    return without + [
        f"  {name:8} {size:>12,} bytes, {8 * size / examples.size:.4f} bits per dimension"
        for name, size in others(run, examples).items()
    ]


def others(run: Applied, x: np.ndarray) -> dict[str, int]:
    """Compress examples by general compressors, and pictures as lossless pictures.

    Args:
        run: the run.
        x: examples in the data's units, shape `(N, *event)`.

    Returns:
        Bytes of each.
    """
    from latentia.coding.peers import peers

    schema = run.record.schema
    if schema is not None:
        return peers(x, schema.frame(x).to_csv(index=False).encode(), False)
    two = bool(run.model.binary)
    bits = np.packbits(x > 0.5 * (x.min() + x.max())) if two else x
    return peers(x, np.ascontiguousarray(bits).tobytes(), two)


def to_bytes(coder: Compressor, x: np.ndarray, *, block: int = BLOCK) -> bytes:
    """Give the content that `compress` would write.

    Args:
        coder: that of the run.
        x: examples in the data's units, shape `(N, *event)`.
        block: examples of a block.

    Returns:
        The bytes.
    """
    return in_memory(coder, x, block=block)[0]


def in_memory(coder: Compressor, x: np.ndarray, *, block: int = BLOCK) -> tuple[bytes, Written]:
    """Give the content that `compress` would write, and what it says of it.

    Args:
        coder: as `to_bytes`.
        x: as `to_bytes`.
        block: as `to_bytes`.

    Returns:
        Both.
    """
    header, handle = _header(coder, x, block), io.BytesIO()
    handle.write(header.packed())
    bound = _write(coder, header, x, handle, 0, True, Pool())
    return handle.getvalue(), Written.of(coder, header, handle.tell(), bound)


def _header(coder: Compressor, x: Examples, block: int) -> Header:
    if not 1 <= block <= MOST:
        raise ConfigError(f"a block holds from 1 to {MOST} examples, not {block}")
    if not len(x):
        raise DataError("there are no examples to compress")
    if tuple(x.shape[1:]) != coder.event:
        want, got = ("x".join(map(str, shape)) for shape in (coder.event, x.shape[1:]))
        raise DataError(f"files hold examples of the training's size, {want}, and these have {got}")
    return Header(coder.name, coder.event, len(x), block)


def _write(
    coder: Compressor,
    header: Header,
    x: Examples,
    handle: BinaryIO,
    started: int,
    quiet: bool,
    pool: Pool,
    which: str = "",
) -> float:
    """Write the blocks from one on, and give what all examples cost by the bound."""
    cost, drawn = 0.0, 0
    alone = pool.count == 1
    done = header.rows(started)[0] if started else 0
    with progress.bar(desc="compressing", total=header.count, initial=done, unit=UNIT, quiet=quiet) as shown:
        work, more = (coder.encode, (shown.update,)) if alone else (encode, (which,))
        groups = grouped(range(started, header.blocks), pool)
        read = ([_read(coder, x, *header.rows(number)) for number in group] for group in groups)
        for parts, blocks in pool.in_order(work, ((parts, (parts, *more)) for parts in read), 1):
            for symbols, block in zip(parts, blocks, strict=True):
                handle.write(packed(block, crc(symbols)))
                cost, drawn = cost + block.bound, drawn + block.drawn
            handle.flush()
            if not alone:
                shown.update(sum(map(len, parts)))
    return cost / drawn * header.count if drawn else float("nan")


def _read(coder: Compressor, x: Examples, low: int, high: int) -> np.ndarray:
    return coder.of(np.asarray(x[low:high]).reshape(high - low, -1), low)


class Compressed:
    """A file of examples, read by the run that wrote it.

    Attributes:
        header: what the file says of itself.
        loss: why its examples come back with loss; empty where they come back value by value.
        held: what it then holds.
    """

    def __init__(self, run: Applied, handle: BinaryIO, where: str, workers: int | None = 1) -> None:
        """Open it.

        Args:
            run: the run.
            handle: the open file.
            where: what messages call it.
            workers: as `compress`.

        Raises:
            DataError: if it is no such file, damaged in its header, or another model's.
        """
        self._reader = Reader(handle, where)
        self.header = self._reader.header
        self._run, self._workers = run, workers
        self._coder, self._which = coder_of(run, self.header.name, where)
        self.loss, self.held = self._coder.loss, self._coder.held
        if self.header.event != self._coder.event:
            raise DataError(f"{where} is damaged: its examples have another shape than the run's")

    def read(self, first: int = 0, end: int | None = None, *, quiet: bool = True) -> Iterator[np.ndarray]:
        """Give examples, in the data's units, some blocks at a time.

        Args:
            first: the first of them.
            end: the one after the last; all by default.
            quiet: show no progress bar.

        Yields:
            Shape `(n, *event)`, in the type that the run's data were stored in.

        Raises:
            DataError: if there are no such examples, or a block that holds some is damaged.
        """
        end = self.header.count if end is None else end
        self._reader.check_range(first, end)
        numbers = range(first // self.header.block, (end - 1) // self.header.block + 1)
        if len(numbers) == self.header.blocks:
            self._reader.check_end()
        total = sum(high - low for low, high in map(self.header.rows, numbers))
        at = numbers[0] * self.header.block
        with (
            progress.bar(desc="decompressing", total=total, unit=UNIT, quiet=quiet) as shown,
            coders(self._run, self._which, self._workers, len(numbers), ENOUGH) as pool,
            contextlib.closing(self._decoded(numbers, pool, shown.update)) as decoded,
        ):
            for symbols in decoded:
                low, high = max(first - at, 0), end - at
                at += len(symbols)
                values = self._coder.values(symbols[low:high], self._dtype)
                yield values.reshape(-1, *self.header.event)

    def save(
        self, path: Path, first: int, end: int, *, resume: bool = False, quiet: bool = True
    ) -> tuple[int, ...]:
        """Write examples as a .npy, of which only some are in memory at once.

        What is done stands in a file beside it, `.NAME.part`, until all is.

        Args:
            path: the file.
            first: as `read`.
            end: as `read`.
            resume: go on with what an earlier call left: a block stays if its examples are those of the file.
            quiet: show no progress bar.

        Returns:
            The shape of the array.

        Raises:
            ConfigError: if only some of the examples are to be gone on with, or such as come with loss.
            DataError: if there are no such examples, or a block is damaged.
            LatentiaError: if the file cannot be written.
        """
        self._reader.check_range(first, end)
        whole = (first, end) == (0, self.header.count)
        if resume and (self.loss or not whole):
            these = "come back with loss" if self.loss else "are some of them"
            raise ConfigError(
                f"--resume is for all examples of a file without loss, and these {these}; leave it out"
            )
        if whole:
            self._reader.check_end()
        storage.check_writable(path)
        one = self._restored(np.zeros((1, *self.header.event), self._dtype))
        rows = Rows(one.dtype, (end - first, *one.shape[1:]), self.header.block, self._check)

        def same(number: int, check: int) -> bool:
            return self._reader.check(number) == check

        options = "another run, or a file of another size"
        with growing(path, rows, rows.reader, same, resume=resume, options=options) as (handle, started):
            if first + started * self.header.block < end:
                for part in self.read(first + started * self.header.block, end, quiet=quiet):
                    handle.write(self._restored(part).data)
                    handle.flush()  # what is done stays when the process is killed
        return rows.shape

    @property
    def _dtype(self) -> np.dtype:
        return np.dtype(self._run.record.dtype or np.float32)

    def _restored(self, x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(self._run.record.layout.restore(x))

    def _check(self, rows: np.ndarray) -> int:
        """Give the CRC-32 of the symbols of examples that `save` wrote; -1 of what the run does not write."""
        x = self._run.record.layout.arrange(rows, self.header.event).astype(self._dtype)
        try:
            return crc(self._coder.of(x.reshape(len(x), -1)))
        except DataError:
            return -1

    def _decoded(self, numbers: range, pool: Pool, advance: Callable[[int], object]) -> Generator[np.ndarray]:
        """Give the symbols of blocks, some blocks at a time."""
        alone = pool.count == 1
        work, more = (self._coder.decode, (advance,)) if alone else (decode, (self._which,))
        for (group, checks), found in pool.in_order(work, self._tasks(numbers, pool, more), 1):
            parts = []
            for number, check, symbols in zip(group, checks, found, strict=True):
                if symbols is None or crc(symbols) != check:
                    raise self._reader.damaged(number)
                parts.append(symbols)
            if not alone:
                advance(sum(map(len, parts)))
            yield np.concatenate(parts)

    def _tasks(
        self, numbers: range, pool: Pool, more: tuple[Any, ...]
    ) -> Iterator[tuple[tuple[range, tuple[int, ...]], tuple[Any, ...]]]:
        for group in grouped(numbers, pool):
            blocks, checks = zip(*map(self._reader.block, group), strict=True)
            for number, block in zip(group, blocks, strict=True):
                if not 1 <= block.rounds <= self._coder.prior_rounds:
                    raise self._reader.damaged(number)
            counts = [high - low for low, high in map(self.header.rows, group)]
            yield (group, checks), (blocks, counts, *more)
