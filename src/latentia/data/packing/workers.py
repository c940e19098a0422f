"""Images decoded by many processes, straight into the files of their shards."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentia.core.errors import DataError
from latentia.core.storage import cannot_write
from latentia.data.raw import Options
from latentia.data.readers.depths import refuse_unlike
from latentia.data.readers.files import Files
from latentia.data.readers.stack import decode_one


class Task(NamedTuple):
    """Some neighbouring images of one shard.

    Attributes:
        source: what reads them.
        target: the file that they are written into.
        offset: where in it, in bytes.
        files: for each place the position of its file in the source.
        event: channels, height and width of an image there.
        first: the name of an image of that size.
        options: size, fit, pages and skip_bad are used.
        depth: what the images of the source have; see `depth_of`.
        dtype: the type of the numbers there.
        uneven: pictures keep their sizes, and are given back instead of being written.
    """

    source: Files
    target: Path
    offset: int
    files: np.ndarray
    event: tuple[int, ...]
    first: str
    options: Options
    depth: str
    dtype: np.dtype
    uneven: bool = False


class Decoded(NamedTuple):
    """What became of a task.

    Attributes:
        good: which images could be decoded, `(n,)`.
        skipped: names of the others.
        low: the smallest value.
        high: the largest value.
        colour: there was a colour image where grey ones were expected; nothing was written.
        notes: those of all images; see `Picture`.
        types: names of the types that the files have.
        values: all values of pictures that keep their sizes, one after the other.
        sizes: heights and widths of these.
    """

    good: np.ndarray
    skipped: tuple[str, ...] = ()
    low: float = 255
    high: float = 0
    colour: bool = False
    notes: tuple[str, ...] = ()
    types: frozenset[str] = frozenset()
    values: np.ndarray | None = None
    sizes: np.ndarray | None = None


def decode_into(task: Task, where: str) -> Decoded:
    """Decode the images of a task and write them to their place.

    Args:
        task: which ones, and where to.
        where: the source, for messages.

    Returns:
        What could be read.

    Raises:
        DataError: if an image cannot be decoded and may not be skipped, or is of another size.
        LatentiaError: if the file cannot be written.
    """
    if task.uneven:
        return _decode_uneven(task, where)
    channels, height, width = task.event
    rows = np.zeros((len(task.files), height, width, channels), task.dtype)  # as decoders give them
    good = np.zeros(len(task.files), dtype=bool)
    skipped = []
    notes: list[str] = []
    types: set[str] = set()
    for place in np.argsort(task.files).tolist():  # ascending in the source is the fast order
        index = int(task.files[place])
        picture = decode_one(task.source, index, task.options, where, rows[place])
        if picture is None:
            skipped.append(task.source.name(index))
            rows[place] = 0
            continue
        pixels = picture.pixels
        if pixels.base is not rows:
            known = (task.first, task.event, task.depth)
            refuse_unlike(where, known, task.source.name(index), pixels)
            if len(pixels) > channels:
                return Decoded(good, colour=True)
            rows[place] = pixels.transpose(1, 2, 0)
        good[place] = True
        notes += picture.notes
        types.add(pixels.dtype.name)
    x = np.ascontiguousarray(rows.transpose(0, 3, 1, 2))
    _write(task, x)
    seen = x[good] if skipped else x
    ends = (seen.min().item(), seen.max().item()) if len(seen) else (math.inf, -math.inf)
    return Decoded(good, tuple(skipped), *ends, notes=tuple(notes), types=frozenset(types))


def _decode_uneven(task: Task, where: str) -> Decoded:
    """Decode the images of a task, each of its own size."""
    channels = task.event[0]
    found: dict[int, np.ndarray] = {}
    skipped, notes, types = [], [], set()
    for place in np.argsort(task.files).tolist():
        index = int(task.files[place])
        picture = decode_one(task.source, index, task.options, where)
        if picture is None:
            skipped.append(task.source.name(index))
            continue
        pixels = picture.pixels
        known = (task.first, (channels, *pixels.shape[1:]), task.depth)
        refuse_unlike(where, known, task.source.name(index), pixels)
        if len(pixels) > channels:
            return Decoded(np.zeros(len(task.files), bool), colour=True)
        found[place] = np.broadcast_to(pixels, (channels, *pixels.shape[1:])).astype(task.dtype, copy=False)
        notes += picture.notes
        types.add(pixels.dtype.name)
    good = np.isin(np.arange(len(task.files)), list(found))
    ordered = [found[place] for place in sorted(found)]
    values = np.concatenate([np.zeros(0, task.dtype), *(picture.reshape(-1) for picture in ordered)])
    sizes = np.array([picture.shape[1:] for picture in ordered], np.int64).reshape(-1, 2)
    ends = (values.min().item(), values.max().item()) if len(values) else (math.inf, -math.inf)
    return Decoded(
        good, tuple(skipped), *ends, notes=tuple(notes), types=frozenset(types), values=values, sizes=sizes
    )


def _write(task: Task, x: np.ndarray) -> None:
    left, at = memoryview(x.reshape(-1).view(np.uint8).data), task.offset
    try:
        descriptor = os.open(task.target, os.O_WRONLY)
        try:
            while left.nbytes:
                count = os.pwrite(descriptor, left, at)
                left, at = left[count:], at + count
        finally:
            os.close(descriptor)
    except OSError as error:
        raise cannot_write(task.target.parent, error) from error


def ready() -> None:
    """Import what decodes, while the others still look at the source."""
    with contextlib.suppress(ImportError):
        import simplejpeg  # noqa: F401


def died(where: str) -> DataError:
    """Say that a process that decodes has died.

    Args:
        where: the source.

    Returns:
        The error.
    """
    return DataError(
        f"{where}: a process that decoded images died, perhaps for want of memory; the same command "
        "goes on where it stopped, with fewer --workers if need be"
    )
