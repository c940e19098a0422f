"""Packed data: a folder of `.npy` shards and an index that says what they are."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latentia.core.errors import ConfigError, DataError, shell
from latentia.core.storage import crc_of
from latentia.data.layout import Layout
from latentia.data.pictures import Crops, Pictures
from latentia.data.raw import SPLITS, Options, Raw, consecutive
from latentia.data.schema import Schema
from latentia.data.shards import Shard, Shards, open_shard

INDEX = "index.json"
"""What the folder holds: written last, so that what has one is whole."""
PLAN = "packing.json"
"""What the folder shall hold: written first."""
FORMAT = "latentia shards 1"


def is_packed(folder: Path) -> bool:
    """Recognise packed data, whole or not.

    Args:
        folder: any folder.

    Returns:
        Whether `latentia pack` wrote it.
    """
    if (folder / PLAN).is_file():
        return True
    try:
        with (folder / INDEX).open("rb") as handle:
            return FORMAT.encode() in handle.read(200)
    except OSError:
        return False


def again(folder: Path) -> str:
    """Give the command that goes on with a folder, or repairs it.

    Args:
        folder: packed data, whole or not.

    Returns:
        What the plan says, or else a `latentia pack` of a source that is not known.
    """
    try:
        return str(json.loads((folder / PLAN).read_text(encoding="utf-8"))["again"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"latentia pack SOURCE {shell(folder)}"


def parts(folder: Path) -> list[tuple[str, str, int]]:
    """List the shards of packed data that `read` has read.

    Args:
        folder: the data.

    Returns:
        The stem of the file, the split and the number of rows of each, in the order of the examples.
    """
    listed = json.loads((folder / INDEX).read_text(encoding="utf-8"))["shards"]
    return [
        (Path(shard["files"]["x"]["file"]).stem, split, int(shard["rows"]))
        for split in SPLITS
        for shard in listed[split]
    ]


def fingerprint(shards: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Sum up the content of all shards, whatever the folder is called.

    Args:
        shards: for each split what is recorded of its shards.

    Returns:
        Hexadecimal digits.
    """
    files = [[split, shard["rows"], shard["files"]] for split in SPLITS for shard in shards[split]]
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:32]


