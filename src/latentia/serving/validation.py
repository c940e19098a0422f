"""Arrays from strangers, checked before a model sees them."""

from __future__ import annotations

from typing import Any

import numpy as np

from latentia.core.event import Event
from latentia.data.raw import Options
from latentia.data.readers.decode import Picture, as_bytes, pixels_of, read_picture
from latentia.serving.errors import Refusal, TooMuch

PIXELS = 40_000_000
"""Pixels of an image at the most: a file of some kilobytes can hold far more than its size says."""


def shape_of(shape: tuple[int, ...]) -> str:
    """Write a shape.

    Args:
        shape: the shape.

    Returns:
        Such as `1x28x28`.
    """
    return "x".join(map(str, shape)) or "one number"


def numbers(
    value: Any, what: str, dtype: type[np.float32 | np.float64] = np.float32, *, holes: bool = False
) -> np.ndarray:
    """Take finite numbers from lists or an array.

    Args:
        value: nested lists, or an array.
        what: what they are called in the message.
        dtype: what lists and floating-point numbers become.
        holes: take NaN, and null in lists, for values that are missing.

    Returns:
        An array of `dtype` for lists and of floating-point numbers; whole numbers of an array as they are.

    Raises:
        Refusal: if they are of unequal lengths, no numbers, or not finite in float32.
    """
    try:
        # As numbers at once: left to choose, numpy gives every text of a list the room of the longest.
        array = value if isinstance(value, np.ndarray) else np.array(value, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise Refusal(
            f"'{what}' holds lists of unequal lengths or values that are no numbers; give an array of numbers"
        ) from error
    if array.dtype.kind not in "biuf":
        raise Refusal(f"'{what}' holds values that are no numbers; give an array of numbers")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what becomes infinite is found below
            narrow = array.astype(np.float32)
        if holes and np.isinf(narrow).any():
            raise Refusal(f"'{what}' holds values that are not finite; give finite numbers, or null")
        if not holes and not np.isfinite(narrow).all():
            raise Refusal(f"'{what}' holds NaN or values that are not finite; give finite numbers")
        return array.astype(dtype)
    return array


def overflown(x: np.ndarray) -> None:
    """Refuse data that a decoder could not compute.

    Args:
        x: what came out of it.

    Raises:
        Refusal: if a value is not finite.
    """
    if not np.isfinite(x).all():
        raise Refusal(
            "the decoder gives values that are not finite here; give latents nearer to those of the data"
        )


def count_of(n: int, limit: int, what: str = "n") -> int:
    """Check how many are asked for.

    Args:
        n: how many.
        limit: how many at the most.
        what: what they are called in the message.

    Returns:
        The same.

    Raises:
        Refusal: if there are none, or more than the limit.
    """
    if n < 1:
        raise Refusal(f"'{what}' must be at least 1, not {n}")
    if n > limit:
        raise TooMuch(f"'{what}' is {n:,}, and one request may hold {limit:,}; ask in parts")
    return n


def examples(value: Any, event: Event, limit: int) -> np.ndarray:
    """Take examples.

    Args:
        value: one, shape `event`, or several, `(N, *event)`.
        event: what one is.
        limit: how many at the most.

    Returns:
        Shape `(N, *event)`, N at least 1; uint8 as it is, else float32, or float64 for rows of a table; NaN
        where a value is missing.

    Raises:
        Refusal: for another shape, no example or too many, or values that are infinite.
    """
    dtype = np.float64 if event.kind == "vector" else np.float32
    array = value if isinstance(value, np.ndarray) else numbers(value, "x", dtype, holes=True)
    if array.shape == event:
        array = array[None]
    if array.shape[1:] != event or not array.ndim:
        raise Refusal(
            f"'x' has shape {shape_of(array.shape)}; give examples of shape {shape_of(event)}, one or a list"
        )
    count_of(len(array), limit, "examples in x")
    array = numbers(array, "x", dtype, holes=True)
    return array if array.dtype == np.uint8 else array.astype(dtype)


def image(data: bytes, event: Event, low: float = 0.0, high: float = 255.0, whole: bool = True) -> np.ndarray:
    """Decode an image file and bring it to the shape of an example, as `load` brings a folder's.

    Args:
        data: the file's content.
        event: what an example is.
        low: the value of the data that is black.
        high: the value of the data that is white.
        whole: the data are bytes; of others, grey files of more than 8 bits are taken in their own units.

    Returns:
        Shape `(1, *event)`, uint8, or float32 where the data are no bytes.

    Raises:
        Refusal: if it is no image, too large, or the run is not one of images.
    """
    found = _read(data, event)
    pixels = found.pixels
    if not whole and pixels.dtype != np.uint8 and len(pixels) == event[0]:
        return pixels.astype(np.float32)[None]
    x = _coloured(as_bytes(found), event)
    if not whole:
        x = (low + (high - low) * (x / 255.0)).astype(np.float32)
    elif high != 255:
        x = np.rint(x * (high / 255.0)).astype(np.uint8)
    return x[None]


def picture(data: bytes, event: Event) -> np.ndarray:
    """Decode an image file that a person or a program sent, at the size and with the channels of an example.

    How many pixels it has is read in its header, before any is decoded.

    Args:
        data: the file's content.
        event: what an example is: an image of one channel or three.

    Returns:
        Shape `(*event)`, uint8.

    Raises:
        TooMuch: if it has too many pixels.
        Refusal: if it is no image, or the run is not one of images.
    """
    return _coloured(as_bytes(_read(data, event)), event)


def _read(data: bytes, event: Event) -> Picture:
    if event.kind != "image" or event[0] == 4:
        raise Refusal(f"this run is not one of images: its examples have shape {shape_of(event)}")
    try:
        pixels = pixels_of(data)
        if pixels > PIXELS:
            raise TooMuch(f"the image has {pixels:,} pixels, and {PIXELS:,} are the most; make it smaller")
        return read_picture(data, Options((event[1], event[2])))
    except ValueError as error:
        raise Refusal(f"the image cannot be read ({error}); give a PNG or JPEG file") from error


def _coloured(x: np.ndarray, event: tuple[int, ...]) -> np.ndarray:
    if len(x) < event[0]:
        x = np.repeat(x, event[0], axis=0)
    elif len(x) > event[0]:
        red, green, blue = x.astype(np.uint32)  # Pillow's luma, ITU-R 601-2
        x = ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)[None]
    return x
