"""Reconstructions of a codec of video: still and moving clips, frame by frame, beside other codes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from latentia.data.splits import spread
from latentia.evaluation.facets.codec import OWN, compared
from latentia.evaluation.subject import Subject
from latentia.metrics.clips import by_frame, cosine_code, flicker, movement, psnr, smaller_and_back
from latentia.metrics.figures import Figure, mean_and_error
from latentia.runs.scores import reconstructed

if TYPE_CHECKING:
    from latentia.runs.run import Run

TOPIC = "reconstruction"
VALUES = 1 << 27
"""Values of training clips that the floor is fitted to, at the most."""
TABLE = ("clip_psnr", "clip_psnr_still", "clip_psnr_moving", "clip_flicker")
"""Figures with a part for each code."""


def has(run: Run) -> bool:
    """Say whether a run encodes clips to a grid that is smaller than they are.

    Args:
        run: the run.

    Returns:
        Whether it does.
    """
    return run.event.kind == "video" and len(run.latent) == 4 and run.event[1] > 1


def measure(subject: Subject) -> None:
    """Measure it.

    Args:
        subject: the run under assessment.
    """
    if reason := subject.unlike_numbers:
        subject.ledger.missing.update(
            dict.fromkeys(TABLE, f"codes are compared on whole clips, and {reason}")
        )
        return
    subject.ledger.measure([*TABLE, "clip_psnr_frames"], lambda: _figures(subject))


def _figures(subject: Subject) -> Mapping[str, Figure]:
    run, dataset = subject.run, subject.dataset
    rows = compared(subject)
    found = reconstructed(run, dataset.x[rows], run.conditions_at(rows, dataset), keep=True)
    given = _unit(run, np.asarray(found.given)).astype(np.float32)
    codes, hows = _codes(subject, given, np.asarray(found.decoded))
    moved = movement(given)
    moving = moved > np.median(moved) if len(given) > 1 else np.ones(len(given), bool)
    errors = {name: np.square(made - given).mean(axis=(1, 2, 3, 4)) for name, made in codes.items()}
    how = "; ".join(f"{name}: {what}" for name, what in hows.items())
    base = "mean over clips of 10 log10(1 / MSE), 1 being the data's range, clipped to it"
    apart = f"whose mean absolute change from frame to frame is {{}} their median, {np.median(moved):.2%}"
    sets = {
        "clip_psnr": (np.ones(len(given), bool), base),
        "clip_psnr_still": (~moving, f"{base}, of the clips {apart.format('at most')}"),
        "clip_psnr_moving": (moving, f"{base}, of the clips {apart.format('above')}"),
    }
    made: dict[str, Figure] = {}
    names = tuple(codes)
    for name, (chosen, what) in sets.items():
        if chosen.any():
            pairs = [mean_and_error(psnr(error[chosen])) for error in errors.values()]
            made[name] = _figure(subject, pairs, "dB", "higher", f"{what}. {how}", int(chosen.sum()), names)
    pairs = [mean_and_error(flicker(given, each)) for each in codes.values()]
    what = "mean over clips of the root mean square of the error's change from frame to frame. "
    made["clip_flicker"] = _figure(subject, pairs, "of the range", "lower", what + how, len(given), names)
    frames = by_frame(given, codes[OWN])
    pairs = [mean_and_error(frame) for frame in frames.T]
    parts = tuple(f"frame {number}" for number in range(1, frames.shape[1] + 1))
    what = "mean over clips of the PSNR of each frame"
    made["clip_psnr_frames"] = _figure(subject, pairs, "dB", "higher", what, len(given), parts)
    return made


def _figure(
    subject: Subject,
    pairs: list[tuple[float, float | None]],
    unit: str,
    better: str,
    how: str,
    count: int,
    parts: tuple[str, ...],
) -> Figure:
    values = tuple(value for value, _ in pairs)
    spreads = tuple(float("nan") if error is None else error for _, error in pairs)
    return Figure(values, unit, subject.split, how, spreads, count, better, parts)  # pyright: ignore


def _codes(
    subject: Subject, given: np.ndarray, decoded: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Give what comes back of each code, the run's own first, and how each was made."""
    run = subject.run
    strides, lead = run.model.strides, run.model.lead
    ratio = math.prod(run.event) / math.prod(run.latent)
    codes = {OWN: np.clip(_unit(run, decoded), 0, 1).astype(np.float32)}
    hows = {OWN: f"a latent of {'x'.join(map(str, run.latent))}, {ratio:.0f} times fewer numbers than values"}
    own = subject.own
    if len(strides) == 3 and not own.unlike_numbers:
        rows = spread(subject.known_rows, max(1, VALUES // math.prod(own.dataset.event)))
        known = _unit(run, subject.scaled(own.dataset.x[rows])).astype(np.float32)
        sides = (strides[0], strides[1], strides[2])
        back = cosine_code(known, given, sides, lead, run.latent[0])
        codes["cosines"] = np.clip(back, 0, 1)
        hows["cosines"] = (
            f"the {run.latent[0]} cosines of blocks of {'x'.join(map(str, sides))} with the largest "
            f"variances in {len(known):,} training clips" + ", and of the first frame's own" * bool(lead)
        )
    back, size = smaller_and_back(given, math.prod(run.latent))
    codes["trilinear"] = np.clip(back, 0, 1)
    hows["trilinear"] = f"clips of {'x'.join(map(str, size))}, scaled up again"
    return codes, hows


def _unit(run: Run, x: np.ndarray) -> np.ndarray:
    """Bring clips from the model's units to those in which 1 is the data's range."""
    low, high = run.image_range
    return (run.transform.invert(torch.from_numpy(x)).numpy() - low) / ((high - low) or 1.0)
