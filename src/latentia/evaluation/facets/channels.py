"""What the channels of a latent on a grid look like to whoever models them: mean, deviation and spectrum."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from latentia.evaluation.facets import codec
from latentia.evaluation.subject import Subject
from latentia.metrics.figures import Figure
from latentia.metrics.spectrum import band_names, noise_spectrum, spectrum

if TYPE_CHECKING:
    from latentia.runs.run import Run

TOPIC = "health"


def has(run: Run) -> bool:
    """Say whether a run encodes images to a grid that is smaller than they are.

    Args:
        run: the run.

    Returns:
        Whether it does.
    """
    return codec.has(run)


def measure(subject: Subject) -> None:
    """Measure it.

    Args:
        subject: the run under assessment.
    """
    rows = codec.compared(subject)
    z = subject.encoded(rows).reshape(len(rows), *subject.run.latent)
    what = f"over examples and places of the posterior means of {len(z):,} examples"
    names = tuple(f"channel {number}" for number in range(1, z.shape[1] + 1))

    def figure(values: np.ndarray, how: str, parts: tuple[str, ...], unit: str = "") -> Figure:
        return Figure(tuple(map(float, values)), unit, subject.split, how, None, len(z), "", parts)

    wide = z.astype(np.float64)
    subject.ledger.figures |= {
        "channel_mean": figure(wide.mean(axis=(0, 2, 3)), f"mean {what}", names),
        "channel_std": figure(wide.std(axis=(0, 2, 3)), f"standard deviation {what}", names),
        "latent_spectrum": _shares(z, "posterior means, channels counted alike", figure),
    }
    if not subject.unlike_numbers:
        given = subject.scaled(subject.dataset.x[rows])
        subject.ledger.figures["data_spectrum"] = _shares(given, "images, channels counted alike", figure)


def _shares(x: np.ndarray, what: str, figure: Callable[..., Figure]) -> Figure:
    shares = spectrum(x)
    noise = ", ".join(f"{share:.3f}" for share in noise_spectrum(x.shape[2], x.shape[3]))
    how = (
        f"share of the energy around each channel's mean, by frequency, in percent of the highest: cosine "
        f"transform of {what}; noise has {noise}"
    )
    return figure(shares, how, band_names(len(shares)), "share")
