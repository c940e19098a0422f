"""What an image codec loses, and where: error maps, details, other codes of equal size, the spectrum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from latentia.evaluation.facets import codec
from latentia.metrics.spectrum import noise_spectrum
from latentia.plots.charts import Curve, lines
from latentia.plots.exhibits import Exhibit, Panel, Row, Section, Words
from latentia.plots.theme import LIGHT
from latentia.report.group import Group
from latentia.report.study import Study
from latentia.report.views import IN_ROW
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


def section(group: Group) -> Section | None:
    """Show what a codec of images loses.

    Args:
        group: the runs.

    Returns:
        The section; None where no run's latent is a grid smaller than an image.
    """
    lead = (
        "What a latent on a grid loses, and where. An evaluation adds a table of other codes of the same "
        "images in as many bytes, at 8 bits a number; how each was made stands with its figures."
    )
    return group.apiece("codec", "As a codec", lead, _panel)


def _panel(study: Study) -> Panel | None:
    if not codec.has(study.run):
        return None
    low, high = study.run.image_range
    positions = study.view.compared_of(study.inputs)[:IN_ROW]
    given = np.asarray(study.inputs.dataset.x[positions], dtype=np.float32)
    made = np.clip(np.asarray(study.reconstructed(positions), dtype=np.float32), low, high)
    maps, white = _errors(given, made, low, high)
    exhibits = [_maps(study, maps, white), _details(study, given, made, maps)]
    chart = _spectrum(study)
    exhibits += [chart] if chart else []
    size = "x".join(map(str, study.run.latent))
    return beside_others(study, exhibits, f"An image is a latent of {size} numbers.", COLUMNS)


def _errors(given: np.ndarray, made: np.ndarray, low: float, high: float) -> tuple[np.ndarray, float]:
    """Give the mean absolute error over channels as grey images in the data's units, and what is white."""
    error = np.abs(made - given)[:, :3].mean(axis=1, keepdims=True)
    white = float(np.percentile(error, WHITE)) or 1.0
    shown = low + (high - low) * (error / white).clip(0, 1)
    whole = np.repeat(shown, given.shape[1], axis=1)
    whole[:, 3:] = high  # opaque
    return whole, white / ((high - low) or 1.0)


def _maps(study: Study, maps: np.ndarray, white: float) -> Exhibit:
    words = Words(
        f"{study.prefix}errors",
        "Where the errors are",
        "Of the first reconstructions above, in their order: the absolute error, mean over channels. White "
        f"is {white:.1%} of the data's range and more.",
        f"Error maps of {len(maps)} reconstructions by {study.title}",
    )
    return study.view.traversal(words, maps[None], ["error"])


def _details(study: Study, given: np.ndarray, made: np.ndarray, maps: np.ndarray) -> Exhibit:
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
    return study.view.traversal(
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


def beside_others(study: Study, exhibits: Sequence[Exhibit], note: str, columns: Mapping[str, str]) -> Panel:
    """Write the panel of a codec, with a row for each code that figures of the evaluation have parts for.

    Args:
        study: the run, whose own code is the first.
        exhibits: the figures.
        note: what stands before them.
        columns: names of figures of the evaluation, with what stands over their columns.

    Returns:
        The panel; its table is empty where the run was not evaluated.
    """
    figures = [study.figures.get(name) for name in columns]
    codes = next((figure.parts for figure in figures if figure is not None), ())
    rows = tuple(
        Row(code if place else study.title, tuple(_cell(each, place) for each in figures))
        for place, code in enumerate(codes)
    )
    heads = tuple(columns.values())
    return Panel(study.title, tuple(exhibits), note, facts=rows, columns=heads, rows="Code")


def _cell(figure: object, place: int) -> str:
    value, error = getattr(figure, "value", None), getattr(figure, "error", None)
    if not isinstance(value, Sequence):
        return NONE
    return uncertain(value[place], error[place]) if isinstance(error, Sequence) else number(value[place])


def _spectrum(study: Study) -> Exhibit | None:
    """Draw the energy of latents and of images by frequency, where they were evaluated."""
    figures = study.figures
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
