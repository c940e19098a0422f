"""The loop that decodes image files of a source."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from latentia.core import progress
from latentia.core.errors import DataError, reason
from latentia.data.layout import Layout
from latentia.data.pictures import Crops
from latentia.data.raw import Options
from latentia.data.readers.decode import Picture, enlarged, noted, read_picture
from latentia.data.readers.depths import layout_of
from latentia.data.readers.files import Files
from latentia.data.readers.gathering import Array, Flat
from latentia.data.readers.streams import READ_ERRORS
from latentia.data.readers.values import top_of

_PROGRESS_FROM = 2000


class Stack(NamedTuple):
    """The images of a source.

    Attributes:
        x: those that could be read, `(M, C, H, W)` in the order asked for, C = 1 if all are grey and else 3:
            uint8, or floats where the files have more levels; or crops of pictures of any sizes.
        high: the value that stands for 1.0.
        good: which could be read, `(N,)` bool.
        skipped: the names of the other files.
        layout: the type of the files' values, where they are no bytes.
        left_out: what of the files is not in `x`.
        notes: what else was done to them.
    """

    x: np.ndarray | Crops
    high: float
    good: np.ndarray
    skipped: tuple[str, ...]
    layout: Layout
    left_out: dict[str, int]
    notes: tuple[str, ...]


def decode_all(files: Files, order: np.ndarray, options: Options, where: str) -> Stack:
    """Decode files of a source.

    Args:
        files: the source.
        order: which file each position of the array holds, `(N,)`, all different.
        options: size, fit, crop, pages and skip_bad are used.
        where: the source, for messages.

    Returns:
        The images.

    Raises:
        DataError: if a file cannot be decoded and none may be skipped, if depths differ, or if sizes do and
            no crops are asked for.
    """
    count = len(order)
    good = np.zeros(count, dtype=bool)
    skipped: list[str] = []
    notes: Counter[str] = Counter()
    types: set[str] = set()
    found = (Array if options.crop is None else Flat)(count, where)
    # Ascending in the source is the fast order.
    places = np.argsort(order).tolist()
    bar = progress.bar(places, desc="decoding", unit=" images", quiet=count <= _PROGRESS_FROM)
    for place in bar:
        index = int(order[place])
        picture = decode_one(files, index, options, where)
        if picture is None:
            skipped.append(files.name(index))
            continue
        found.add(place, files.name(index), picture.pixels)
        good[place] = True
        notes.update(picture.notes)
        types.add(picture.pixels.dtype.name)
    if not good.any():
        raise DataError(f"{where}: none of its {count} images can be decoded, the first is '{skipped[0]}'")
    x = found.those(good, options)
    high = top_of(np.asarray(x.pictures.values) if isinstance(x, Crops) else x)
    return Stack(x, high, good, tuple(skipped), layout_of(types), noted(notes), enlarged(notes))


def decode_one(
    files: Files, index: int, options: Options, where: str, into: np.ndarray | None = None
) -> Picture | None:
    """Decode one file of a source.

    Args:
        files: the source.
        index: which file.
        options: size, fit, crop, pages and skip_bad are used.
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
