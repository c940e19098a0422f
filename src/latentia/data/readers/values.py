"""Arrays of any layout and type become the project's: channels first, uint8 or floats, finite."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentia.core.errors import ConfigError, DataError
from latentia.data.cells import unusable
from latentia.data.layout import Axes, Layout
from latentia.data.shards import Examples, Shards, open_shard

CHANNELS = (1, 3, 4)
_BLOCK = 1 << 22  # entries looked at together: checks need no second copy of the data
_SINGLE = 1 << 24  # float32 has every whole number up to it
_SAMPLE = 4 << 20  # bytes of a file that are looked at to learn what kind of bytes they are


class Tidy(NamedTuple):
    """Examples in the project's order and type.

    Attributes:
        x: the examples, `(N, *event)`.
        high: the value that stands for 1.0: 255 for bytes, 1 for bytes that are only 0 and 1 and for floats.
        layout: how they stood in the source.
    """

    x: np.ndarray
    high: float
    layout: Layout


def tidy(array: np.ndarray, where: str, channels: str = "auto") -> Tidy:
    """Bring an array into the project's order of axes and its types, with at most one copy.

    `(N, F)` is a table; `(N, H, W)` becomes grey images `(N, 1, H, W)`; of four dimensions and more, the
    channels are first or last: see `axes_of`. Booleans and whole numbers within 0..255 become uint8.
    Tables keep float64, and whole numbers beyond 2^24 become it; everything else becomes float32.

    Args:
        array: the data, first dimension the examples.
        where: the source, for error messages.
        channels: `first`, `last`, or `auto` to find out.

    Returns:
        The data, C-contiguous, the value that stands for 1.0, and how the data looked.

    Raises:
        DataError: if the array holds no numbers, NaN or infinity, has fewer than two dimensions, or may have
            its channels first or last.
        ConfigError: if `channels` is given for data without.
    """
    _require_numbers(array, where)
    if array.dtype.kind == "f":
        refuse_infinite(array, where)
        _require_values(array, where)
    layout = Layout(axes_of(array.shape[1:], channels, where), (array.dtype.name,))
    x = np.ascontiguousarray(_ordered(array, layout.axes), dtype=_compact(array))
    return Tidy(x, top_of(x), layout)


def top_of(x: np.ndarray) -> float:
    """Give the value that stands for 1.0.

    Args:
        x: examples, uint8 or floats.

    Returns:
        255 for bytes, 1 for bytes that are only 0 and 1, as masks are, and for floats.
    """
    return 255.0 if x.dtype == np.uint8 and not (x.size and x.max() <= 1) else 1.0


def require_one_scale(parts: Mapping[str, np.ndarray], where: str) -> None:
    """Refuse parts of one set of which some are within [-1, 1] and others reach far beyond.

    Whole numbers of one kind are not suspected, as a part of dark pictures may be, nor are tables of floats,
    whose columns may differ.

    Args:
        parts: the arrays as stored, by what messages call them.
        where: the source, for messages.

    Raises:
        DataError: naming two of them.
    """
    ends = {name: (float(x.min()), float(x.max())) for name, x in parts.items() if x.size}
    small = [name for name, (low, high) in ends.items() if low >= -1 and high <= 1]
    large = [name for name, (low, high) in ends.items() if max(-low, high) > 2]
    for one, other in itertools.product(small, large):
        kinds = {"i" if parts[name].dtype.kind == "u" else parts[name].dtype.kind for name in (one, other)}
        if kinds == {"i"} or (kinds == {"f"} and parts[one].ndim < 3):
            continue
        told = [
            f"'{name}' holds {parts[name].dtype} in {ends[name][0]:.4g}..{ends[name][1]:.4g}"
            for name in (one, other)
        ]
        raise DataError(f"{where}: {told[0]}, {told[1]}; bring its parts to one scale and type")


def axes_of(shape: tuple[int, ...], channels: str, where: str) -> Axes:
    """Find out how the axes of an example stand.

    Where nothing is said, of three axes or more the first are channels if there are 1, 3 or 4 of them, else
    the last if there are 1, 3 or 4; of three axes, else the one whose two neighbours are equal, as height and
    width often are, else the one that is at most half of both others.

    Args:
        shape: that of one example.
        channels: `first`, `last`, or `auto` to find out.
        where: the source, for messages.

    Returns:
        How they stand.

    Raises:
        DataError: if it cannot be told.
        ConfigError: if `channels` is given for data without.
    """
    if len(shape) < 3:
        if channels != "auto":
            seen = "x".join(map(str, shape))
            raise ConfigError(
                f"data.channels={channels} does not apply to {where}: its examples of {seen} have no channels"
            )
        return "no_channel" if len(shape) == 2 else "same"
    first, last = shape[0], shape[-1]
    square = first == shape[1] != last  # of which the last axis is no side
    if channels == "first" or (
        channels == "auto" and first in CHANNELS and not (square and last in CHANNELS)
    ):
        return "same"
    if channels == "last" or last in CHANNELS:
        return "channels_last"
    if len(shape) > 3:
        return "same"
    if square or 2 * last <= min(first, shape[1]):
        return "channels_last"
    if first != shape[1] == last or 2 * first <= min(last, shape[1]):
        return "same"
    raise DataError(
        f"{where}: has examples of {first}x{shape[1]}x{last}, and its channels may be first or last; say so "
        "with data.channels=first or data.channels=last"
    )


def streamed(array: np.ndarray, path: Path, channels: str = "auto") -> tuple[Shards, float, Layout]:
    """Do the same with a file that stays where it is: what is checked, is checked chunk by chunk.

    Bytes are not looked through where a sample shows that they are more than 0 and 1; their range is then
    that of the sample.

    Args:
        array: its array as mapped, of which shape and type are looked at.
        path: the `.npy` file.
        channels: as `tidy`.

    Returns:
        The data, unread, the value that stands for 1.0, and how they look.

    Raises:
        DataError: if the array holds no numbers, NaN or infinity, has fewer than two dimensions, or may have
            its channels first or last.
        ConfigError: if `channels` is given for data without.
    """
    _require_numbers(array, str(path))
    layout = Layout(axes_of(array.shape[1:], channels, str(path)), (array.dtype.name,))
    shard, stored, dtype = open_shard(path)
    plain = Shards([shard], stored, dtype)
    if dtype == np.uint8:
        low, high, sampled = _byte_ends(plain)
    else:
        low, high, sampled = *_ends(plain, str(path)), False
    target = _type_for(dtype, len(stored), low, high)
    if target == np.float32:
        low, high = float(np.float32(low)), float(np.float32(high))
    arranged = partial(_arranged, target, layout.axes)
    x = Shards([shard], stored, dtype, arranged, (low, high), sampled)
    return x, 255.0 if target == np.uint8 and high > 1 else 1.0, layout


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
            _refuse(np.isinf, block, start, where)
        ends.append((float(np.fmin.reduce(block, axis=None)), float(np.fmax.reduce(block, axis=None))))
    low, high = np.fmin.reduce([low for low, _ in ends]), np.fmax.reduce([high for _, high in ends])
    if np.isnan(low):
        raise DataError(f"{where}: holds no value at all; every one is NaN")
    return float(low), float(high)


def _arranged(target: type, axes: Axes, block: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(_ordered(block, axes), dtype=target)


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


def require_finite(array: np.ndarray, where: str, first: int = 0) -> None:
    """Raise at the first entry that is NaN, infinite, or too large for float32.

    Args:
        array: floats, first dimension the examples.
        where: the source, for the error message.
        first: the position of the first example, where these are a part of them.

    Raises:
        DataError: naming the row, the column (or the index) and the value.
    """
    for start, block in _blocks(array):
        _refuse(lambda values: ~np.isfinite(values), block, first + start, where)


def refuse_infinite(array: np.ndarray, where: str) -> None:
    """Refuse infinity and numbers beyond float32's; NaN is a missing value.

    Args:
        array: floats, first dimension the examples.
        where: the source, for the error message.

    Raises:
        DataError: naming the row, the column (or the index) and the value.
    """
    for start, block in _blocks(array):
        _refuse(np.isinf, block, start, where)


def _require_values(array: np.ndarray, where: str) -> None:
    """Refuse an array, or a column of one, of which every value is missing."""
    if not len(array) or not np.isnan(array[0]).any():
        return
    empty = np.isnan(array).all(axis=0)
    if empty.all():
        raise DataError(f"{where}: holds no value at all; every one is NaN")
    if array.ndim == 2 and empty.any():
        at = int(np.flatnonzero(empty)[0])
        raise DataError(f"{where}: column {at + 1} (index {at}) holds no value, NaN alone; leave it out")


def _refuse(wrong: Callable[[np.ndarray], np.ndarray], block: np.ndarray, start: int, where: str) -> None:
    with np.errstate(over="ignore"):
        bad = wrong(block.astype(np.float32, copy=False))
    if not bad.any():
        return
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    value, at = block[at], (start + at[0], *at[1:])
    index = f"[{', '.join(map(str, at))}]"
    table = block.ndim == 2
    place = f"row {at[0] + 1}, column {at[1] + 1} (index {index})" if table else f"index {index}"
    raise DataError(f"{where}: {place} is {unusable(value)}; correct or remove it")


def _blocks(array: Examples) -> Iterator[tuple[int, np.ndarray]]:
    rows = max(1, _BLOCK // max(1, int(np.prod(array.shape[1:]))))
    for start in range(0, len(array), rows):
        yield start, array[start : start + rows]


def _kind_of(array: np.ndarray) -> str:
    kinds = {"O": "Python objects", "U": "strings", "S": "strings", "c": "complex numbers", "V": "records"}
    return kinds.get(array.dtype.kind, f"{array.dtype} values")


def _ordered(array: np.ndarray, axes: Axes) -> np.ndarray:
    if axes == "no_channel":
        return array[:, None]
    return np.moveaxis(array, -1, 1) if axes == "channels_last" else array


def _compact(array: np.ndarray) -> type[np.uint8 | np.float32 | np.float64]:
    if array.dtype.kind in "ui" and array.dtype != np.uint8 and array.size:
        return _type_for(array.dtype, array.ndim - 1, float(array.min()), float(array.max()))
    return _type_for(array.dtype, array.ndim - 1, 0.0, 0.0)


def _type_for(
    dtype: np.dtype, dimensions: int, low: float, high: float
) -> type[np.uint8 | np.float32 | np.float64]:
    """Choose the type of examples by that of the source, and by the ends of whole numbers."""
    if dtype.kind != "f" and low >= 0 and high <= 255:
        return np.uint8
    wide = dtype.itemsize > 4 if dtype.kind == "f" else max(-low, high) > _SINGLE
    return np.float64 if wide and dimensions == 1 else np.float32
