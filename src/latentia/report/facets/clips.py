"""Clips that play: originals beside their reconstructions and the errors, frame by frame, and other codes."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from latentia.evaluation.facets import clips
from latentia.metrics.clips import by_frame, movement
from latentia.plots.charts import Curve, lines
from latentia.plots.exhibits import Block, Exhibit, Panel, Section, Strip, Words, pictured, png_bytes
from latentia.plots.images import grid
from latentia.report.facets.codec import beside_others
from latentia.report.group import Group
from latentia.report.study import Study

SHOWN = 4
"""Clips that play."""
STRIP = 9
"""Frames of a clip that stand side by side, at the most."""
RATE = 12.0
"""Frames per second, where the data have no rate of their own."""
WHITE = 99
"""Percentile of the errors that is shown as white, and all beyond it."""
COLUMNS = {
    "clip_psnr": "PSNR, dB",
    "clip_psnr_still": "Still half, dB",
    "clip_psnr_moving": "Moving half, dB",
    "clip_flicker": "Flicker, of the range",
}


def section(group: Group) -> Section | None:
    """Show what a codec of video loses.

    Args:
        group: the runs.

    Returns:
        The section; None where no run's latent is a grid smaller than a clip.
    """
    lead = (
        "What a latent on a grid loses of a clip. An evaluation adds a table of other codes of as many "
        "numbers; how each was made stands with its figures."
    )
    return group.apiece("clips", "As a codec of video", lead, _panel)


def _panel(study: Study) -> Panel | None:
    if not clips.has(study.run):
        return None
    low, high = study.run.image_range
    positions = study.view.compared_of(study.inputs)[:SHOWN]
    span = (high - low) or 1.0
    given = (np.asarray(study.inputs.dataset.x[positions], np.float32) - low) / span
    made = (np.asarray(study.reconstructed(positions), np.float32) - low) / span
    made = made.clip(0, 1)
    error = np.abs(made - given).mean(axis=1, keepdims=True)
    white = float(np.percentile(error, WHITE)) or 1.0
    maps = np.repeat((error / white).clip(0, 1), given.shape[1], axis=1)
    rate = study.run.record.options.get("rate") or RATE
    exhibits = [
        _playing(study, given, made, maps, white, float(rate)),
        _strips(study, given, made, maps, white),
        _by_frame(study, given, made),
    ]
    shape, latent = ("x".join(map(str, each)) for each in (study.run.event, study.run.latent))
    ratio = np.prod(study.run.event) / np.prod(study.run.latent)
    note = f"A clip of {shape} is a latent of {latent}, {ratio:.0f} times fewer numbers."
    return beside_others(study, exhibits, note, COLUMNS)


def _playing(
    study: Study, given: np.ndarray, made: np.ndarray, maps: np.ndarray, white: float, rate: float
) -> Exhibit:
    words = Words(
        f"{study.prefix}clips",
        "Clips",
        f"Original, reconstruction and absolute error, in which white is {white:.1%} of the range and more; "
        f"{rate:g} frames per second.",
        f"{len(given)} clips beside their reconstructions by {study.title}, and the errors",
    )
    strips = []
    for one, other, error in zip(given, made, maps, strict=True):
        frames = [
            grid(np.stack([one[:, at], other[:, at], error[:, at]]), high=1.0, columns=3)
            for at in range(one.shape[1])
        ]
        strips.append(Strip(animation(frames, rate), *frames[0].size))
    first = np.concatenate([each[:, :, 0] for each in (given, made, maps)])
    still = png_bytes(grid(first, high=1.0, columns=len(given)))
    return Exhibit(words, still, (Block(tuple(strips)),), wide=True)


def animation(frames: list[Image.Image], rate: float) -> str:
    """Make a picture that plays.

    Args:
        frames: in their order, of one size.
        rate: frames per second.

    Returns:
        A data URI of an animated WebP.
    """
    file = io.BytesIO()
    plain = [frame.convert("RGB") for frame in frames]
    each = max(20, round(1000 / rate))
    plain[0].save(file, "WEBP", save_all=True, append_images=plain[1:], duration=each, loop=0, quality=90)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _strips(study: Study, given: np.ndarray, made: np.ndarray, maps: np.ndarray, white: float) -> Exhibit:
    moving = int(np.argmax(movement(given)))
    at = np.unique(np.linspace(0, given.shape[2] - 1, STRIP).round().astype(int))
    rows = np.concatenate([each[moving][:, at].swapaxes(0, 1) for each in (given, made, maps)])
    numbers = ", ".join(str(frame + 1) for frame in at)
    words = Words(
        f"{study.prefix}frames",
        "Frames of the clip that moves most",
        f"Frames {numbers}: original, reconstruction, error (white: {white:.1%} of the range and more).",
        f"Frames of a clip, of its reconstruction by {study.title}, and the errors",
    )
    return pictured(words, [grid(rows, high=1.0, columns=len(at))], wide=True)


def _by_frame(study: Study, given: np.ndarray, made: np.ndarray) -> Exhibit:
    """Draw the PSNR of each frame: of the clips that were evaluated, else of those that play."""
    figure = study.figures.get("clip_psnr_frames")
    values = by_frame(given, made).mean(axis=0) if figure is None else np.asarray(figure.value)
    count = len(given) if figure is None else figure.examples
    words = Words(
        f"{study.prefix}psnr",
        "Frame by frame",
        f"Mean PSNR of each frame, of {count} clips. The first is encoded as an image of its own.",
        f"Line chart of the PSNR of each frame of reconstructions by {study.title}",
    )
    curve = Curve(np.arange(1, len(values) + 1), values, "PSNR, dB")
    return lines(words, [("", [curve])])
