"""Which examples data hold: a fingerprint of the whole, and a checksum of each example.

A run keeps both. The fingerprint tells in one pass that the data are the same; where they are not, the
checksums find the run's examples again among others, wherever they stand now, so that the splits stay.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np

from latentia.data.dataset import Dataset
from latentia.data.raw import SPLITS
from latentia.data.shards import Shards
from latentia.data.splits import spread

SAMPLED = 256
"""Examples of data in files from which their fingerprint is made: to read all of them would take too long."""

_SAMPLE = "-sample"
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Rows:
    """The examples of a run.

    Attributes:
        checksums: one for each example, with its label and its factors, uint32, `(N,)`.
        splits: the split of each, as its place in `SPLITS`, uint8, `(N,)`.
        dtype: the type of the numbers that the checksums are of.
    """

    checksums: np.ndarray
    splits: np.ndarray
    dtype: str

    def split(self, at: np.ndarray) -> dict[str, np.ndarray]:
        """Give the splits of data that hold these examples.

        Args:
            at: where each of them is.

        Returns:
            Positions, ascending; examples that were not known are in no split.
        """
        return {name: np.sort(at[self.splits == number]) for number, name in enumerate(SPLITS)}


def fingerprint(dataset: Dataset, *, sampled: bool = False) -> str:
    """Sum up data: their number, shape, type and content, labels and factors included.

    Packed data have one of their own. Of other data that stay in their files some examples stand for all.

    Args:
        dataset: the data.
        sampled: let some examples stand for all of any data.

    Returns:
        A word, which changes with the data, and not with the place where they lie.
    """
    if dataset.fingerprint:
        return dataset.fingerprint
    x = dataset.x
    form = "x".join(map(str, x.shape))
    if sampled or isinstance(x, Shards):
        return f"{form}-{x.dtype}-{_crc(x[spread(np.arange(len(x)), SAMPLED)]):08x}{_SAMPLE}"
    words = zlib.crc32(_words(dataset).tobytes())
    factors = 0 if dataset.factors is None else _crc(dataset.factors)
    return f"{form}-{x.dtype}-{_crc(x):08x}{zlib.crc32(f'{words} {factors}'.encode()):08x}"


def rows_of(dataset: Dataset) -> Rows | None:
    """Take the checksums of all examples.

    Args:
        dataset: the data.

    Returns:
        The checksums and the splits; None for packed data, which are taken as a whole, and for others that
        stay in their files.
    """
    if dataset.fingerprint or isinstance(dataset.x, Shards) or not len(dataset):
        return None
    split = np.zeros(len(dataset), np.uint8)
    for number, name in enumerate(SPLITS):
        split[dataset.splits[name]] = number
    dtype = str(dataset.x.dtype)
    return Rows(_checksums(dataset, dtype)[0], split, dtype)


def same(dataset: Dataset, recorded: str) -> bool:
    """Say whether data have a fingerprint.

    Args:
        dataset: the data.
        recorded: what `fingerprint` gave.

    Returns:
        Whether they are the same.
    """
    return fingerprint(dataset, sampled=recorded.endswith(_SAMPLE)) == recorded


def found(known: Rows, dataset: Dataset) -> np.ndarray:
    """Find a run's examples among others.

    Args:
        known: the examples.
        dataset: where they may be, in any order and among others.

    Returns:
        The position of each in the data, int64, -1 for one that is not there; of equal examples each is
        found once.
    """
    checksums, fits = _checksums(dataset, known.dtype)
    places = np.flatnonzero(fits)
    if not len(places):
        return np.full(len(known.checksums), -1)
    wanted, there = _numbered(known.checksums), _numbered(checksums[places])
    order = np.argsort(there, kind="stable")
    at = np.minimum(np.searchsorted(there[order], wanted), len(order) - 1)
    return np.where(there[order][at] == wanted, places[order][at], -1)


def taken(known: Rows, at: np.ndarray, dataset: Dataset) -> Dataset:
    """Give a run's examples out of data that hold them, in the run's order and in its splits.

    Args:
        known: the examples.
        at: where they are, as `found` gives it, all of them found.
        dataset: the data.

    Returns:
        The run's data.
    """
    splits = known.split(np.arange(len(at)))
    if len(at) == len(dataset) and bool((at == np.arange(len(at))).all()):
        return replace(dataset, splits=splits)
    added = len(dataset) - len(at)
    x = dataset.x
    return replace(
        dataset,
        x=x.over(at) if isinstance(x, Shards) else x[at].astype(known.dtype, copy=False),
        pictures=None if dataset.pictures is None else dataset.pictures.over(at),
        splits=splits,
        labels=None if dataset.labels is None else dataset.labels[at],
        names=tuple(dataset.names[row] for row in at.tolist()) if dataset.names else (),
        factors=None if dataset.factors is None else dataset.factors[at],
        left_out={**dataset.left_out, **({"added since the training": added} if added else {})},
    )


def _crc(array: np.ndarray) -> int:
    array = _one_nan(array)
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _one_nan(array: np.ndarray) -> np.ndarray:
    """Write every missing value with the same bits: NaN has many."""
    if array.dtype.kind != "f" or not (gone := np.isnan(array)).any():
        return array
    return np.where(gone, array.dtype.type(np.nan), array)


def _words(dataset: Dataset) -> np.ndarray:
    """Give a number for the label of each example, a function of its name alone, uint32; 0 for none."""
    if dataset.labels is None:
        return np.zeros(len(dataset), np.uint32)
    count = max(len(dataset.label_names), int(dataset.labels.max(initial=-1)) + 1)
    names = dataset.label_names or tuple(map(str, range(count)))
    words = np.array([0, *(zlib.crc32(name.encode()) for name in names)], np.uint32)
    return words[dataset.labels + 1]


def _checksums(dataset: Dataset, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Take the checksum of each example as a type of numbers holds it, and say which ones it can hold."""
    words = _words(dataset)
    found, fits = np.empty(len(dataset), np.uint32), np.ones(len(dataset), bool)
    for start in range(0, len(dataset), _BLOCK):
        part = slice(start, start + _BLOCK)
        block = dataset.x[part].reshape(len(words[part]), -1)
        with np.errstate(invalid="ignore"):  # what does not fit is found out by the comparison
            stored = np.ascontiguousarray(block.astype(dtype, copy=False))
        if stored.dtype != block.dtype:
            fits[part] = ((stored == block) | ((stored != stored) & (block != block))).all(axis=1)
        stored = _one_nan(stored)
        starts = words[part].tolist()
        if dataset.factors is not None:
            beside = np.ascontiguousarray(dataset.factors[part].astype(np.int64))
            starts = [zlib.crc32(row.data, word) for row, word in zip(beside, starts)]
        found[part] = [zlib.crc32(row.data, word) for row, word in zip(stored, starts)]
    return found, fits


def _numbered(checksums: np.ndarray) -> np.ndarray:
    """Tell equal checksums apart by their turn: the first of them, the second, ..."""
    order = np.argsort(checksums, kind="stable")
    ordered = checksums[order]
    first = np.searchsorted(ordered, ordered, side="left")
    turn = np.empty(len(order), np.uint64)
    turn[order] = np.arange(len(order)) - first
    return (checksums.astype(np.uint64) << np.uint64(32)) | turn
