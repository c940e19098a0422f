"""The latent spaces of several runs: their maps, and how they use their dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from latentia.plots.canvas import short
from latentia.plots.charts import Curve
from latentia.plots.exhibits import Exhibit, Panel, Words
from latentia.plots.joint_charts import overlaid
from latentia.plots.map_charts import Plane, planes
from latentia.plots.projection import SLOW, missing
from latentia.report.facts import remarks
from latentia.report.latent_sections import RINGS, map_colours, mapped_examples, sheet
from latentia.report.study import ACTIVE, Study
from latentia.report.views import View

CHARTS = {
    "itself": "The latents themselves",
    "pca": "PCA of the latents",
    "tsne": "t-SNE of the latents",
    "umap": "UMAP of the latents",
}


def maps_panel(studies: Sequence[Study], view: View) -> Panel:
    """Draw the maps of all runs, one chart for each way; for two latents, what the planes decode to.

    Args:
        studies: the runs.
        view: how the data are shown.

    Returns:
        The panel.
    """
    exhibits: list[Exhibit] = []
    for way, heading in CHARTS.items():
        able = [study for study in studies if way in study.ways]
        if able:
            exhibits.append(_chart(way, heading, able))
    if all(study.run.latent == (2,) for study in studies):
        for study in studies:
            exhibits += [_of(study, shown) for shown in sheet(study, view)]
    notes = {missing(study.mapped_codes) for study in studies}
    return Panel(exhibits=tuple(exhibits), note=max(notes))


def _of(study: Study, shown: Exhibit) -> Exhibit:
    """Put the run into the heading of an exhibit that was made for a page on it alone."""
    return replace(shown, words=replace(shown.words, title=f"{study.title}: {shown.words.title}"))


def _chart(way: str, heading: str, studies: Sequence[Study]) -> Exhibit:
    maps, names, scale, colours = [], [], "", ""
    found = [study.flattened[way].result() for study in studies]
    for study, flat in zip(studies, found, strict=True):
        values, names, scale, colours = map_colours(study)
        rings = study.rings if study.run.latent == (2,) else ()
        title = f"{short(study.title)} ({flat.remark})" if flat.remark else short(study.title)
        maps.append(Plane(title, flat.points, values, rings))
    method = found[0].method
    if way == "pca":
        method = "The first two principal components; above each map, how much of the variance they explain."
    elif way in SLOW:
        method += " Scale is disregarded: latents that carry next to nothing may still look grouped."
    elif way == "itself" and len({flat.method for flat in found}) > 1:
        method = "One latent dimension, or two."
    ringed = RINGS if any(each.circles for each in maps) else ""
    told = [study.title for study in studies if study.run.condition]
    if told:
        method += (
            f" Encoded under their own conditions, which alone may tell their classes: {', '.join(told)}."
        )
    caption = f"{mapped_examples(studies[0])}, the same for each run{colours}. {method}{ringed}"
    alt = f"{heading}: {', '.join(study.title for study in studies)}"
    return planes(Words(f"map-{way}", heading, caption, alt), maps, names, scale)


def dimensions_panel(studies: Sequence[Study], colours: Sequence[str]) -> Panel:
    """Draw in one chart how much many runs use their latent dimensions.

    Args:
        studies: the runs.
        colours: one for each run.

    Returns:
        The panel.
    """
    kinds = (
        ("kl", "KL per latent dimension", "KL, nats", [study for study in studies if study.kl]),
        (
            "spread",
            "Spread per latent dimension",
            "standard deviation of the codes",
            [study for study in studies if not study.bound],
        ),
    )
    by_title = {study.title: colour for study, colour in zip(studies, colours, strict=True)}
    exhibits = []
    for key, heading, unit, chosen in kinds:
        if not chosen:
            continue
        curves = []
        for study in chosen:
            used = np.array(study.kl) if key == "kl" else study.codes.std(axis=0)
            used = np.sort(used)[::-1]
            curves.append(Curve(np.arange(1, len(used) + 1), used, study.title, by_title[study.title]))
        caption = f"Dimensions of each run from the most used on. A KL under {ACTIVE} nats carries nothing."
        if key == "spread":
            caption = "Dimensions of each run from the most used on."
        alt = f"{heading}, one line for each of {len(chosen)} runs"
        words = Words(f"dimensions-{key}", heading, caption, alt)
        exhibits.append(overlaid(words, curves, ("latent dimension, sorted", unit), floor=0.0))
    silent = [study.title for study in studies if study.bound and not study.kl]
    note = f"No KL for each dimension was logged by {', '.join(silent)}." if silent else ""
    return Panel(exhibits=tuple(exhibits), note=note)


def curves_panel(studies: Sequence[Study], colours: Sequence[str]) -> Panel:
    """Draw in one chart for each term how the training of many runs went.

    Args:
        studies: the runs.
        colours: one for each run.

    Returns:
        The panel.
    """
    exhibits = []
    for term, heading, unit in (
        ("distortion", "Reconstruction", "expected −log p(x|z), nats"),
        ("rate", "KL", "KL(q(z|x) ‖ p(z)), nats"),
    ):
        curves = []
        for study, colour in zip(studies, colours, strict=True):
            rows = study.run.metrics("train")
            if rows and (term == "distortion" or study.bound):
                epochs = np.array([row["epoch"] for row in rows], float)
                values = np.array([row[term] for row in rows], float)
                curves.append(Curve(epochs, values, study.title, colour))
        if curves:
            alt = f"{heading} over epochs, one line for each of {len(curves)} runs"
            words = Words(f"curves-{term}", heading, "On the training split.", alt)
            exhibits.append(overlaid(words, curves, ("epoch", unit), floor=0.0 if term == "rate" else None))
    note = "" if exhibits else "These runs have logged no training."
    found = tuple(remark for study in studies for remark in remarks(study, study.title))
    return Panel(exhibits=tuple(exhibits), note=note, remarks=found)
