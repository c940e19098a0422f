"""Latents as something to look at: of a run that is a prior alone they are all that it makes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from latentia.data.splits import spread
from latentia.plots.exhibits import Panel, Section, Words
from latentia.report.columns import Columns
from latentia.report.group import Group
from latentia.report.pictures import Pictures
from latentia.report.study import Study
from latentia.report.views import Made, View

MOST = 5_000
"""Latents of data that are drawn for a view at the most."""


def shown(z: np.ndarray) -> np.ndarray:
    """Give latents the shape in which they are shown.

    Args:
        z: latents, `(N, *latent)`.

    Returns:
        Vectors as they are; of a grid the channels below each other, as one grey picture, `(N, 1, C h, w)`;
        anything else as one long row.
    """
    if z.ndim == 4:
        return z.reshape(len(z), 1, z.shape[1] * z.shape[2], z.shape[3])
    return z.reshape(len(z), -1)


def latent_view(study: Study) -> tuple[View, np.ndarray]:
    """Make the view of a run's latents, and give some of data.

    Args:
        study: the run.

    Returns:
        The view, and latents of training examples, drawn from their posteriors, as `shown`.
    """
    rows = spread(study.inputs.dataset.splits["train"], MOST)
    z = shown(study.run.encode_examples(rows, sample=True))
    whole = np.arange(len(z))
    as_data = replace(
        study.inputs.dataset,
        x=z,
        splits={"train": whole, "validation": whole[:0], "test": whole[:0]},
        labels=None,
        columns=tuple(f"z{number}" for number in range(z.shape[1])) if z.ndim == 2 else (),
        factors=None,
        schema=None,
        pictures=None,
    )
    return (Pictures if z.ndim == 4 else Columns)(as_data), z


def of_latents(group: Group) -> Section:
    """Show latents that runs draw, beside those of data.

    Args:
        group: the runs, some of which are a prior alone.

    Returns:
        The section.
    """
    panels = tuple(_panel(study) for study in (group.studies if group.few else group.studies[:1]))
    lead = (
        "Latents, drawn as they are. A prior alone has no encoder and no decoder of its own, so this page "
        "has no reconstructions, interpolations or traversals; latentia report RUN --with CODEC shows what "
        "the run that encoded these latents decodes them to."
    )
    return Section("samples", "Samples of latents", lead, panels)


def _panel(study: Study) -> Panel:
    view, known = latent_view(study)
    count = view.samples_drawn
    c = study.run.conditions_for(count, seed=study.seed)
    drawn = shown(study.run.draw(count, c, seed=study.seed))
    tall = " Channels are below each other." if drawn.ndim == 4 else ""
    words = Words(
        f"{study.prefix}latents-drawn",
        "From the prior",
        f"{count:,} latents drawn from p(z), seed {study.seed}.{tall}",
        f"Latents drawn by {study.title}",
    )
    exhibits = list(view.samples({"prior": (words, [Made("prior", drawn, "")])}, known))
    if drawn.ndim == 4:
        beside = Words(
            f"{study.prefix}latents-known",
            "Of data",
            f"As many latents of training examples, drawn from their posteriors.{tall}",
            f"Latents of data that {study.title} was trained on",
        )
        exhibits.append(view.gallery(beside, known[spread(np.arange(len(known)), count)], 8))
    return Panel(study.title, tuple(exhibits))
