"""The loop that decodes image files into one array, allocated once."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from latentia.core.errors import DataError, reason
from latentia.data.layout import Layout
from latentia.data.raw import Options
from latentia.data.readers.decode import Picture, noted, read_picture
from latentia.data.readers.depths import depth_of, kept_as, layout_of, refuse_unlike
from latentia.data.readers.files import Files
from latentia.data.readers.streams import READ_ERRORS

_PROGRESS_FROM = 2000


class Stack(NamedTuple):
    """The images of a source.

    Attributes:
        x: those that could be read, `(M, C, H, W)` in the order asked for, C = 1 if all are grey and else 3:
            uint8, or floats where the files have more levels.
        good: which could be read, `(N,)` bool.
        skipped: the names of the other files.
        layout: the type of the files' values, where they are no bytes.
        left_out: what of the files is not in `x`.
    """

    x: np.ndarray
    good: np.ndarray
    skipped: tuple[str, ...]
    layout: Layout
    left_out: dict[str, int]


def decode_all(files: Files, order: np.ndarray, options: Options, where: str) -> Stack:
    """Decode files of a source.

    Args:
        files: the source.
        order: which file each position of the array holds, `(N,)`, all different.
        options: size, fit, pages and skip_bad are used.
        where: the source, for messages.

    Returns:
        The images.

    Raises:
        DataError: if a file cannot be decoded and none may be skipped, or if sizes or depths differ.
    """
    from tqdm import tqdm

    count = len(order)
    good = np.zeros(count, dtype=bool)
    skipped: list[str] = []
    notes: Counter[str] = Counter()
    types: set[str] = set()
    x: np.ndarray | None = None
    first, depth = "", ""
    # Ascending in the source is the fast order. disable=None: no bar where nobody watches.
    places = np.argsort(order).tolist()
    bar = tqdm(places, "decoding", unit=" images", disable=None if count > _PROGRESS_FROM else True)
    for place in bar:
        index = int(order[place])
        picture = decode_one(files, index, options, where)
        if picture is None:
            skipped.append(files.name(index))
            continue
        pixels = picture.pixels
        if x is None:
            x, first = _allocate((count, *pixels.shape), kept_as(pixels.dtype), where), files.name(index)
            depth = depth_of(pixels.dtype)
        refuse_unlike(where, (first, x.shape[1:], depth), files.name(index), pixels)
        if len(pixels) > x.shape[1]:  # the first colour image among grey ones
            grey, x = x, _allocate((count, *pixels.shape), x.dtype, where)
            x[good] = grey[good]
        x[place] = pixels
        good[place] = True
        notes.update(picture.notes)
        types.add(pixels.dtype.name)
    if x is None:
        raise DataError(f"{where}: none of its {count} images can be decoded, the first is '{skipped[0]}'")
    return Stack(_close_gaps(x, good), good, tuple(skipped), layout_of(types), noted(notes))


def decode_one(
    files: Files, index: int, options: Options, where: str, into: np.ndarray | None = None
) -> Picture | None:
    """Decode one file of a source.

    Args:
        files: the source.
        index: which file.
        options: size, fit, pages and skip_bad are used.
        where: the source, for messages.
        into: as `read_picture`.

    Returns:
        The picture; None for a file that cannot be decoded and may be skipped.

    Raises:
        DataError: if it cannot be decoded.
    """
    try:
        return read_picture(files.read(index), options, files.name(index), files.page(index), into)
    except (*READ_ERRORS, ValueError, RuntimeError) as error:  # zipfile: RuntimeError for a password
        if options.skip_bad:
            return None
        raise DataError(
            f"{where}: '{files.name(index)}' (image {index + 1} of {files.count}) cannot be decoded "
            f"({reason(error)}); remove it, or leave out such files with --skip-bad"
        ) from error


def _allocate(shape: tuple[int, ...], dtype: np.dtype, where: str) -> np.ndarray:
    try:
        return np.empty(shape, dtype=dtype)
    except MemoryError as error:
        gigabytes = float(np.prod(shape, dtype=np.float64)) * dtype.itemsize / 1e9
        raise DataError(
            f"{where}: {shape[0]:,} images of {shape[2]}x{shape[3]} need {gigabytes:.1f} GB of memory; "
            "give a smaller --size, or use latentia pack first"
        ) from error


def _close_gaps(x: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Move the images that could be read together, in place."""
    kept = np.flatnonzero(good)
    if len(kept) < len(x):
        for target, origin in enumerate(kept):
            x[target] = x[origin]
    return x[: len(kept)]
