"""Image files become arrays: one channel if they are grey, else three."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from latentia.data.raw import Options
from latentia.data.readers.colour import as_srgb, is_srgb
from latentia.data.readers.deep import codec_of, colours, is_deep, levels_of
from latentia.data.readers.formats import FORMATS, NAMED, suffix_of
from latentia.data.readers.resize import cuts, fit, fit_array, target

if TYPE_CHECKING:
    from PIL.Image import Image

_TINTS = {"Gray": ("GRAY", 1), "YCbCr": ("RGB", 3)}
_PAGED = ("TIFF", "GIF", "WEBP", "PNG", "AVIF")
"""Formats whose files may hold several pages; those of a JPEG are previews."""


class Picture(NamedTuple):
    """A decoded file.

    Attributes:
        pixels: `(C, H, W)`: uint8; uint16, int16, int32 or float32 where the file has more levels.
        notes: what is not in it: `cut` to size, further `pages`, `shallow` for deeper colours read as bytes;
            or `small`, where it was enlarged to the size of a crop.
        white: the largest value that its file can have, in its units; of whole numbers 65535 unless the file
            declares another, of floating-point values 1.
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()
    white: float = 255.0


_WORDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "cut": ("picture's", "pictures'", "sides (fit=pad or stretch keeps them)"),
        "pages": ("file's", "files'", "further pages (data.pages=examples or channels reads them)"),
        "shallow": ("picture's", "pictures'", "bits of colour below the upper 8"),
    }
)


def noted(counts: Mapping[str, int]) -> dict[str, int]:
    """Say what is not in pictures.

    Args:
        counts: how many pictures have each note.

    Returns:
        What a summary says of it, and how many.
    """
    words = ((_WORDS[note], count) for note, count in counts.items() if note in _WORDS)
    return {f"{one if count == 1 else many} {what}": count for (one, many, what), count in words}


