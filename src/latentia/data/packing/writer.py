"""What packing consists of: shards that are planned, written whole, recorded and checked."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from latentia.core import storage
from latentia.core.errors import RunError
from latentia.data.raw import SPLITS

Record = dict[str, Any]
"""What is known of a shard that is whole: rows, event, dtype, low, high, skipped, and its files with their
size and CRC-32."""


class Planned(NamedTuple):
    """A shard to be.

    Attributes:
        name: the stem of its files.
        split: the split that it is a part of.
        rows: positions of its examples in the source.
    """

    name: str
    split: str
    rows: np.ndarray


class Job(abc.ABC):
    """A source on its way into shards.

    Attributes:
        splits: positions of each split.
        given: the splits that the source brought.
        each: bytes of an example.
        about: what the index says beside the shards: high, label_names, columns, factor_names, layout, label,
            left_out.
        beside: arrays with a row for each position, by name: labels, factors.
    """

    splits: Mapping[str, np.ndarray]
    given: tuple[str, ...]
    each: int
    about: Mapping[str, Any]
    beside: Mapping[str, np.ndarray]

    def settle(self, shards: list[Planned], folder: Path) -> None:  # noqa: B027 - most have nothing to do
        """Make all shards alike; nothing where they are.

        Args:
            shards: all of them, written and recorded.
            folder: where they are.
        """

    @abc.abstractmethod
    def write(self, todo: list[Planned], folder: Path, done: Callable[[int], object]) -> None:
        """Write shards and record each.

        Args:
            todo: the shards.
            folder: where to.
            done: called with a number of examples when they are done.
        """


def plan(job: Job, shard_bytes: int) -> list[Planned]:
    """Divide the splits of a source into shards.

    Args:
        job: the source.
        shard_bytes: size of a shard, about.

    Returns:
        The shards, in the order of the splits.
    """
    size = max(1, shard_bytes // max(1, job.each))
    return [
        Planned(f"{split}-{number:05d}", split, job.splits[split][start : start + size])
        for split in SPLITS
        for number, start in enumerate(range(0, len(job.splits[split]), size))
    ]


def write_array(path: Path, event: tuple[int, ...], dtype: np.dtype, blocks: Iterable[np.ndarray]) -> None:
    """Write an array that is never whole in memory as `.npy`, atomically.

    Args:
        path: the file.
        event: the shape of one row.
        dtype: the type of the numbers.
        blocks: the rows, in pieces.
    """
    with storage.atomic_write(path) as handle:
        handle.write(header(0, event, dtype))
        rows = 0
        for block in blocks:
            handle.write(np.ascontiguousarray(block, dtype=dtype).data)
            rows += len(block)
        handle.seek(0)
        handle.write(header(rows, event, dtype))


def header(rows: int, event: tuple[int, ...], dtype: np.dtype) -> bytes:
    """Make the head of a `.npy` file, of one length for any number of rows.

    Args:
        rows: how many there are.
        event: the shape of one.
        dtype: the type of the numbers.

    Returns:
        Bytes.
    """
    # Format 1.0: magic, version, length of the text, the text padded to a multiple of 64 in all.
    shape = ", ".join(map(str, (rows, *event))) + ("," if not event else "")
    text = (
        f"{{'descr': {np.lib.format.dtype_to_descr(dtype)!r}, 'fortran_order': False, 'shape': ({shape}), }}"
    )
    size = -(-(10 + 20 + len(f"{text}") - len(str(rows)) + 1) // 64) * 64
    padded = text.ljust(size - 11).encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded


def record(
    shard: Planned,
    folder: Path,
    beside: Mapping[str, np.ndarray],
    kept: np.ndarray,
    about: Mapping[str, Any],
    own: Mapping[str, np.ndarray] | None = None,
) -> Record:
    """Write what belongs to a shard that is in its place, and last its record.

    Args:
        shard: the shard; `NAME.npy` is there.
        folder: where it is.
        beside: arrays with a row for each position of the source, by name.
        kept: positions of the examples that it holds.
        about: event, dtype, low, high and skipped.
        own: arrays with a row for each example that it holds, by name.

    Returns:
        The record.
    """
    names = {"x": f"{shard.name}.npy"}
    arrays = {what: values[kept] for what, values in beside.items()} | dict(own or {})
    for what, array in arrays.items():
        names[what] = f"{shard.name}.{what}.npy"
        write_array(folder / names[what], array.shape[1:], array.dtype, [array])
    files = {
        what: {"file": name, "bytes": (folder / name).stat().st_size, "crc32": storage.crc_of(folder / name)}
        for what, name in names.items()
    }
    made = {"rows": len(kept), **about, "files": files}
    storage.write_json(folder / f"{shard.name}.json", made)
    return made


def write_shard(
    shard: Planned,
    folder: Path,
    blocks: Iterable[np.ndarray],
    event: tuple[int, ...],
    dtype: np.dtype,
    beside: Mapping[str, np.ndarray],
    *,
    uneven: bool = False,
    found: Callable[[], tuple[list[int], Mapping[str, Any]]] | None = None,
) -> Record:
    """Write a shard that is never whole in memory, what belongs to it, and last its record.

    Args:
        shard: the shard.
        folder: where to.
        blocks: its examples, in pieces, `(n, *event)`; uneven ones one by one, `(*event, height, width)`.
        event: the shape of one, as far as they have it in common.
        dtype: the type of the numbers.
        beside: arrays with a row for each position of the source, by name.
        uneven: whether each has a height and a width of its own, which are written beside its values.
        found: gives the positions of the examples that it holds, and what else its record says, once all
            blocks were given; by default they are those of the shard.

    Returns:
        The record.
    """
    ends: list[tuple[float, float]] = []
    sizes: list[tuple[int, ...]] = []

    def seen() -> Iterator[np.ndarray]:
        for block in blocks:
            ends.append((float(np.fmin.reduce(block, axis=None)), float(np.fmax.reduce(block, axis=None))))
            sizes.append(block.shape[-2:])
            yield block.reshape(-1) if uneven else block

    write_array(folder / f"{shard.name}.npy", () if uneven else event, dtype, seen())
    about = {
        "event": list(event),
        "dtype": str(dtype),
        "low": min((low for low, _ in ends), default=np.inf),
        "high": max((high for _, high in ends), default=-np.inf),
        "skipped": [],
    }
    own = {"sizes": np.array(sizes, np.int64).reshape(-1, 2)} if uneven else None
    kept, more = (shard.rows, {}) if found is None else found()
    return record(shard, folder, beside, np.array(kept, np.int64), {**about, **more}, own)


def recorded(shard: Planned, folder: Path, *, content: bool = True) -> Record | None:
    """Read the record of a shard, and check its files.

    Args:
        shard: the shard.
        folder: where it is.
        content: look at their content as well, and not at their size alone.

    Returns:
        The record; None if there is none, or if it or a file is damaged.
    """
    try:
        known = storage.read_json(folder / f"{shard.name}.json")
        for about in known["files"].values():
            path = folder / about["file"]
            if path.stat().st_size != about["bytes"] or (content and storage.crc_of(path) != about["crc32"]):
                return None
        return known
    except (RunError, OSError, KeyError, TypeError, AttributeError):
        return None
