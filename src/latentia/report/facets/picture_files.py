"""Files of pictures with loss: a chart of rates and errors, beside JPEG, WebP and AVIF."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latentia.evaluation.topics import picture_files
from latentia.metrics.figures import Figure
from latentia.plots.charts import Curve, lines, run_colours
from latentia.plots.exhibits import Exhibit, Panel, Row, Section, Words
from latentia.report.group import Group
from latentia.report.study import Study
from latentia.report.words import NONE, capital, number, signed

REACH = 2.0
"""Points of others are drawn up to so many times the bits of the run's finest step."""
FEWEST = 2
"""Points that make a curve."""
COLUMNS = ("Bits per pixel", "PSNR, dB", "BD-rate")


def section(group: Group) -> Section | None:
    """Show what files of pictures take and lose.

    Args:
        group: the runs.

    Returns:
        The section; None where no run writes any, or none was evaluated.
    """
    lead = (
        "Pictures as files with loss, at several steps; of other formats from their lowest to their highest "
        "quality that was tried. BD-rate is how many more bits a run takes at equal PSNR: below 0 it is the "
        "better one."
    )
    return group.apiece("picture-files", "As files of pictures", lead, _panel)


def _panel(study: Study) -> Panel | None:
    figures = study.figures
    bits, psnr = (figures.get(name) for name in picture_files.TABLE)
    if bits is None or psnr is None or bits.parts != psnr.parts:
        return None
    curves = _curves(bits, psnr)
    rows = [
        Row(f"step {setting}", (number(rate), number(error), NONE))
        for setting, rate, error in curves[picture_files.OWN]
    ]
    rows += [_ends(kind, curves[kind], figures) for kind in curves if kind != picture_files.OWN]
    note = f"{bits.examples} {bits.split} pictures."
    return Panel(study.title, (_chart(study, curves),), note, facts=tuple(rows), columns=COLUMNS, rows="Code")


Curves = dict[str, list[tuple[str, float, float]]]
"""Of each codec its settings, with bits per pixel and PSNR."""


def _curves(bits: Figure, psnr: Figure) -> Curves:
    found: Curves = {picture_files.OWN: []}
    values = (np.atleast_1d(figure.value).tolist() for figure in (bits, psnr))
    for part, rate, error in zip(bits.parts, *values, strict=True):
        name, _, setting = part.rpartition(" ")
        own = name == picture_files.STEP
        found.setdefault(picture_files.OWN if own else name, []).append((setting, rate, error))
    return found


def _ends(kind: str, points: list[tuple[str, float, float]], figures: Mapping[str, Figure]) -> Row:
    """Say from where to where a codec goes, and what the run takes beside it."""
    _, rates, errors = zip(*points, strict=True)
    found = figures.get(picture_files.RATES.get(kind, ""))
    against = NONE if found is None or isinstance(found.value, tuple) else signed(found.value)
    spans = (f"{number(min(values))} to {number(max(values))}" for values in (rates, errors))
    return Row(kind, (*spans, against), note=capital(found.doubt) + "." if found and found.doubt else "")


def _chart(study: Study, curves: Curves) -> Exhibit:
    most = REACH * max(rate for _, rate, _ in curves[picture_files.OWN])
    drawn = {
        name: [point for point in points if name == picture_files.OWN or point[1] <= most]
        for name, points in curves.items()
    }
    drawn = {name: points for name, points in drawn.items() if len(points) >= FEWEST}
    shown = [
        Curve(
            np.array([point[1] for point in points]),
            np.array([point[2] for point in points]),
            study.title if name == picture_files.OWN else name,
            colour,
            "-" if name == picture_files.OWN else "--",
        )
        for (name, points), colour in zip(drawn.items(), run_colours(len(drawn)), strict=True)
    ]
    words = Words(
        f"{study.prefix}rates",
        "PSNR by rate",
        "PSNR in dB, upwards, by bits per pixel: means over the same pictures. Higher and further to the "
        "left is better.",
        f"Line chart of PSNR by bits per pixel of {study.title}, beside other formats of pictures",
    )
    return lines(words, [("", shown)], legend=True)