def enlarged(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Say how many pictures were smaller than a crop.

    Args:
        counts: how many pictures have each note.

    Returns:
        A line, or none.
    """
    count = counts.get("small", 0)
    was = "picture with a side shorter than data.crop was" if count == 1 else "pictures with a side shorter "
    was += "" if count == 1 else "than data.crop were"
    return (f"{count:,} {was} enlarged to it",) if count else ()


def decode(data: bytes, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode the first page of one image file.

    Args:
        data: the file's content.
        size: (height, width) to bring it to, or None to keep its own.

    Returns:
        The pixels of `read_picture`.

    Raises:
        ValueError: if it cannot be decoded, whatever the decoder raised.
    """
    return read_picture(data, Options(size)).pixels


def read_picture(
    data: bytes, options: Options, name: str = "", page: int = 0, into: np.ndarray | None = None
) -> Picture:
    """Decode one image file.

    The orientation that a camera noted is applied. Black and white, grey and palettes of greys become one
    channel, everything else becomes RGB, sRGB where a colour profile is embedded. Transparency is laid over
    white. Values of more than 8 bits, signed and floating-point ones stay in the file's own units. Where
    pages are to be channels, those of all are laid one after the other.

    Args:
        data: the file's content.
        options: size, fit, crop and pages are used.
        name: the file's name; some formats are known by its ending alone.
        page: which page is read, unless all are.
        into: `(H, W, C)` uint8, contiguous. A plain JPEG of that shape is decoded into it, and the pixels are
            a view of it; whatever else there is, its content is then undefined.

    Returns:
        The picture.

    Raises:
        ValueError: if it cannot be decoded, whatever the decoder raised.
    """
    pixels = _decode_jpeg(data, into)
    if pixels is not None and target(pixels.shape[:2], options) == pixels.shape[:2]:
        return Picture(pixels.transpose(2, 0, 1))
    try:
        if pixels is not None:
            return _sized(_image_of(pixels), options)
        return _open(data, options, name, page)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever they meet, struct.error and SyntaxError too
        raise ValueError(_told(error)) from error


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
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            return opened.width * opened.height
    except Image.DecompressionBombError:
        return sys.maxsize
    except Exception as error:  # Pillow's decoders raise whatever they meet
        raise ValueError(_told(error)) from error


def pages_of(data: bytes, name: str = "") -> int:
    """Count the pages of an image file, or the frames of an animation.

    Args:
        data: the file's content.
        name: the file's name.

    Returns:
        Their number; 1 for what cannot be read, which decoding then names.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_formats(name)) as opened:
            return _frames(opened)
    except Exception:  # Pillow's decoders raise whatever they meet
        return 1


def _frames(opened: Image) -> int:
    return getattr(opened, "n_frames", 1) if opened.format in _PAGED else 1


def _formats(name: str) -> tuple[str, ...]:
    own = NAMED.get(suffix_of(name))
    return (*FORMATS, own) if own else FORMATS


def as_bytes(picture: Picture) -> np.ndarray:
    """Bring pixels of more levels to 8 bits.

    Args:
        picture: what `read_picture` gives.

    Returns:
        Its pixels, uint8, with its white as 255.
    """
    if picture.pixels.dtype == np.uint8:
        return picture.pixels
    return np.rint(np.clip(picture.pixels / picture.white, 0, 1) * 255).astype(np.uint8)


def _told(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image that Pillow knows"
    return " ".join(str(error).split()) or type(error).__name__


def _decode_jpeg(data: bytes, into: np.ndarray | None) -> np.ndarray | None:
    """Decode a plain JPEG with simplejpeg, bit-equal to Pillow and faster; None where Pillow has to."""
    if not data.startswith(b"\xff\xd8") or _needs_pillow(data):
        return None
    try:
        import simplejpeg

        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        tint, channels = _TINTS[colours]
        if into is None or into.dtype != np.uint8 or into.shape != (height, width, channels):
            return simplejpeg.decode_jpeg(data, tint)
        simplejpeg.decode_jpeg(data, tint, buffer=into)
        return into
    except Exception:  # not installed, broken, or a file that it refuses: Pillow has the last word
        return None


def _needs_pillow(data: bytes) -> bool:
    """Tell whether a JPEG has Exif, XMP with an orientation, or another profile than sRGB, in any segment."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == 0xDA:  # here the picture begins
            return False
        if kind == 0xFF or kind == 0x01 or 0xD0 <= kind <= 0xD8:  # filling, and segments of two bytes
            at += 1 if kind == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == 0xE1 and (data[at + 4 : at + 8] == b"Exif" or b"Orientation" in data[at:end]):
            return True
        if kind == 0xE2 and data[at + 4 : at + 15] == b"ICC_PROFILE" and not is_srgb(data[at:end]):
            return True
        at = end
    return True  # an odd one: Pillow has the last word


def _image_of(pixels: np.ndarray) -> Image:
    from PIL import Image

    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _has_grey_palette(image: Image) -> bool:
    palette = (image.mode == "P" and image.getpalette()) or []
    return bool(palette) and palette[0::3] == palette[1::3] == palette[2::3]


def _open(data: bytes, options: Options, name: str, page: int) -> Picture:
    """Open with Pillow; one page, or all as channels."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=_formats(name)) as opened:
        if options.pages == "channels" and (count := _frames(opened)) > 1:
            return _together([_page(opened, number, options, data) for number in range(count)])
        several = options.pages == "first" and (
            # A GIF counts its frames by decoding them.
            getattr(opened, "is_animated", False) if opened.format == "GIF" else _frames(opened) > 1
        )
        picture = _page(opened, page, options, data)
    return picture._replace(notes=(*picture.notes, "pages")) if several else picture


def _together(pages: list[Picture]) -> Picture:
    """Lay the channels of pages one after the other; later frames of a grey animation come in RGB."""
    planes = [page.pixels for page in pages]
    if all(len(plane) == 1 or (plane[:1] == plane).all() for plane in planes):
        planes = [plane[:1] for plane in planes]
    shapes = [plane.shape[1:] for plane in planes]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"its pages differ in size: {shapes[0]} and {next(s for s in shapes if s != shapes[0])}"
        )
    if len({plane.dtype for plane in planes}) > 1:
        raise ValueError("its pages differ in depth")
    notes = tuple(sorted({note for page in pages for note in page.notes}))
    return Picture(np.concatenate(planes), notes, max(page.white for page in pages))


def _page(opened: Image, page: int, options: Options, data: bytes) -> Picture:
    """Decode a page, upright: bytes in mode L or RGB, other values as they are."""
    from PIL import Image, ImageOps

    if page:
        opened.seek(page)
    codec = codec_of(opened)  # which loading forgets
    pixels, white = colours(opened, page, codec, data)
    if pixels is None:
        opened.load()
        image = ImageOps.exif_transpose(opened)
        if image.mode == "F" or image.mode.startswith("I"):
            pixels = _values(image, codec)[None]
            white = 1.0 if pixels.dtype.kind == "f" else float(levels_of(codec) or 65535)
    if pixels is not None:
        shape = pixels.shape[1:]
        pixels = fit_array(pixels, target(shape, options), _how(options))
        return Picture(pixels, _changed(shape, options), white)
    grey = image.mode in ("1", "L", "LA", "La") or _has_grey_palette(image)
    clear = image.has_transparency_data
    image = image if image.mode == "CMYK" else image.convert("RGBA" if clear else "L" if grey else "RGB")
    if not grey:
        image = as_srgb(image, opened.info.get("icc_profile"))
    if clear:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    picture = _sized(image.convert("L" if grey else "RGB"), options)
    shallow = is_deep(opened, codec, data)
    return picture._replace(notes=(*picture.notes, "shallow")) if shallow else picture


def _sized(image: Image, options: Options) -> Picture:
    """Bring an image of bytes to the size asked for, and make an array of it."""
    shape = (image.height, image.width)
    array = np.asarray(fit(image, target(shape, options), _how(options)))
    pixels = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return Picture(pixels, _changed(shape, options))


def _how(options: Options) -> str:
    """Say how a picture comes to its target; one that is only too small for a crop stays in proportion."""
    return options.fit if options.size else "short"


def _changed(shape: tuple[int, ...], options: Options) -> tuple[str, ...]:
    """Note what became of a picture of some height and width."""
    if options.size is None:
        return ("small",) if target(shape, options) != shape else ()
    return ("cut",) if options.fit == "crop" and cuts(shape, options.size) else ()


def _values(image: Image, codec: tuple[Any, ...]) -> np.ndarray:
    """Give the values of a page of more than 8 bits, in the units of its file."""
    values = np.asarray(image)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ValueError("it holds NaN or infinity")
        return values.astype(np.float32, copy=False)
    if (levels := levels_of(codec)) and levels != 65535:
        values = np.rint(values * (levels / 65535.0))
    modes = [str(part) for part in codec if str(part).startswith("I;")]
    bits16 = values.dtype.itemsize == 2 or levels or any("16" in mode or "12" in mode for mode in modes)
    if not bits16:
        return values.astype(np.int32).view(np.uint32 if "I;32N" in modes else np.int32)
    return values.astype(np.int16 if any(mode.endswith("S") for mode in modes) else np.uint16)
