"""What an image codec loses, and where: error maps, details, other codes of equal size, the spectrum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentia.evaluation.facets import codec
from latentia.metrics.figures import Figure
from latentia.metrics.spectrum import noise_spectrum
from latentia.plots.charts import Curve, lines
from latentia.plots.exhibits import Exhibit, Panel, Row, Section, Words
from latentia.plots.theme import LIGHT
from latentia.report.study import Study
from latentia.report.views import IN_ROW, View
from latentia.report.words import NONE, number, uncertain

CLOSER = 4
"""How many times larger a detail is shown than it is."""
LARGEST = 32
"""Pixels along a side of a detail at the most."""
WHITE = 99
"""Percentile of the errors that is shown as white, and all beyond it."""
COLUMNS = {
    "codec_bytes": "Bytes of an image",
    "codec_psnr": "PSNR, dB",
    "codec_ssim": "SSIM",
    "codec_distance": "Distance (EfficientNet-Lite2)",
    "codec_frechet": "Fréchet distance (EfficientNet-Lite2)",
}


def sections(study: Study, view: View) -> list[Section]:
    """Show what a codec loses.

    Args:
        study: the run.
        view: how the data are shown.

    Returns:
        The section; nothing for a run whose latent is no grid smaller than an image.
    """
    if not codec.has(study.run):
        return []
    low, high = study.run.image_range
    positions = view.compared_of(study.inputs)[:IN_ROW]
    given = np.asarray(study.inputs.dataset.x[positions], dtype=np.float32)
    made = np.clip(np.asarray(study.reconstructed(positions), dtype=np.float32), low, high)
    maps, white = _errors(given, made, low, high)
    exhibits = [_maps(study, view, maps, white), _details(study, view, given, made, maps)]
    rows = _table(study)
    chart = _spectrum(study)
    exhibits += [chart] if chart else []
    size = "x".join(map(str, study.run.latent))
    lead = f"An image is a latent of {size} numbers: what that loses, and where."
    if rows:
        lead += (
            " The table has other codes of the same images in as many bytes, at 8 bits a number; how each "
            "was made stands with the figures of the evaluation."
        )
    return [
        Section(
            "codec", "As a codec", lead, (Panel(study.title, tuple(exhibits)),),
            facts=rows, columns=tuple(COLUMNS.values()) if rows else (), rows="Code", charts_first=True,
        )
    ]  # fmt: skip


def _errors(given: np.ndarray, made: np.ndarray, low: float, high: float) -> tuple[np.ndarray, float]:
    """Give the mean absolute error over channels as grey images in the data's units, and what is white."""
    error = np.abs(made - given)[:, :3].mean(axis=1, keepdims=True)
    white = float(np.percentile(error, WHITE)) or 1.0
    shown = low + (high - low) * (error / white).clip(0, 1)
    whole = np.repeat(shown, given.shape[1], axis=1)
    whole[:, 3:] = high  # opaque
    return whole, white / ((high - low) or 1.0)


def _maps(study: Study, view: View, maps: np.ndarray, white: float) -> Exhibit:
    words = Words(
        f"{study.prefix}errors",
        "Where the errors are",
        "Of the first reconstructions above, in their order: the absolute error, mean over channels. White "
        f"is {white:.1%} of the data's range and more.",
        f"Error maps of {len(maps)} reconstructions by {study.title}",
    )
    return view.traversal(words, maps[None], ["error"])


def _details(study: Study, view: View, given: np.ndarray, made: np.ndarray, maps: np.ndarray) -> Exhibit:
    side = max(2, min(LARGEST, *(-(-size // CLOSER) for size in given.shape[2:])))
    places = [busiest(image, side) for image in given]

    def cut(images: np.ndarray) -> np.ndarray:
        parts = [
            image[:, top : top + side, left : left + side]
            for image, (top, left) in zip(images, places, strict=True)
        ]
        return np.stack(parts).repeat(CLOSER, axis=2).repeat(CLOSER, axis=3)

    words = Words(
        f"{study.prefix}details",
        "Details, four times as large",
        f"Of the same examples the {side}x{side} pixels with the most contrast, what came back, and the "
        "error.",
        f"Details of {len(given)} originals, of their reconstructions by {study.title}, and the errors",
    )
    return view.traversal(
        words, np.stack([cut(given), cut(made), cut(maps)]), ["original", "reconstruction", "error"]
    )


def busiest(image: np.ndarray, side: int) -> tuple[int, int]:
    """Find the part of an image with the most contrast.

    Args:
        image: shape `(C, H, W)`, at least as large as the part.
        side: pixels along each side of the part.

    Returns:
        Row and column of the corner where it begins, among those half a side apart.
    """
    height, width = image.shape[1:]
    step = max(1, side // 2)
    corners = [(y, x) for y in range(0, height - side + 1, step) for x in range(0, width - side + 1, step)]
    contrast = [image[:, y : y + side, x : x + side].var(axis=(1, 2)).mean() for y, x in corners]
    return corners[int(np.argmax(contrast))]


def _table(study: Study) -> tuple[Row, ...]:
    """Write a row for each code; nothing where the run was not evaluated."""
    figures = {} if study.assessment is None else study.assessment.figures
    return cells(study, [figures.get(name) for name in COLUMNS])


def cells(study: Study, columns: Sequence[Figure | None]) -> tuple[Row, ...]:
    """Write a row for each code that figures have parts for.

    Args:
        study: the run, whose own code is the first.
        columns: the figures, None where one was not measured.

    Returns:
        The rows; none where nothing was measured.
    """
    found = [figure for figure in columns if figure is not None]
    if not found:
        return ()
    rows = []
    for place, code in enumerate(found[0].parts):
        rows.append(Row(code if place else study.title, tuple(_cell(each, place) for each in columns)))
    return tuple(rows)


def _cell(figure: object, place: int) -> str:
    value, error = getattr(figure, "value", None), getattr(figure, "error", None)
    if not isinstance(value, Sequence):
        return NONE
    return uncertain(value[place], error[place]) if isinstance(error, Sequence) else number(value[place])


def _spectrum(study: Study) -> Exhibit | None:
    """Draw the energy of latents and of images by frequency, where they were evaluated."""
    figures = {} if study.assessment is None else study.assessment.figures
    if "latent_spectrum" not in figures:
        return None
    names = figures["latent_spectrum"].parts
    curves = [Curve(np.arange(len(names)), np.asarray(figures["latent_spectrum"].value), "latents")]
    images = figures.get("data_spectrum")
    if images is not None and len(images.parts) == len(names):
        curves.append(Curve(np.arange(len(names)), np.asarray(images.value), "images", LIGHT["second"]))
    noise = noise_spectrum(study.run.latent[1], study.run.latent[2])
    curves.append(Curve(np.arange(len(names)), noise, "noise", LIGHT["first"], ":"))
    words = Words(
        f"{study.prefix}spectrum",
        "Energy by frequency",
        "Share of the energy around each channel's mean, by frequency in percent of the highest: of the "
        "latents on their grid, of the images, and of noise on the latents' grid.",
        f"Line chart of the energy of the latents of {study.title} by frequency, beside images and noise",
    )
    return lines(words, [("", curves)], ticks=names, legend=True)
