"""Embedded colour profiles: pixels that were meant in another space are brought to sRGB."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_SPACES = {"RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}
"""The space that the profile of a picture of each of Pillow's modes is of; grey stays as it is."""
_NAMED = (b"sRGB", "sRGB".encode("utf-16-be"))


def is_srgb(profile: bytes) -> bool:
    """Tell whether a profile is called sRGB, as cameras and browsers write it.

    Args:
        profile: an ICC profile, or a file's segment that holds it.

    Returns:
        Whether the name is in it.
    """
    return any(name in profile for name in _NAMED)


def as_srgb(image: Image, profile: bytes | None) -> Image:
    """Bring the pixels of a picture to sRGB, by little CMS, with the profile's perceptual intent.

    Args:
        image: in mode RGB, RGBA or CMYK; others stay as they are.
        profile: the ICC profile embedded in its file; None for none, which is taken for sRGB.

    Returns:
        The same picture in RGB, RGBA where it has an alpha channel, which stays; itself where the profile is
        sRGB, of another kind of picture, or damaged.
    """
    if not profile or image.mode not in _SPACES or (image.mode != "CMYK" and is_srgb(profile)):
        return image
    transform = _transform(profile, image.mode)
    if transform is None:
        return image
    from PIL import ImageCms

    return ImageCms.applyTransform(image, transform) or image


@functools.lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> Any:
    """Make what converts pictures of a mode; None where the profile is none for it."""
    from PIL import ImageCms

    try:
        source: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES[mode]:
            return None
        to = "RGB" if mode == "CMYK" else mode
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, to)
    except (ImageCms.PyCMSError, OSError, ValueError):  # a damaged profile: the pixels as they are
        return None
