"""Reconstructions of a codec of video: still and moving clips, frame by frame, beside other codes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from latentia.data.splits import spread
from latentia.evaluation.facets.codec import OWN, compared
from latentia.evaluation.subject import Subject
from latentia.metrics.clips import by_frame, cosine_code, flicker, movement, smaller_and_back
from latentia.metrics.figures import Figure, mean_and_error
from latentia.metrics.reconstruction import psnr
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
        subject.ledger.lack(TABLE, f"codes are compared on whole clips, and {reason}")
        return
    subject.ledger.measure([*TABLE, "clip_psnr_frames"], lambda: _figures(subject))


def _figures(subject: Subject) -> Mapping[str, Figure]:
    run, dataset, split = subject.run, subject.dataset, subject.split
    rows = compared(subject)
    found = reconstructed(run, dataset.x[rows], run.conditions_at(rows, dataset), keep=True)
    given = subject.in_range(np.asarray(found.given)).astype(np.float32)
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
            count = int(chosen.sum())
            made[name] = Figure.of_parts(pairs, "dB", split, f"{what}. {how}", count, "higher", names)
    pairs = [mean_and_error(flicker(given, each)) for each in codes.values()]
    what = "mean over clips of the root mean square of the error's change from frame to frame. "
    made["clip_flicker"] = Figure.of_parts(
        pairs, "of the range", split, what + how, len(given), "lower", names
    )
    frames = by_frame(given, codes[OWN])
    parts = tuple(f"frame {number}" for number in range(1, frames.shape[1] + 1))
    what = "mean over clips of the PSNR of each frame"
    pairs = map(mean_and_error, frames.T)
    made["clip_psnr_frames"] = Figure.of_parts(pairs, "dB", split, what, len(given), "higher", parts)
    return made


def _codes(
    subject: Subject, given: np.ndarray, decoded: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Give what comes back of each code, the run's own first, and how each was made."""
    run = subject.run
    strides, lead = run.model.strides, run.model.lead
    ratio = math.prod(run.event) / math.prod(run.latent)
    codes = {OWN: np.clip(subject.in_range(decoded), 0, 1).astype(np.float32)}
    hows = {OWN: f"a latent of {'x'.join(map(str, run.latent))}, {ratio:.0f} times fewer numbers than values"}
    own = subject.own
    if len(strides) == 3 and not own.unlike_numbers:
        rows = spread(subject.known_rows, max(1, VALUES // math.prod(own.dataset.event)))
        known = subject.in_range(subject.scaled(own.dataset.x[rows])).astype(np.float32)
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
