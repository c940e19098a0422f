"""Image files become arrays: one channel if they are grey, else three."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import numpy as np

from latentia.data.resize import fit

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
)
_TINTS = {"Gray": ("GRAY", 1), "YCbCr": ("RGB", 3)}
# Named, so that Pillow never hands a file to a format that runs a program (PostScript).
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")


def decode(data: bytes, size: tuple[int, int] | None = None, into: np.ndarray | None = None) -> np.ndarray:
    """Decode one image file.

    The orientation that a camera noted is applied. Black and white, grey, palettes of greys and
    16-bit grey (scaled to 8 bits) become one channel, everything else becomes RGB. Transparency
    is laid over white. Of an animation the first frame is taken.

    Args:
        data: the file's content.
        size: (height, width) to bring it to, or None to keep its own.
        into: `(H, W, C)`, contiguous. A plain JPEG of that shape is decoded into it, and what is returned is
            a view of it; whatever else there is, its content is then undefined.

    Returns:
        `(1, H, W)` or `(3, H, W)`, uint8.

    Raises:
        ValueError: if it cannot be decoded, whatever the decoder raised.
    """
    pixels = _decode_jpeg(data, into)
    if pixels is not None and size in (None, pixels.shape[:2]):
        return pixels.transpose(2, 0, 1)
    try:
        image = _open(data) if pixels is None else _image_of(pixels)
        array = np.asarray(fit(image, size) if size else image)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever they meet, struct.error and SyntaxError too
        raise ValueError(_told(error)) from error
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def pixels_of(data: bytes) -> int:
    """Read in the header of an image file how many pixels it has, before any is decoded.

    Args:
        data: the file's content.

    Returns:
        Width times height.

    Raises:
        ValueError: if it is no image.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            return opened.width * opened.height
    except Image.DecompressionBombError:
        return sys.maxsize
    except Exception as error:  # Pillow's decoders raise whatever they meet
        raise ValueError(_told(error)) from error


def _told(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image that Pillow knows"
    return " ".join(str(error).split()) or type(error).__name__


def _decode_jpeg(data: bytes, into: np.ndarray | None) -> np.ndarray | None:
    """Decode a plain JPEG with simplejpeg, bit-equal to Pillow and faster; None where Pillow has to."""
    if not data.startswith(b"\xff\xd8") or b"Exif\0\0" in data[:4096]:  # Exif may ask for a rotation
        return None
    try:
        import simplejpeg

        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        tint, channels = _TINTS[colours]
        if into is None or into.shape != (height, width, channels):
            return simplejpeg.decode_jpeg(data, tint)
        simplejpeg.decode_jpeg(data, tint, buffer=into)
        return into
    except Exception:  # not installed, broken, or a file that it refuses: Pillow has the last word
        return None


def _image_of(pixels: np.ndarray) -> Image:
    from PIL import Image

    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _has_grey_palette(image: Image) -> bool:
    palette = (image.mode == "P" and image.getpalette()) or []
    return bool(palette) and palette[0::3] == palette[1::3] == palette[2::3]


def _open(data: bytes) -> Image:
    """Open with Pillow, upright, in mode L or RGB."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
        opened.load()
        image = ImageOps.exif_transpose(opened)
    grey = image.mode in ("1", "L", "LA", "La") or _has_grey_palette(image)
    if image.mode == "F":
        raise ValueError("a float image has no fixed range; save it as .npy")
    if image.mode.startswith("I"):
        wide = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if grey else "RGB")
