"""Photographs in files with loss: a run's rates and errors beside those of JPEG, WebP and AVIF.

    python -m benchmarks.lossy RUN [SOURCE] [-n 48] [--steps 0.3,0.45,0.65,0.9,1.3] [--low 0.15] [--high 0.5]

Every picture is a file of its own, of which all bytes count, header and checksum included; the weights of the
model do not. PSNR is that of decoded 8-bit pixels in RGB, the mean over pictures of 10 log10(255^2 / MSE);
bits per pixel are the mean over pictures, too. JPEG is Pillow's with optimised tables and 4:2:0, WebP and
AVIF Pillow's with their usual settings. BD-rate is the mean difference of log rates at equal PSNR (Gisle
Bjøntegaard, "Calculation of average PSNR differences between RD-curves", 2001; here with monotone cubic
interpolation), over the PSNR that the other codec has from LOW to HIGH bits per pixel, as far as both reach.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, features
from scipy.interpolate import PchipInterpolator

import latentia
from latentia.data.splits import spread
from latentia.runs.pictures import PictureFile, Taken, to_bytes
from latentia.runs.run import Run

STEPS = (0.3, 0.4, 0.55, 0.75, 1.0, 1.3)
QUALITIES = {
    "JPEG": (2, 4, 7, 10, 14, 20, 28, 40, 55),
    "WebP": (0, 3, 8, 15, 25, 40, 55, 70),
    "AVIF": (5, 12, 20, 28, 36, 45, 55),
}
OPTIONS = {"JPEG": {"optimize": True, "subsampling": 2}, "WebP": {}, "AVIF": {}}


@dataclass(frozen=True)
class Point:
    """A codec at one setting: its setting, mean bits per pixel, mean PSNR in dB."""

    setting: float
    bits: float
    psnr: float


def measured(
    pictures: Sequence[np.ndarray], setting: float, code: Callable[[np.ndarray], tuple[int, np.ndarray]]
) -> Point:
    """Code pictures, and give the means.

    Args:
        pictures: uint8, `(C, H, W)` each.
        setting: what the point is called.
        code: gives the bytes of a picture's file, and what it decodes to.

    Returns:
        The point.
    """
    bits, psnr = [], []
    for picture in pictures:
        size, back = code(picture)
        error = np.mean((picture.astype(np.float64) - back) ** 2)
        bits.append(8 * size / picture[0].size)
        psnr.append(10 * np.log10(255**2 / max(error, 1e-9)))
    return Point(setting, float(np.mean(bits)), float(np.mean(psnr)))


def by_file(kind: str, quality: int) -> Callable[[np.ndarray], tuple[int, np.ndarray]]:
    """Give what codes a picture by Pillow."""

    def code(picture: np.ndarray) -> tuple[int, np.ndarray]:
        written = io.BytesIO()
        Image.fromarray(picture.transpose(1, 2, 0)).save(written, kind, quality=quality, **OPTIONS[kind])
        back = np.asarray(Image.open(written).convert("RGB")).transpose(2, 0, 1)
        return len(written.getvalue()), back

    return code


def by_run(run: Run, step: float) -> Callable[[np.ndarray], tuple[int, np.ndarray]]:
    """Give what codes a picture by a run, through a whole file and back."""

    def code(picture: np.ndarray) -> tuple[int, np.ndarray]:
        content = to_bytes(run, [picture], step)
        (back,) = PictureFile(run, io.BytesIO(content), "the file").read()
        return len(content), back

    return code


def bd_rate(anchor: Sequence[Point], ours: Sequence[Point], low: float, high: float) -> tuple[float, str]:
    """Give the mean difference of rates at equal PSNR, and over which PSNR.

    Args:
        anchor: the codec compared with, at five settings or more.
        ours: another.
        low: bits per pixel of the anchor where the comparison begins.
        high: where it ends.

    Returns:
        The relative difference, negative where fewer bits are taken; NaN where the curves share nothing.
    """
    curves = []
    for points in (anchor, ours):
        at = sorted(points, key=lambda point: point.psnr)
        psnr, rate = [point.psnr for point in at], [np.log(point.bits) for point in at]
        curves.append((PchipInterpolator(psnr, rate), psnr[0], psnr[-1]))
    first = sorted(anchor, key=lambda point: point.bits)
    ends = np.interp([low, high], [point.bits for point in first], [point.psnr for point in first])
    start, end = max(ends[0], *(curve[1] for curve in curves)), min(ends[1], *(curve[2] for curve in curves))
    if end - start < 0.5:
        return float("nan"), "the curves do not meet there"
    differences = [curve[0].integrate(start, end) / (end - start) for curve in curves]
    return float(np.exp(differences[1] - differences[0]) - 1), f"{start:.1f} to {end:.1f} dB"


def main() -> None:
    """Print a table of all settings, and the BD-rates."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("source", nargs="?", help="pictures; by default the run's own test split")
    parser.add_argument("--split", help="which split; by default test of the run's own, and all of SOURCE")
    parser.add_argument("-n", type=int, default=48, help="pictures, evenly spaced")
    parser.add_argument("--steps", default=",".join(map(str, STEPS)))
    parser.add_argument("--low", type=float, default=0.15)
    parser.add_argument("--high", type=float, default=0.5)
    arguments = parser.parse_args()
    run = latentia.open_run(arguments.run, device="cpu")
    taken = Taken(run, arguments.source, arguments.split)
    pictures = [taken[int(at)] for at in spread(np.arange(len(taken)), arguments.n)]
    pixels = [picture[0].size for picture in pictures]
    print(f"{len(pictures)} pictures, {np.mean(pixels):,.0f} pixels on average")
    started, steps = time.process_time(), [float(word) for word in arguments.steps.split(",")]
    curves = {"latentia": [measured(pictures, step, by_run(run, step)) for step in steps]}
    spent = (time.process_time() - started) / (len(steps) * sum(pixels)) * 1e6
    for kind, qualities in QUALITIES.items():
        if kind != "JPEG" and not features.check(kind.lower()):
            print(f"this Pillow was built without {kind}")
            continue
        curves[kind] = [measured(pictures, quality, by_file(kind, quality)) for quality in qualities]
    print("| codec | step or quality | bits per pixel | PSNR, dB |\n|---|---:|---:|---:|")
    for name, points in curves.items():
        for point in sorted(points, key=lambda each: each.bits):
            print(f"| {name} | {point.setting:g} | {point.bits:.3f} | {point.psnr:.2f} |")
    print(f"latentia: {spent:.1f} CPU seconds a million pixels, there and back")
    for name in [name for name in curves if name != "latentia"]:
        found, where = bd_rate(curves[name], curves["latentia"], arguments.low, arguments.high)
        print(f"BD-rate against {name}: {found:+.1%} ({where})")


if __name__ == "__main__":
    main()
