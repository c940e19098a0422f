"""Files of pictures with loss: rates and errors at several steps, beside JPEG, WebP and AVIF."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from latentia.coding import lossy
from latentia.coding.rates import OPTIONS, QUALITIES, Point, bd_rate, by_file, measured
from latentia.core.errors import ConfigError
from latentia.data.splits import spread
from latentia.evaluation.subject import Subject
from latentia.evaluation.topics.files import OWN, on_cpu
from latentia.metrics.figures import Figure, Unmeasurable
from latentia.runs.picture_peers import through_file, unusable
from latentia.runs.pictures import Taken

if TYPE_CHECKING:
    from latentia.runs.run import Run

MOST, SIDE, PIXELS, STEPS = 8, 512, 1 << 19, 5
"""Pictures at the most, pixels of each along a side, pixels of all but the last; and steps that are tried."""
TABLE = ("picture_bits", "picture_psnr")
FULL = 128
"""Formats of 8 bits are made for pictures that use most of them: below this a comparison is to be doubted."""
STEP = "step"
"""The run's own parts of these figures are called this and its step; others by the format and its quality."""
RATES = {kind: f"bd_rate_{kind.lower()}" for kind in OPTIONS}


def has(run: Run) -> bool:
    """Say whether a run's files are of pictures with loss.

    Args:
        run: the run.

    Returns:
        Whether they are.
    """
    return lossy(run.model)


def measure(subject: Subject) -> None:
    """Measure it.

    Args:
        subject: the run under assessment.
    """
    curves: dict[str, list[Point]] = {}
    with on_cpu(subject.run):
        subject.ledger.measure([*TABLE, *RATES.values()], partial(_table, subject, curves))
    if not curves:
        return
    for kind, name in RATES.items():
        if kind in curves:
            subject.ledger.measure([name], partial(_rate, subject, curves, kind))


def _table(subject: Subject, curves: dict[str, list[Point]]) -> Mapping[str, Figure]:
    run, settings = subject.run, subject.settings
    try:
        finest, coarsest = run.picture_coder.steps
    except ConfigError as error:
        raise Unmeasurable(f"no file of pictures can be made: {error}") from error
    pictures = _pictures(Taken(run, settings.data, subject.split, skip_bad=settings.skip_bad))
    low, high = run.image_range
    peak = (high - low) or 1.0
    with subject.progress("files of pictures", STEPS + sum(map(len, QUALITIES.values()))) as bar:
        curves[OWN] = []
        for step in np.geomspace(finest, coarsest, STEPS):
            curves[OWN].append(measured(pictures, float(step), through_file(run, float(step)), peak))
            bar.update(1)
        for kind, qualities in QUALITIES.items():
            if reason := unusable(kind, pictures):
                subject.ledger.missing[RATES[kind]] = f"{kind}: {reason}"
                continue
            curves[kind] = []
            for quality in qualities:
                curves[kind].append(measured(pictures, quality, by_file(kind, quality), peak))
                bar.update(1)
    parts = tuple(_called(name, point) for name, points in curves.items() for point in points)
    found = [point for points in curves.values() for point in points]
    what = (
        f"mean over {len(pictures)} pictures, each a file of its own of which all bytes count; the middle of "
        f"those of more than {SIDE} pixels along a side; this run by the step of its latents, others by "
        "their quality, as Pillow writes them"
    )
    figure = partial(Figure, split=subject.split, error=None, examples=len(pictures), parts=parts)
    bits, psnr = (tuple(getattr(point, name) for point in found) for name in ("bits", "decibels"))
    error = f"10 log10(1 / MSE), 1 being the data's range, {what}"
    return {
        TABLE[0]: figure(bits, "bits", protocol=f"bits for each pixel, {what}"),
        TABLE[1]: figure(psnr, "dB", protocol=error),
    }


def _pictures(taken: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Read some pictures, evenly spaced, as many as take some seconds."""
    found: list[np.ndarray] = []
    for at in spread(np.arange(len(taken)), MOST):
        picture = np.asarray(taken[int(at)])
        top, left = (max(0, (size - SIDE) // 2) for size in picture.shape[1:])
        found.append(picture[:, top : top + SIDE, left : left + SIDE])
        if sum(each[0].size for each in found) >= PIXELS:
            break
    return found


def _called(name: str, point: Point) -> str:
    return f"{STEP if name == OWN else name} {point.setting:.3g}"


def _rate(subject: Subject, curves: Mapping[str, list[Point]], kind: str) -> Mapping[str, Figure]:
    found, where = bd_rate(curves[kind], curves[OWN])
    if math.isnan(found):
        raise Unmeasurable(f"{kind} and {OWN}: {where}")
    how = (
        f"mean difference of log rates at equal PSNR from {kind}'s, over {where}, by monotone cubic curves "
        f"through the points of {TABLE[0]} and {TABLE[1]}: below 0 is better than {kind}"
    )
    high = subject.run.image_range[1]
    doubt = f"{kind} was given values up to {high:g} of 255" if high < FULL else ""
    return {RATES[kind]: Figure(100 * found, "%", subject.split, how, better="lower", doubt=doubt)}
