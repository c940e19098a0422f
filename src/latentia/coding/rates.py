"""Rates and errors of pictures with loss: of any codec, of JPEG, WebP and AVIF, and how curves compare."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

OPTIONS: dict[str, dict[str, Any]] = {"JPEG": {"optimize": True, "subsampling": 2}, "WebP": {}, "AVIF": {}}
"""Formats of Pillow's, and how it writes them: as usual, but for JPEG's optimised tables and 4:2:0."""
QUALITIES = {
    "JPEG": (2, 4, 7, 10, 14, 20, 28, 40, 55),
    "WebP": (0, 3, 8, 15, 25, 40, 55, 70),
    "AVIF": (5, 12, 20, 28, 36, 45, 55),
}
"""Those at which their curves are drawn."""
LEAST, LARGEST = {"JPEG": 1}, 100
"""The ends of what may be asked for; the least is 0 of the others."""
LEAST_ERROR = 1e-12
"""Mean squared errors below this, 1 being the largest that there can be, count as this: 120 dB."""
MEETING = 0.5
"""Curves that share less than this, in dB, are not compared."""

Code = Callable[[np.ndarray], tuple[int, np.ndarray]]
"""Gives the bytes of a picture's file, and the picture that comes back."""
Likeness = Callable[[np.ndarray, np.ndarray, float], float]
"""Compares a picture with what came back, of values from 0 to the last number, in dB."""


@dataclass(frozen=True)
class Point:
    """A codec at one setting.

    Attributes:
        setting: its step or quality.
        size: bytes of all pictures' files.
        bits: bits per pixel, mean over pictures.
        decibels: how like the pictures are that come back, mean over pictures: PSNR, unless another
            likeness was asked for.
    """

    setting: float
    size: int
    bits: float
    decibels: float


def psnr(given: np.ndarray, made: np.ndarray, peak: float) -> float:
    """Give 10 log10(peak^2 / MSE) of a picture, in dB, at most 120.

    Args:
        given: the picture.
        made: what came back.
        peak: the largest difference that there can be.

    Returns:
        The PSNR.
    """
    error = float(np.mean((given.astype(np.float64) - made) ** 2)) / peak**2
    return -10 * math.log10(max(error, LEAST_ERROR))


def measured(
    pictures: Iterable[np.ndarray],
    setting: float,
    code: Code,
    peak: float = 255.0,
    likeness: Likeness = psnr,
) -> Point:
    """Code pictures, each as a file of its own, and give the means.

    Args:
        pictures: `(C, H, W)` each.
        setting: what the point is called.
        code: the codec at this setting.
        peak: as `psnr`.
        likeness: how pictures are compared.

    Returns:
        The point.
    """
    sizes, bits, found = [], [], []
    for picture in pictures:
        size, back = code(picture)
        sizes.append(size)
        bits.append(8 * size / picture[0].size)
        found.append(likeness(picture, back, peak))
    return Point(setting, sum(sizes), float(np.mean(bits)), float(np.mean(found)))


def absent(kind: str) -> bool:
    """Say whether this Pillow lacks a format.

    Args:
        kind: of `OPTIONS`.

    Returns:
        Whether it does.
    """
    from PIL import features

    return not features.check({"JPEG": "jpg"}.get(kind, kind.lower()))


def by_file(kind: str, quality: int) -> Code:
    """Give what codes pictures by Pillow.

    Args:
        kind: of `OPTIONS`.
        quality: its quality.

    Returns:
        The codec, for 8-bit pictures of one or three channels.
    """
    from PIL import Image

    def code(picture: np.ndarray) -> tuple[int, np.ndarray]:
        written = io.BytesIO()
        image_of(picture).save(written, kind, quality=quality, **OPTIONS[kind])
        grey = len(picture) == 1
        back = np.asarray(Image.open(written).convert("L" if grey else "RGB"))
        return len(written.getvalue()), back[None] if grey else back.transpose(2, 0, 1)

    return code


def image_of(picture: np.ndarray) -> Any:
    """Give a picture of Pillow's.

    Args:
        picture: 8-bit, `(C, H, W)`.

    Returns:
        The picture.
    """
    from PIL import Image

    return Image.fromarray(
        picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
    )


def reaching(tried: Callable[[int], Point], wanted: float, least: int = 0) -> Point:
    """Find the smallest quality that reaches a PSNR, as far as PSNR grows with quality.

    Args:
        tried: codes pictures at a quality.
        wanted: what is to be reached.
        least: the smallest that may be.

    Returns:
        The point; that of the largest quality where none reaches it.
    """
    low, high = least, LARGEST
    best = tried(high)
    while low < high and best.decibels >= wanted:
        middle = (low + high) // 2
        point = tried(middle)
        if point.decibels >= wanted:
            high, best = middle, point
        else:
            low = middle + 1
    return best


def bd_rate(
    anchor: Sequence[Point], ours: Sequence[Point], low: float = 0.0, high: float = math.inf
) -> tuple[float, str]:
    """Give the mean difference of rates at equal likeness, and over which decibels.

    That of log rates, by monotone cubic interpolation, after Gisle Bjøntegaard, "Calculation of average PSNR
    differences between RD-curves", 2001.

    Args:
        anchor: the codec compared with, at several settings.
        ours: another.
        low: bits per pixel of the anchor where the comparison begins.
        high: where it ends.

    Returns:
        The relative difference, negative where fewer bits are taken, and from where to where it is about; NaN
        where the curves share too little, and why.
    """
    from scipy.interpolate import PchipInterpolator

    curves = []
    for points in (anchor, ours):
        rising = _rising(points)
        if len(rising) < 2:
            return math.nan, "a curve needs two settings that differ in likeness"
        dots, rates = [point.decibels for point in rising], [math.log(point.bits) for point in rising]
        curves.append((PchipInterpolator(dots, rates), dots[0], dots[-1]))
    first = sorted(anchor, key=lambda point: point.bits)
    ends = np.interp([low, high], [point.bits for point in first], [point.decibels for point in first])
    start, end = max(ends[0], *(curve[1] for curve in curves)), min(ends[1], *(curve[2] for curve in curves))
    if end - start < MEETING:
        return math.nan, f"the curves share no {MEETING} dB there"
    means = [float(curve[0].integrate(start, end)) / (end - start) for curve in curves]
    return math.exp(means[1] - means[0]) - 1, f"{start:.1f} to {end:.1f} dB"


def _rising(points: Sequence[Point]) -> list[Point]:
    """Give points in the order of their likeness, of equal ones the cheapest."""
    cheapest: dict[float, Point] = {}
    for point in sorted(points, key=lambda each: -each.bits):
        cheapest[point.decibels] = point
    return sorted(cheapest.values(), key=lambda each: each.decibels)
