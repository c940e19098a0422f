"""What general compressors and lossless pictures make of the same examples."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from typing import Any

import numpy as np

from latentia.core.extras import installed

LARGEST_SIDE = 16_383
"""Pixels of a side that WebP allows."""

GENERAL: dict[str, Callable[[bytes], bytes]] = {
    "gzip -9": lambda content: gzip.compress(content, 9, mtime=0),
    "bz2 -9": lambda content: bz2.compress(content, 9),
    "xz -9e": lambda content: lzma.compress(content, preset=9 | lzma.PRESET_EXTREME),
}
ZSTD = "zstd -22"
"""Zstandard at its highest level, by pyarrow, where that is installed: Python has none before 3.14."""

PICTURES: dict[str, dict[str, Any]] = {
    "PNG": {"optimize": True},
    "WebP": {"lossless": True, "quality": 100, "method": 6},
}


def peers(x: np.ndarray, content: bytes, two: bool) -> dict[str, int]:
    """Compress examples otherwise.

    Args:
        x: the examples as they are stored, shape `(N, *event)`.
        content: what general compressors see of them.
        two: whether they have but two values.

    Returns:
        Bytes of each: all examples as one stream, or side by side in pictures as large as may be.
    """
    found = {name: len(compress(content)) for name, compress in GENERAL.items()}
    if installed("pyarrow"):
        found[ZSTD] = _zstd(content)
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.dtype == np.uint8:
        sheets = list(_sheets(x))
        for name, settings in PICTURES.items():
            found[name] = sum(_picture(sheet, name, two, settings) for sheet in sheets)
    return found


def _zstd(content: bytes) -> int:
    import pyarrow

    return len(pyarrow.Codec("zstd", compression_level=22).compress(content, asbytes=True))


def _sheets(x: np.ndarray) -> list[np.ndarray]:
    """Put pictures side by side, as near to a square as may be, `(H, W, C)` each."""
    count, channels, height, width = x.shape
    across = max(1, min(round((count * height / width) ** 0.5), LARGEST_SIDE // width))
    down = max(1, min(-(-count // across), LARGEST_SIDE // height))
    sheets = []
    for start in range(0, count, across * down):
        some = x[start : start + across * down]
        rows = -(-len(some) // across)
        sheet = np.zeros((rows * across, channels, height, width), np.uint8)
        sheet[: len(some)] = some
        apart = sheet.reshape(rows, across, channels, height, width).transpose(0, 3, 1, 4, 2)
        sheets.append(apart.reshape(rows * height, across * width, channels))
    return sheets


def _picture(sheet: np.ndarray, name: str, two: bool, settings: dict[str, Any]) -> int:
    from PIL import Image

    grey = sheet.shape[-1] == 1
    pixels = sheet[..., 0] if grey else sheet
    picture = Image.fromarray(
        pixels > 0 if two and grey and name == "PNG" else pixels
    )  # a bit for each pixel
    written = io.BytesIO()
    picture.save(written, name, **settings)
    return written.tell()
