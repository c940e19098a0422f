"""Photographs in files with loss: a run's rates and errors beside those of JPEG, WebP and AVIF.

    python -m benchmarks.lossy RUN [SOURCE] [-n 48] [--steps 0.3,0.45,0.65,0.9,1.3] [--low 0.15] [--high 0.5]
        [--likeness psnr|ms-ssim]

Every picture is a file of its own, of which all bytes count, header and checksum included; the weights of the
model do not. PSNR is that of decoded 8-bit pixels in RGB, the mean over pictures of 10 log10(255^2 / MSE);
bits per pixel are the mean over pictures, too. JPEG is Pillow's with optimised tables and 4:2:0, WebP and
AVIF Pillow's with their usual settings. BD-rate is the mean difference of log rates at equal PSNR (Gisle
Bjøntegaard, "Calculation of average PSNR differences between RD-curves", 2001; here with monotone cubic
interpolation), over the PSNR that the other codec has from LOW to HIGH bits per pixel, as far as both reach.
With `--likeness ms-ssim` -10 log10(1 - MS-SSIM) stands in the place of PSNR, over five scales, of the
pictures that are large enough.
"""

from __future__ import annotations

import argparse
import math
import time
from functools import partial
from pathlib import Path

import numpy as np

import latentia
from latentia.coding.rates import LEAST_ERROR, QUALITIES, absent, bd_rate, by_file, measured, psnr
from latentia.data.splits import spread
from latentia.metrics.similarity import EXPONENTS, WINDOW, multiscale_similarity
from latentia.runs.picture_peers import through_file
from latentia.runs.pictures import Taken

STEPS = (0.3, 0.4, 0.55, 0.75, 1.0, 1.3)
LEAST = WINDOW * 2 ** (len(EXPONENTS) - 1)
"""Pixels a side that MS-SSIM needs."""


def ms_ssim(given: np.ndarray, made: np.ndarray, peak: float) -> float:
    """Give -10 log10(1 - MS-SSIM), at most 120 dB."""
    pair = (picture[None].astype(np.float32) / peak for picture in (given, made))
    return -10 * math.log10(max(1 - float(multiscale_similarity(*pair)[0]), LEAST_ERROR))


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
    parser.add_argument("--likeness", choices=("psnr", "ms-ssim"), default="psnr")
    arguments = parser.parse_args()
    called, likeness = {"psnr": ("PSNR", psnr), "ms-ssim": ("MS-SSIM", ms_ssim)}[arguments.likeness]
    compared = partial(measured, peak=255.0, likeness=likeness)
    run = latentia.open_run(arguments.run, device="cpu")
    taken = Taken(run, arguments.source, arguments.split)
    pictures = [taken[int(at)] for at in spread(np.arange(len(taken)), arguments.n)]
    if likeness is ms_ssim:
        pictures = [picture for picture in pictures if min(picture.shape[1:]) >= LEAST]
    pixels = [picture[0].size for picture in pictures]
    print(f"{len(pictures)} pictures, {np.mean(pixels):,.0f} pixels on average")
    started, steps = time.process_time(), [float(word) for word in arguments.steps.split(",")]
    curves = {"latentia": [compared(pictures, step, through_file(run, step)) for step in steps]}
    spent = (time.process_time() - started) / (len(steps) * sum(pixels)) * 1e6
    for kind, qualities in QUALITIES.items():
        if absent(kind):
            print(f"this Pillow was built without {kind}")
            continue
        curves[kind] = [compared(pictures, quality, by_file(kind, quality)) for quality in qualities]
    print(f"| codec | step or quality | bits per pixel | {called}, dB |\n|---|---:|---:|---:|")
    for name, points in curves.items():
        for point in sorted(points, key=lambda each: each.bits):
            print(f"| {name} | {point.setting:g} | {point.bits:.3f} | {point.decibels:.2f} |")
    print(f"latentia: {spent:.1f} CPU seconds a million pixels, there and back")
    for name in [name for name in curves if name != "latentia"]:
        found, where = bd_rate(curves[name], curves["latentia"], arguments.low, arguments.high)
        known = f"{found:+.1%} ({where})" if math.isfinite(found) else f"none: {where}"
        print(f"BD-rate against {name}: {known}")


if __name__ == "__main__":
    main()
