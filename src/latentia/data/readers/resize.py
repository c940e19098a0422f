"""Images brought to one size, by Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.data.raw import Options

if TYPE_CHECKING:
    from PIL.Image import Image

FITS = ("crop", "pad", "stretch", "short")
LARGEST = 1 << 26
"""Pixels that a picture may have when it was enlarged."""


def target(shape: tuple[int, ...], options: Options) -> tuple[int, int]:
    """Choose the height and width that a picture is brought to.

    Args:
        shape: its height and width.
        options: size, fit and crop are used.

    Returns:
        The size asked for; where it is that of the shorter side, the longer one in proportion; where none is
        asked for its own, but no side shorter than the crop's.

    Raises:
        ValueError: if it is so narrow that it would become too large.
    """
    height, width = shape
    if options.size and options.fit != "short":
        return options.size
    tall, wide = options.crop or (1, 1)
    scale = options.size[0] / min(shape) if options.size else max(tall / height, wide / width, 1)
    least = (min(options.size), min(options.size)) if options.size else (tall, wide)
    found = max(round(height * scale), least[0]), max(round(width * scale), least[1])
    if scale > 1 and found[0] * found[1] > LARGEST:
        raise ValueError(
            f"it is {height}x{width}, and enlarged in proportion it would be {found[0]}x{found[1]}"
        )
    return found


def fit(image: Image, size: tuple[int, int], how: str = "crop") -> Image:
    """Bring an image to a size, bicubic.

    Args:
        image: any Pillow image that it can resize.
        size: (height, width) in pixels.
        how: `crop` scales until it covers the size and cuts off evenly what sticks out; `pad` scales until it
            fits into it and lays bars of the lowest value evenly beside it; `stretch` scales each side on its
            own, and so does `short`, whose size is in proportion.

    Returns:
        An image of that size; the same one if it has it already.
    """
    from PIL import Image, ImageOps

    height, width = size
    if image.size == (width, height):
        return image
    if how in ("stretch", "short"):
        return image.resize((width, height), Image.Resampling.BICUBIC)
    if how == "pad":
        low = 0 if image.mode != "F" else float(np.asarray(image).min())
        colour: Any = low if len(image.getbands()) == 1 else (0,) * len(image.getbands())
        return ImageOps.pad(image, (width, height), method=Image.Resampling.BICUBIC, color=colour)
    return ImageOps.fit(image, (width, height), method=Image.Resampling.BICUBIC)


def fit_array(x: np.ndarray, size: tuple[int, int], how: str = "crop") -> np.ndarray:
    """Bring one image of any type to a size, each channel on its own, values kept within their range.

    Args:
        x: `(C, H, W)`; whole numbers stay whole.
        size: (height, width) in pixels.
        how: as `fit`.

    Returns:
        Shape `(C, height, width)`, same type.
    """
    from PIL import Image

    if x.shape[1:] == size:
        return x
    plain = x if x.dtype == np.uint8 else x.astype(np.float32)
    planes = np.stack([np.asarray(fit(Image.fromarray(plane), size, how)) for plane in plain])
    if x.dtype.kind in "iu" and planes.dtype != x.dtype:
        planes = np.rint(planes)
    # Bicubic interpolation overshoots at edges.
    lowest = min(x.min(), 0) if how == "pad" and x.dtype == np.uint8 else x.min()
    return np.clip(planes, lowest, x.max()).astype(x.dtype, copy=False)


def resize_all(x: np.ndarray, size: tuple[int, int], how: str = "crop") -> np.ndarray:
    """Bring an array of images to a size; each channel on its own, values kept within their range.

    Args:
        x: images `(N, C, H, W)`, uint8 or floats.
        size: (height, width) in pixels.
        how: as `fit`.

    Returns:
        Images `(N, C, height, width)` of the same type; `x` itself if it has the size already.
    """
    if x.shape[2:] == size:
        return x
    out = np.empty((*x.shape[:2], *size), x.dtype)
    for image, resized in zip(x, out):
        resized[:] = fit_array(image, size, how)
    return out


def cuts(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Tell whether cropping to a size loses a line of pixels or more.

    Args:
        shape: height and width of an image.
        size: height and width that it is brought to.

    Returns:
        Whether what sticks out is a pixel of the result at least.
    """
    (height, width), (tall, wide) = shape, size
    scale = max(tall / height, wide / width)
    return max(height * scale - tall, width * scale - wide) >= 1
