"""Images brought to one size, by Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image


def fit(image: Image, size: tuple[int, int]) -> Image:
    """Resize an image until it covers the size, bicubic, and cut off what sticks out evenly.

    Nothing is stretched: the shorter side fits exactly, the middle of the longer one is kept.

    Args:
        image: any Pillow image.
        size: (height, width) in pixels.

    Returns:
        An image of that size; the same one if it has it already.
    """
    from PIL import Image, ImageOps

    height, width = size
    if image.size == (width, height):
        return image
    return ImageOps.fit(image, (width, height), method=Image.Resampling.BICUBIC)


def resize_all(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring an array of images to a size; each channel on its own, values kept within their range.

    Args:
        x: images `(N, C, H, W)`, uint8 or float32.
        size: (height, width) in pixels.

    Returns:
        Images `(N, C, height, width)` of the same type; `x` itself if it has the size already.
    """
    if x.shape[2:] == size:
        return x
    from PIL import Image

    out = np.empty((*x.shape[:2], *size), x.dtype)
    for planes, resized in zip(x, out):
        for channel, plane in enumerate(planes):
            resized[channel] = np.asarray(fit(Image.fromarray(plane), size))
    # Bicubic interpolation overshoots at edges.
    return np.clip(out, x.min(), x.max(), out=out)
