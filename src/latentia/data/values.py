"""Arrays of any layout and type become the project's: channels first, uint8 or float32, finite."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from latentia.data.shards import Examples, Shards, open_shard
from latentia.errors import DataError

CHANNELS = (1, 3, 4)
_BLOCK = 1 << 22  # entries looked at together: checks need no second copy of the data
_SAMPLE = 4 << 20  # bytes of a file that are looked at to learn what kind of bytes they are


def tidy(array: np.ndarray, where: str) -> tuple[np.ndarray, float]:
    """Bring an array into the project's layout and type, with at most one copy.

    `(N, F)` is a table; `(N, H, W)` and `(N, H, W, C)` with 1, 3 or 4 channels become images
    `(N, C, H, W)`; any other shape stays. Booleans and whole numbers within 0..255 become uint8,
    everything else float32.

    Args:
        array: the data, first dimension the examples.
        where: the source, for error messages.

    Returns:
        The data, C-contiguous, and the value that stands for 1.0: 255 for bytes, 1 for bytes
        that are only 0 and 1 and for floats.

    Raises:
        DataError: if the array holds no numbers, NaN or infinity, or has fewer than two dimensions.
    """
    _require_numbers(array, where)
    if array.dtype.kind == "f":
        require_finite(array, where)
    x = np.ascontiguousarray(_channels_first(array), dtype=_compact(array))
    if x.dtype == np.uint8:
        return x, 1.0 if x.size and x.max() <= 1 else 255.0
    return x, 1.0


def streamed(array: np.ndarray, path: Path) -> tuple[Shards, float]:
    """Do the same with a file that stays where it is: what is checked, is checked chunk by chunk.

    Bytes are not looked through where a sample shows that they are more than 0 and 1; their range is then
    that of the sample.

    Args:
        array: its array as mapped, of which shape and type are looked at.
        path: the `.npy` file.

    Returns:
        The data, unread, and the value that stands for 1.0.

    Raises:
        DataError: if the array holds no numbers, NaN or infinity, or has fewer than two dimensions.
    """
    _require_numbers(array, str(path))
    shard, stored, dtype = open_shard(path)
    plain = Shards([shard], stored, dtype)
    if dtype == np.uint8:
        low, high, sampled = _byte_ends(plain)
    else:
        low, high, sampled = *_ends(plain, str(path)), False
    whole = dtype.kind in "bui" and low >= 0 and high <= 255
    arranged = partial(_arranged, np.uint8 if whole else np.float32)
    x = Shards([shard], stored, dtype, arranged, (low, high), sampled)
    return x, 255.0 if whole and high > 1 else 1.0


def _byte_ends(x: Shards) -> tuple[float, float, bool]:
    """Give the ends of bytes, and whether they are those of a sample."""
    count = min(len(x), max(2, _SAMPLE // max(1, x.nbytes // len(x))))
    sample = x[np.arange(count) * len(x) // count]
    if sample.max() > 1:
        return float(sample.min()), float(sample.max()), True
    for _, block in _blocks(x):
        if block.max() > 1:
            return 0.0, 255.0, True
    return 0.0, float(sample.max()), True


def _ends(x: Shards, where: str) -> tuple[float, float]:
    """Give the smallest and the largest value, after a pass that refuses what is not finite."""
    ends = []
    for start, block in _blocks(x):
        if block.dtype.kind == "f":
            _require_finite(block, start, where)
        ends.append((np.float32(block.min()), np.float32(block.max())))
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _arranged(target: type, block: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(_channels_first(block), dtype=target)


def _require_numbers(array: np.ndarray, where: str) -> None:
    if array.dtype.kind not in "buif":
        raise DataError(
            f"{where}: holds {_kind_of(array)}, not plain numbers; save it as an array of numbers "
            "(Python objects and pickles are never read)"
        )
    if array.ndim < 2 or 0 in array.shape[1:]:
        raise DataError(
            f"{where}: has shape {array.shape}; a shape (examples, features) or (examples, height, width) "
            "or (examples, height, width, channels) is needed"
        )


def require_finite(array: np.ndarray, where: str) -> None:
    """Raise at the first entry that is NaN, infinite, or too large for float32.

    Args:
        array: floats, first dimension the examples.
        where: the source, for the error message.

    Raises:
        DataError: naming the row, the column (or the index) and the value.
    """
    for start, block in _blocks(array):
        _require_finite(block, start, where)


def _require_finite(block: np.ndarray, start: int, where: str) -> None:
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(block.astype(np.float32, copy=False))
    if not bad.any():
        return
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    value, at = block[at], (start + at[0], *at[1:])
    index = f"[{', '.join(map(str, at))}]"
    table = block.ndim == 2
    place = f"row {at[0] + 1}, column {at[1] + 1} (index {index})" if table else f"index {index}"
    raise DataError(f"{where}: {place} is {unusable(value)}; correct or remove it")


def unusable(value: float) -> str:
    """Put a number that cannot be used into words.

    Args:
        value: NaN, an infinity, or a number beyond float32.

    Returns:
        Its name.
    """
    if np.isnan(value):
        return "NaN"
    return "infinity" if np.isinf(value) else f"{value:g}, too large for float32"


def _blocks(array: Examples) -> Iterator[tuple[int, np.ndarray]]:
    rows = max(1, _BLOCK // max(1, int(np.prod(array.shape[1:]))))
    for start in range(0, len(array), rows):
        yield start, array[start : start + rows]


def _kind_of(array: np.ndarray) -> str:
    kinds = {"O": "Python objects", "U": "strings", "S": "strings", "c": "complex numbers", "V": "records"}
    return kinds.get(array.dtype.kind, f"{array.dtype} values")


def _channels_first(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3:
        return array[:, None]
    if array.ndim == 4 and array.shape[3] in CHANNELS and array.shape[1] not in CHANNELS:
        return array.transpose(0, 3, 1, 2)
    return array


def _compact(array: np.ndarray) -> type[np.uint8] | type[np.float32]:
    if array.dtype.kind == "b" or array.dtype == np.uint8 or not array.size:
        return np.float32 if array.dtype.kind == "f" else np.uint8
    if array.dtype.kind in "ui" and array.min() >= 0 and array.max() <= 255:
        return np.uint8
    return np.float32