def read(folder: Path, options: Options) -> Raw:
    """Open packed data; they stay in their files unless they fit into the buffer.

    Args:
        folder: what `latentia pack` wrote.
        options: buffer and crop are used.

    Returns:
        The examples, with the splits that were settled when they were packed.

    Raises:
        DataError: if packing did not end, or the index or a shard is damaged or missing.
    """
    redo = again(folder)
    if not (folder / INDEX).is_file():
        raise DataError(f"{folder}: is not packed to the end (no {INDEX}); go on with: {redo}")
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if index["format"] != FORMAT:
            raise DataError(f"{folder / INDEX}: is of format {index['format']}; this version reads {FORMAT}")
        shards = {split: list(index["shards"][split]) for split in SPLITS}
        counts = {split: sum(int(shard["rows"]) for shard in shards[split]) for split in SPLITS}
        every = [shard for split in SPLITS for shard in shards[split]]
        event, dtype, ends = tuple(index["event"]), np.dtype(index["dtype"]), index["observed"]
        if index.get("uneven"):
            x = _open_uneven(folder, every, event, dtype, ends, options, redo)
        else:
            x = _open(folder, every, event, dtype, ends, redo)
        labels = _beside(folder, every, "labels", redo) if index["labels"] else None
        factors = _beside(folder, every, "factors", redo) if index["factor_names"] else None
        return Raw(
            x if isinstance(x, Crops) or x.nbytes > options.buffer else _resident(folder, x, every, redo),
            labels,
            tuple(index["label_names"]),
            parts=consecutive(counts),
            high=float(index["high"]),
            columns=tuple(index["columns"]),
            skipped=tuple(index["skipped"]),
            factors=factors,
            factor_names=tuple(index["factor_names"]),
            given=tuple(index["given"]),
            fingerprint=fingerprint(shards),
            layout=Layout.from_record(index.get("layout", {})),  # older ones have no such entries
            label=index.get("label", ""),
            left_out=index.get("left_out", {}),
            schema=Schema.from_record(index["schema"]) if "schema" in index else None,
            encoded=index.get("encoded", {}),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise DataError(f"{folder / INDEX}: is damaged; write it again with: {redo}") from error


def _open(
    folder: Path,
    every: Sequence[Mapping[str, Any]],
    event: tuple[int, ...],
    dtype: np.dtype,
    observed: Sequence[float],
    redo: str,
) -> Shards:
    parts: list[Shard] = []
    for record in every:
        path = _whole(folder, record["files"]["x"], redo)
        shard, shape, kind = open_shard(path)
        if (shard.rows, shape, kind) != (record["rows"], event, dtype):
            raise DataError(f"{path}: is another array than {INDEX} says; write it again with: {redo}")
        parts.append(shard)
    return Shards(parts, event, dtype, observed=(float(observed[0]), float(observed[1])))


def _open_uneven(
    folder: Path,
    every: Sequence[Mapping[str, Any]],
    lead: Sequence[int],
    dtype: np.dtype,
    observed: Sequence[float],
    options: Options,
    redo: str,
) -> Crops:
    """Open pictures of their own sizes; they stay in their files unless they fit into the buffer."""
    sizes = [_beside(folder, [record], "sizes", redo).reshape(-1, 2) for record in every]
    parts: list[Shard] = []
    planes, frames = math.prod(lead), lead[1] if len(lead) > 1 else None
    for record, own in zip(every, sizes, strict=True):
        path = _whole(folder, record["files"]["x"], redo)
        shard, shape, kind = open_shard(path)
        if (shard.rows, shape, kind) != (planes * int(own.prod(axis=1).sum()), (), dtype):
            raise DataError(f"{path}: is another array than {INDEX} says; write it again with: {redo}")
        parts.append(shard)
    values, every_size = Shards(parts, (), dtype), np.concatenate(sizes)
    crop = _fitting_crop(folder, every_size, options)
    pictures = Pictures(values, lead[0], every_size, frames=frames)
    if pictures.nbytes <= options.buffer:
        _check(folder, every, redo)
        edges = np.cumsum([0, *(part.rows for part in parts)]).tolist()
        held = np.empty(edges[-1], dtype)
        for start, stop in itertools.pairwise(edges):
            held[start:stop] = values.span(start, stop - start)
        pictures = Pictures(held, lead[0], every_size, frames=frames)
    return Crops(pictures, crop, (float(observed[0]), float(observed[1])))


def _fitting_crop(folder: Path, sizes: np.ndarray, options: Options) -> tuple[int, int]:
    """Give the crop that is asked for, if the smallest pictures have room for it."""
    height, width = sizes.min(axis=0).tolist()
    if options.crop is None:
        raise DataError(
            f"{folder}: holds pictures of different sizes; give the size of crops, at most "
            f"data.crop={min(height, width)}"
        )
    if options.size is not None and not options.inherited:
        raise ConfigError(f"{folder}: is packed, and data.size no longer changes it; leave it out")
    if height < options.crop[0] or width < options.crop[1]:
        tall, wide = options.crop
        raise DataError(
            f"{folder}: holds pictures with sides of {height}x{width}, smaller than data.crop={tall}x{wide}; "
            f"give a smaller one, or pack the source into a new folder with --crop {max(tall, wide)}"
        )
    return options.crop


def _resident(folder: Path, x: Shards, every: Sequence[Mapping[str, Any]], redo: str) -> np.ndarray:
    _check(folder, every, redo)
    return x[:]


def _check(folder: Path, every: Sequence[Mapping[str, Any]], redo: str) -> None:
    """Hold all shards against what was packed; those that stream are not looked through."""
    for about in (record["files"]["x"] for record in every):
        if crc_of(folder / about["file"]) != about["crc32"]:
            raise DataError(f"{folder / about['file']}: the shard is damaged; write it again with: {redo}")


def _beside(folder: Path, every: Sequence[Mapping[str, Any]], what: str, redo: str) -> np.ndarray:
    """Read what belongs to the examples of all shards."""
    arrays = []
    for record in every:
        path = _whole(folder, record["files"][what], redo)
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: is damaged; write it again with: {redo}") from error
        if len(array) != record["rows"]:
            raise DataError(f"{path}: is another array than {INDEX} says; write it again with: {redo}")
        arrays.append(array.astype(np.int64, copy=False))
    return np.concatenate(arrays)


def _whole(folder: Path, about: Mapping[str, Any], redo: str) -> Path:
    path = folder / about["file"]
    if not path.is_file():
        raise DataError(f"{path}: the shard is missing; write it again with: {redo}")
    if (size := path.stat().st_size) != about["bytes"]:
        raise DataError(
            f"{path}: the shard has {size:,} bytes instead of {about['bytes']:,}; write it again with: {redo}"
        )
    return path
