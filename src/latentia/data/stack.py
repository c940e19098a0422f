"""The loop that decodes image files into one array, allocated once."""

from __future__ import annotations

import numpy as np

from latentia.data.decode import decode
from latentia.data.files import Files
from latentia.data.raw import Options
from latentia.data.streams import READ_ERRORS, reason
from latentia.errors import DataError

_PROGRESS_FROM = 2000


def decode_all(
    files: Files, rank: np.ndarray, options: Options, where: str
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Decode all files of a source.

    Args:
        files: the source.
        rank: position of each file in the array, a permutation, `(N,)`.
        options: size and skip_bad are used.
        where: the source, for messages.

    Returns:
        The images that could be read, `(M, C, H, W)` uint8 in the order of their ranks, C = 1 if all are
        grey and else 3; which ranks they had, `(N,)` bool; the names of the other files.

    Raises:
        DataError: if a file cannot be decoded and none may be skipped, or if sizes differ.
    """
    from tqdm import tqdm

    count = len(files.names)
    good = np.zeros(count, dtype=bool)
    skipped: list[str] = []
    x: np.ndarray | None = None
    first = ""
    # disable=None: no bar where nobody watches.
    bar = tqdm(files.names, "decoding", unit=" images", disable=None if count > _PROGRESS_FROM else True)
    for index, name in enumerate(bar):
        pixels = decode_one(files, index, options, where)
        if pixels is None:
            skipped.append(name)
            continue
        if x is None:
            x, first = _allocate((count, *pixels.shape), where), name
        if pixels.shape[1:] != x.shape[2:]:
            raise mixed(where, (first, x.shape[2:]), (name, pixels.shape[1:]))
        if len(pixels) > x.shape[1]:  # the first colour image among grey ones
            grey, x = x, _allocate((count, *pixels.shape), where)
            x[good] = grey[good]
        x[rank[index]] = pixels
        good[rank[index]] = True
    if x is None:
        raise DataError(f"{where}: none of its {count} images can be decoded, the first is '{skipped[0]}'")
    return _close_gaps(x, good), good, tuple(skipped)


def decode_one(
    files: Files, index: int, options: Options, where: str, into: np.ndarray | None = None
) -> np.ndarray | None:
    """Decode one file of a source.

    Args:
        files: the source.
        index: which file.
        options: size and skip_bad are used.
        where: the source, for messages.
        into: as `decode`.

    Returns:
        Pixels, `(1 or 3, H, W)`; None for a file that cannot be decoded and may be skipped.

    Raises:
        DataError: if it cannot be decoded.
    """
    try:
        return decode(files.read(index), options.size, into)
    except (*READ_ERRORS, ValueError, RuntimeError) as error:  # zipfile: RuntimeError for a password
        if options.skip_bad:
            return None
        raise DataError(
            f"{where}: '{files.name(index)}' (image {index + 1} of {files.count}) cannot be decoded "
            f"({reason(error)}); remove it, or leave out such files with --skip-bad"
        ) from error


def _allocate(shape: tuple[int, ...], where: str) -> np.ndarray:
    try:
        return np.empty(shape, dtype=np.uint8)
    except MemoryError as error:
        gigabytes = float(np.prod(shape, dtype=np.float64)) / 1e9
        raise DataError(
            f"{where}: {shape[0]:,} images of {shape[2]}x{shape[3]} need {gigabytes:.1f} GB of memory; "
            "give a smaller --size, or use latentia pack first"
        ) from error


def mixed(where: str, one: tuple[str, tuple[int, ...]], other: tuple[str, tuple[int, ...]]) -> DataError:
    """Say that two images differ in size.

    Args:
        where: the source.
        one: name, height and width of one of them.
        other: those of the other.

    Returns:
        The error to raise.
    """
    (name, (height, width)), (another, (tall, wide)) = one, other
    return DataError(
        f"{where}: images differ in size (height x width): '{name}' is {height}x{width}, "
        f"'{another}' is {tall}x{wide}; give --size, such as --size {min(height, width, tall, wide)}, "
        "to bring all to one"
    )


def _close_gaps(x: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Move the images that could be read together, in place."""
    kept = np.flatnonzero(good)
    if len(kept) < len(x):
        for target, origin in enumerate(kept):
            x[target] = x[origin]
    return x[: len(kept)]
