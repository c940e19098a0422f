"""Floors of an image codec: what linear blocks, a smaller picture, JPEG and WebP make of the same images."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from latentia.data.splits import spread
from latentia.metrics.figures import Unmeasurable
from latentia.metrics.reconstruction import principal_components

VALUES = 20_000_000
"""Values of the training images behind a PCA at the most."""
TRIED = 200
"""Images on which a quality is chosen, at the most."""
QUALITIES = (1, 100)
Format = Literal["JPEG", "WEBP"]


@dataclass(frozen=True)
class Decoded:
    """What came back of images.

    Attributes:
        images: shape `(N, C, H, W)`, 1 being the data's range.
        size: mean bytes that stand for an image.
        how: how it was made, as a clause.
    """

    images: np.ndarray
    size: float
    how: str


def block_pca(train: np.ndarray, given: np.ndarray, grid: tuple[int, int], numbers: int) -> Decoded:
    """Encode every block of an image by principal components, the best linear code of its kind.

    A block is what one place of a grid stands for: ceil(H / h) x ceil(W / w) pixels, all channels. Images
    that are no whole number of blocks are continued by their edge.

    Args:
        train: the images to fit on, shape `(M, C, H, W)`.
        given: the images to encode, shape `(N, C, H, W)`.
        grid: places (h, w) along an image's height and width.
        numbers: components of a block.

    Returns:
        What comes back, at 8 bits a number.

    Raises:
        Unmeasurable: if a block has no more values than components, or there are too few blocks.
    """
    height, width = (math.ceil(size / places) for size, places in zip(given.shape[2:], grid, strict=True))
    known = _blocks(train, grid, (height, width))
    try:
        _, _, back = principal_components(known, _blocks(given, grid, (height, width)), numbers)
    except Unmeasurable as error:
        raise Unmeasurable(f"blocks of {height}x{width}: {error}") from error
    images = _pictures(back, grid, given.shape)
    how = (
        f"PCA of blocks of {height}x{width} with {numbers} component{'s' * (numbers != 1)} each, fitted to "
        f"{len(known):,} blocks of {len(train):,} training images, not rounded"
    )
    return Decoded(images, math.prod(grid) * numbers, how)


def _blocks(images: np.ndarray, grid: tuple[int, int], block: tuple[int, int]) -> np.ndarray:
    """Cut images into blocks, `(N * h * w, C, height, width)`."""
    count, channels = images.shape[:2]
    more = [places * size - have for places, size, have in zip(grid, block, images.shape[2:], strict=True)]
    if any(more):
        images = np.pad(images, ((0, 0), (0, 0), (0, more[0]), (0, more[1])), mode="edge")
    cut = images.reshape(count, channels, grid[0], block[0], grid[1], block[1])
    return np.ascontiguousarray(cut.transpose(0, 2, 4, 1, 3, 5)).reshape(-1, channels, *block)


def _pictures(blocks: np.ndarray, grid: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """Undo `_blocks`."""
    count, channels, height, width = shape
    each = blocks.reshape(count, *grid, channels, *blocks.shape[2:]).transpose(0, 3, 1, 4, 2, 5)
    whole = each.reshape(count, channels, grid[0] * blocks.shape[2], grid[1] * blocks.shape[3])
    return whole[:, :, :height, :width]


def down_up(given: np.ndarray, values: float) -> Decoded:
    """Make images smaller, to so many values at the most, and bring them back, both bicubic.

    Args:
        given: images, shape `(N, C, H, W)`.
        values: what is left of an image, in values of all channels.

    Returns:
        What comes back, at 8 bits a value.

    Raises:
        Unmeasurable: if not a pixel is left.
    """
    channels, height, width = given.shape[1:]
    factor = math.sqrt(values / (channels * height * width))
    size = (math.floor(height * factor + 1e-9), math.floor(width * factor + 1e-9))
    if min(size) < 1:
        raise Unmeasurable(f"with {values:g} values not a pixel of {channels} channels is left along a side")
    images = torch.from_numpy(np.ascontiguousarray(given))
    small = functional.interpolate(images, size=size, mode="bicubic", antialias=True)
    back = functional.interpolate(small, size=(height, width), mode="bicubic").numpy()
    how = f"bicubic down to {size[0]}x{size[1]} and up again, not rounded"
    return Decoded(back, channels * math.prod(size), how)


def through_files(given: np.ndarray, kind: Format, size: float) -> Decoded:
    """Write images as files and read them, at the highest quality whose payload is within a size on average.

    The payload is what depends on the image: of JPEG the coded scan, without markers and tables; of WebP the
    frame, without the container and its header. Small images are mostly headers, which an archive of many
    could share, as all latents share a decoder.

    Args:
        given: images of one or three channels, 1 being the data's range, shape `(N, C, H, W)`.
        kind: the format; Pillow's encoder with its defaults but the quality.
        size: bytes.

    Returns:
        What comes back, with the mean payload.

    Raises:
        Unmeasurable: if the format takes no such images, or its lowest quality takes more.
    """
    from PIL import features

    name = {"JPEG": "JPEG", "WEBP": "WebP"}[kind]
    if given.shape[1] not in (1, 3):
        raise Unmeasurable(f"{name} takes images of 1 or 3 channels, and these have {given.shape[1]}")
    if kind == "WEBP" and not features.check("webp"):
        raise Unmeasurable("this Pillow was built without WebP")
    pixels = np.rint(np.clip(given, 0, 1) * 255).astype(np.uint8)
    few = pixels[spread(np.arange(len(pixels)), TRIED)]
    low, high = QUALITIES
    least = _mean_payload(few, kind, low)
    if least > size:
        raise Unmeasurable(
            f"the payload of {name} is {least:,.0f} bytes an image at its lowest quality, and the latent has "
            f"{size:,.0f}"
        )
    while low < high:  # the payload grows with the quality
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _mean_payload(few, kind, middle) <= size else (low, middle - 1)
    files = [_file(image, kind, low) for image in pixels]
    images = np.stack([_read(file, given.shape[1]) for file in files])
    whole = np.mean([len(file) for file in files])
    how = (
        f"{name} of quality {low}, the highest whose payload is within {size:,.0f} bytes on up to {TRIED} "
        f"images; whole files have {whole:,.0f}"
    )
    return Decoded(images, float(np.mean([payload(file, kind) for file in files])), how)


def _mean_payload(pixels: np.ndarray, kind: Format, quality: int) -> float:
    return float(np.mean([payload(_file(image, kind, quality), kind) for image in pixels]))


def _file(image: np.ndarray, kind: Format, quality: int) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    picture = Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
    picture.save(written, kind, quality=quality)
    return written.getvalue()


def _read(file: bytes, channels: int) -> np.ndarray:
    from PIL import Image

    picture = Image.open(io.BytesIO(file)).convert("L" if channels == 1 else "RGB")
    pixels = np.asarray(picture, dtype=np.float32) / 255
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def payload(file: bytes, kind: Format) -> int:
    """Count the bytes of a file that depend on its image.

    Args:
        file: a JPEG of one scan, or a simple lossy WebP.
        kind: which.

    Returns:
        Bytes after JPEG's start of scan and before its end; WebP's frame after its header of ten bytes.
    """
    if kind == "WEBP":
        return int.from_bytes(file[16:20], "little") - 10
    place = 2  # after the start of the image, segment by segment, each of which says how long it is
    while file[place + 1] != 0xDA:
        place += 2 + int.from_bytes(file[place + 2 : place + 4], "big")
    return len(file) - (place + 2 + int.from_bytes(file[place + 2 : place + 4], "big")) - 2
