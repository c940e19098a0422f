"""Colours of more than 8 bits, of which Pillow gives the upper bytes alone."""

from __future__ import annotations

import io
import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.core.errors import MissingExtra
from latentia.data.readers.ffmpeg import pyav

if TYPE_CHECKING:
    from PIL.Image import Image

_J2K = b"\xff\x4f\xff\x51"
"""What a codestream of JPEG 2000 begins with: its sizes follow."""


def codec_of(opened: Image) -> tuple[Any, ...]:
    """Give what decodes an open file, and its arguments: they tell how many bits there are.

    Args:
        opened: not loaded yet, which forgets them.

    Returns:
        The codec's name and its arguments.
    """
    tiles = _tiles(opened)
    if not tiles:
        return ()
    args = tiles[0][3]
    return (tiles[0][0], *(args if isinstance(args, tuple) else (args,)))


def _tiles(opened: Image) -> list[Any]:
    """Give what Pillow is going to decode: codec, box, place in the file, arguments."""
    return getattr(opened, "tile", None) or []


def levels_of(codec: tuple[Any, ...]) -> int:
    """Give the largest value that a PPM or PGM declares; Pillow brings it to the one of its own type.

    Args:
        codec: of `codec_of`.

    Returns:
        The value; 0 for other formats.
    """
    return (
        codec[2] if len(codec) > 2 and codec[0] in ("ppm", "ppm_plain") and isinstance(codec[2], int) else 0
    )


def is_deep(opened: Image, codec: tuple[Any, ...], data: bytes) -> bool:
    """Tell whether a picture that Pillow reads as bytes has more bits than that.

    Args:
        opened: the open file.
        codec: of `codec_of`.
        data: the file's content.

    Returns:
        As its header says.
    """
    if opened.format == "JPEG2000":
        return _bits_of_j2k(data) > 8
    if opened.format == "AVIF":
        at = data.find(b"pixi")  # version and flags, the number of channels, the bits of each
        return at >= 0 and any(bits > 8 for bits in data[at + 9 : at + 9 + data[at + 8]])
    return any(";16" in str(part) for part in codec) or levels_of(codec) > 255


def colours(opened: Image, page: int, codec: tuple[Any, ...], data: bytes) -> tuple[np.ndarray | None, float]:
    """Decode colours of 9 to 16 bits whole, upright and over white where they are transparent.

    Args:
        opened: the open file, at the page, not loaded yet.
        page: its number.
        codec: of `codec_of`.
        data: the file's content.

    Returns:
        `(3, H, W)` uint16 in the file's own units, and the largest value that it can have; None for pictures
        of other depths, for those with one colour that stands for nothing, for AVIF, and for JPEG 2000 where
        PyAV is not installed.
    """
    if opened.mode not in ("RGB", "RGBA"):
        return None, 255.0
    if opened.format == "JPEG2000":
        bits = _bits_of_j2k(data)
        return _of_j2k(opened, bits, data) if bits > 8 else None, 2.0**bits - 1
    if (white := levels_of(codec)) > 255:
        return _of_ppm((opened.height, opened.width, 3), white, codec[0], data[_tiles(opened)[0][2] :]), white
    return _of_two_bytes(opened, page, codec, data), 65535.0


def _over_white(values: np.ndarray, white: int) -> np.ndarray:
    """Lay `(H, W, 3 or 4)` over white; give `(3, H, W)`."""
    if values.shape[2] == 4:
        share = values[:, :, 3:] / white
        values = np.rint(values[:, :, :3] * share + white * (1 - share))
    return np.ascontiguousarray(values.transpose(2, 0, 1).astype(np.uint16))


def _of_two_bytes(opened: Image, page: int, codec: tuple[Any, ...], data: bytes) -> np.ndarray | None:
    """Join the bytes of PNG and TIFF: told that they are in the other order, Pillow gives the lower."""
    from PIL import Image, ImageOps

    raw = next((str(part) for part in codec if str(part)[:-1] in ("RGB;16", "RGBA;16")), "")
    if not raw or (opened.mode == "RGB" and opened.has_transparency_data):
        return None
    order = raw[-1] if raw[-1] != "N" else sys.byteorder[0].upper()
    other = raw[:-1] + ("B" if order == "L" else "L")
    again = Image.open(io.BytesIO(data), formats=[opened.format or ""])
    again.seek(page)
    again.tile = [_told_otherwise(tile, raw, other) for tile in again.tile]
    again.load()
    opened.load()
    high, low = (np.asarray(ImageOps.exif_transpose(image)) for image in (opened, again))
    return _over_white(high.astype(np.uint16) << 8 | low, 65535)


def _told_otherwise(tile: Any, raw: str, other: str) -> Any:
    """Name another order of bytes in what Pillow decodes: a tuple, which later versions give names."""
    args = other if tile[3] == raw else tuple(other if part == raw else part for part in tile[3])
    return getattr(type(tile), "_make", tuple)((*tile[:3], args))


def _of_ppm(shape: tuple[int, int, int], white: int, codec: str, body: bytes) -> np.ndarray:
    """Read the values of a PPM, in two bytes each or as words."""
    count = math.prod(shape)
    if codec == "ppm_plain":
        words = [word for line in body.splitlines() for word in line.split(b"#")[0].split()]
        values = np.array(words[:count], np.uint16)
    else:
        values = np.frombuffer(body, ">u2", min(count, len(body) // 2))
    if len(values) < count:
        raise ValueError(f"it is cut short: {len(values)} of {count} values")
    if (most := int(values.max(initial=0))) > white:
        raise ValueError(f"it holds {most}, and declares {white} as its largest value")
    return _over_white(values.reshape(shape), white)


def _bits_of_j2k(data: bytes) -> int:
    """Read how many bits the deepest channel has; 0 where no codestream is found."""
    at = data.find(_J2K)
    if at < 0 or len(data) < at + 42:
        return 0
    count = int.from_bytes(data[at + 40 : at + 42], "big")
    return max(((bits & 0x7F) + 1 for bits in data[at + 42 : at + 42 + 3 * count : 3]), default=0)


def _of_j2k(opened: Image, bits: int, data: bytes) -> np.ndarray | None:
    """Decode JPEG 2000 with PyAV, whose decoder gives all bits."""
    try:
        av = pyav()
    except MissingExtra:
        return None
    with av.open(io.BytesIO(data), format="j2k_pipe") as container:
        frame = next(container.decode(video=0))
    unused = frame.format.components[0].bits - bits  # it sets the highest bits of its two bytes
    if not frame.format.is_rgb or (opened.mode == "RGBA") != (len(frame.format.components) == 4):
        return None
    return _over_white(frame.to_ndarray() >> max(0, unused), 2**bits - 1)
