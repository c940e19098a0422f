"""A run's pictures with loss beside JPEG, WebP and AVIF."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentia.coding.rates import LEAST, OPTIONS, Code, Point, absent, by_file, measured, psnr, reaching
from latentia.core import progress
from latentia.runs.pictures import UNIT, PictureFile, Pictures, to_bytes

if TYPE_CHECKING:
    from latentia.runs.applied import Applied

TRIALS = 8
"""Qualities that are tried before the smallest is found, at the most."""
BITS = "it takes pixels of 8 bits alone"


def through_file(run: Applied, step: float | None = None) -> Code:
    """Give what codes a picture by a run, through a whole file and back.

    Args:
        run: the run.
        step: how finely latents are rounded; the middle of the run's steps by default.

    Returns:
        The codec.
    """

    def code(picture: np.ndarray) -> tuple[int, np.ndarray]:
        content = to_bytes(run, [picture], step)
        (back,) = PictureFile(run, io.BytesIO(content), "the file").read()
        return len(content), back

    return code


def unusable(kind: str, x: Pictures) -> str:
    """Say why pictures cannot be written in a format of Pillow's.

    Args:
        kind: the format.
        x: the pictures.

    Returns:
        The reason; empty where they can.
    """
    if absent(kind):
        return "this Pillow was built without it"
    return "" if np.asarray(x[0]).dtype == np.uint8 else BITS


def compared(run: Applied, x: Pictures, path: Path, *, quiet: bool = True) -> list[str]:
    """Say what JPEG, WebP and AVIF take for the pictures of a file at the same mean PSNR.

    Args:
        run: the run that wrote the file.
        x: the pictures in it, in the data's units.
        path: the file.
        quiet: show no progress bar.

    Returns:
        A line for the file, and for each of the others that of the smallest quality that reaches its PSNR.
    """
    low, high = run.record.drawn
    peak, pixels, found = (high - low) or 1.0, 0, []
    with path.open("rb") as handle:
        for number, back in enumerate(PictureFile(run, handle, str(path)).read(quiet=quiet)):
            given = np.asarray(x[number])
            found.append(psnr(given, back, peak))
            pixels += given[0].size
    ours = float(np.mean(found))
    lines = [_line("this file", path.stat().st_size, pixels, ours)]
    for kind in OPTIONS:
        if reason := unusable(kind, x):
            lines.append(f"  {kind}: {reason}")
            continue
        point = _other(x, kind, ours, peak, quiet)
        if point.decibels < ours:
            lines.append(
                f"  {kind} reaches no {ours:.2f} dB: quality {point.setting:g} has {point.decibels:.2f}"
            )
        else:
            lines.append(_line(f"{kind}, quality {point.setting:g}", point.size, pixels, point.decibels))
    return lines


def _other(x: Pictures, kind: str, wanted: float, peak: float, quiet: bool) -> Point:
    with progress.bar(desc=kind, total=TRIALS * len(x), unit=UNIT, quiet=quiet) as shown:

        def tried(quality: int) -> Point:
            pictures = (np.asarray(x[number]) for number in range(len(x)))
            point = measured(pictures, quality, by_file(kind, quality), peak)
            shown.update(len(x))
            return point

        return reaching(tried, wanted, LEAST.get(kind, 0))


def _line(name: str, size: int, pixels: int, found: float) -> str:
    return f"  {name:18} {size:>12,} bytes, {8 * size / pixels:.4f} bits per pixel, PSNR {found:.2f} dB"
