"""How many levels the pictures of one source have, and what array holds them."""

from __future__ import annotations

import numpy as np

from latentia.core.errors import DataError
from latentia.data.layout import Layout

_DEPTHS = {
    "u1": "8 bits",
    "u2": "16 bits",
    "i2": "16 bits",
    "u4": "32 bits",
    "i4": "32 bits",
    "f4": "floating-point values",
}


def depth_of(dtype: np.dtype) -> str:
    """Put the type of pixels into words; what has the same is on one scale.

    Args:
        dtype: a type that `read_picture` gives.

    Returns:
        Such as `16 bits`, signed or not.
    """
    return _DEPTHS[dtype.str[1:]]


def kept_as(dtype: np.dtype) -> np.dtype:
    """Give the type of an array that keeps every level.

    Args:
        dtype: the type of decoded pixels.

    Returns:
        uint8 for bytes, float64 for 32 bits, else float32.
    """
    kind, size = dtype.kind, dtype.itemsize
    return np.dtype(np.uint8 if size == 1 else np.float64 if kind in "iu" and size == 4 else np.float32)


def layout_of(types: set[str]) -> Layout:
    """Give the layout of pictures.

    Args:
        types: names of the types that their files have.

    Returns:
        Without types for bytes; else with one that holds all of them.
    """
    found = np.result_type(*types).name if types else "uint8"
    return Layout() if found == "uint8" else Layout(types=(found,))


def refuse_unlike(where: str, one: tuple[str, tuple[int, ...], str], name: str, pixels: np.ndarray) -> None:
    """Refuse an image that cannot stand in one array with others; grey ones are repeated beside colour.

    Args:
        where: the source.
        one: name, shape (channels, height, width) and depth of one of the others.
        name: the image.
        pixels: its pixels, `(channels, height, width)`.

    Raises:
        DataError: if it is of another size or depth, or has channels that do not go together.
    """
    other = (name, pixels.shape, depth_of(pixels.dtype))
    channels = {one[1][0], len(pixels)}
    if other[1][1:] != one[1][1:] or other[2] != one[2] or (len(channels) > 1 and channels != {1, 3}):
        raise _unlike(where, one, other)


def _unlike(
    where: str, one: tuple[str, tuple[int, ...], str], other: tuple[str, tuple[int, ...], str]
) -> DataError:
    """Say in what two images differ."""
    (name, shape, depth), (another, its_shape, its_depth) = one, other
    if shape[1:] != its_shape[1:]:
        (height, width), (tall, wide) = shape[1:], its_shape[1:]
        return DataError(
            f"{where}: images differ in size (height x width): '{name}' is {height}x{width}, "
            f"'{another}' is {tall}x{wide}; give --size, such as --size {min(height, width, tall, wide)}, "
            "to bring all to one, or take crops of them: data.crop=64"
        )
    if depth != its_depth:
        return DataError(
            f"{where}: images are not on one scale: '{name}' has {depth}, '{another}' has {its_depth}; save "
            "all alike, or train on one kind"
        )
    return DataError(
        f"{where}: images differ in channels: '{name}' has {shape[0]}, '{another}' has {its_shape[0]}; with "
        "data.pages=channels every file needs as many pages"
    )
