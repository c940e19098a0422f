"""Arrays of images as one picture, pixel by pixel."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from latentia.core import storage
from latentia.core.errors import DataError

TILE = 56
"""Smaller images are enlarged by a whole factor until their longer side has at least this many pixels."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def grid(
    images: np.ndarray,
    high: float = 255.0,
    columns: int | None = None,
    *,
    low: float = 0.0,
    pad: int = 2,
    background: str | None = "white",
) -> Image.Image:
    """Lay images out row by row.

    Args:
        images: shape `(N, C, H, W)` with 1, 3 or 4 channels, in the units of the data.
        high: the value that is white, or full colour.
        columns: images in a row; about as many as rows by default.
        low: the value that is black.
        pad: pixels between images and around them.
        background: colour of these pixels; None leaves them transparent.

    Returns:
        The picture. Small images are enlarged by a whole factor, without smoothing.

    Raises:
        DataError: if the array does not hold images.
    """
    images = np.asarray(images)
    if images.ndim != 4 or not len(images) or images.shape[1] not in _MODES:
        raise DataError(f"no images to show: their shape is {images.shape}, not (N, 1 or 3 or 4, H, W)")
    count, _, height, width = images.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    factor = max(1, math.ceil(TILE / max(height, width)))
    step_y, step_x = height * factor + pad, width * factor + pad
    size = (columns * step_x + pad, rows * step_y + pad)
    tiles = [_tile(image, low, high, factor) for image in images]
    mode = "RGBA" if background is None or tiles[0].mode == "RGBA" else "RGB"
    ground = (0, 0, 0, 0) if background is None else background
    canvas = Image.new(mode, size, ground)
    for position, tile in enumerate(tiles):
        row, column = divmod(position, columns)
        canvas.paste(tile, (pad + column * step_x, pad + row * step_y))
    return _without_colour(canvas) if images.shape[1] == 1 else canvas


def _tile(image: np.ndarray, low: float, high: float, factor: int) -> Image.Image:
    span = high - low if high > low else 1.0
    unit = np.clip((image.astype(np.float32) - low) / span, 0.0, 1.0)
    pixels = np.rint(np.nan_to_num(unit) * 255).astype(np.uint8)
    pixels = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _without_colour(picture: Image.Image) -> Image.Image:
    """Use one channel where three are equal: a third of the file."""
    channels = picture.split()
    if any(channel.tobytes() != channels[0].tobytes() for channel in channels[1:3]):
        return picture  # the background has a colour
    return channels[0] if len(channels) == 3 else Image.merge("LA", (channels[0], channels[3]))


def beside(pictures: Sequence[Image.Image], gap: int = 8, *, background: str | None = "white") -> Image.Image:
    """Put pictures next to each other, aligned at the top.

    Args:
        pictures: at least one.
        gap: pixels between them.
        background: colour of the gaps; None leaves them transparent.

    Returns:
        One picture.
    """
    return _joined(pictures, gap, background, across=True)


def below(pictures: Sequence[Image.Image], gap: int = 8, *, background: str | None = "white") -> Image.Image:
    """Put pictures below each other, aligned at the left.

    Args:
        pictures: at least one.
        gap: pixels between them.
        background: colour of the gaps; None leaves them transparent.

    Returns:
        One picture.
    """
    return _joined(pictures, gap, background, across=False)


def _joined(
    pictures: Sequence[Image.Image], gap: int, background: str | None, *, across: bool
) -> Image.Image:
    axis = 0 if across else 1
    ends = sum(picture.size[axis] for picture in pictures) + gap * (len(pictures) - 1)
    other = max(picture.size[1 - axis] for picture in pictures)
    opaque = background is not None and all(picture.mode in ("L", "RGB") for picture in pictures)
    size = (ends, other) if across else (other, ends)
    ground = (0, 0, 0, 0) if background is None else background
    canvas = Image.new("RGB" if opaque else "RGBA", size, ground)
    position = 0
    for picture in pictures:
        canvas.paste(picture.convert(canvas.mode), (position, 0) if across else (0, position))
        position += picture.size[axis] + gap
    grey = all(picture.mode in ("L", "LA") for picture in pictures)
    return _without_colour(canvas) if grey else canvas


def save_png(picture: Image.Image, path: str | os.PathLike[str]) -> None:
    """Write a picture as PNG, whole or not at all.

    Args:
        picture: the picture.
        path: the file.

    Raises:
        LatentiaError: if it cannot be written.
    """
    with storage.atomic_write(path) as handle:
        picture.save(handle, "PNG", optimize=True)
