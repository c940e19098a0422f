"""The sections about the latent space itself: its map, the use of its dimensions, what each does."""

from __future__ import annotations

import numpy as np

from latentia.plots.charts import PER_TICK, bars
from latentia.plots.exhibits import Exhibit, Panel, Words
from latentia.plots.map_charts import plane
from latentia.plots.projection import TOLD
from latentia.report.facts import number
from latentia.report.inputs import class_names
from latentia.report.study import ACTIVE, ALONE, SIDE, Study
from latentia.report.views import View

RINGS = " Dashed: 1, 2 and 3 standard deviations of the prior."


def map_panel(study: Study, view: View) -> Panel:
    """Draw the latent map; for two latents, also what the plane decodes to.

    Args:
        study: the run.
        view: how the data are shown.

    Returns:
        The panel.
    """
    flat = study.flattened[ALONE].result()
    two = study.run.latent == (2,)
    circles = study.rings if two else ()
    values, shown, scale, colours = map_colours(study)
    rings = RINGS if circles else ""
    told = TOLD if study.run.condition else ""
    caption = f"{mapped_examples(study)}, at their posterior means{colours}.{told} {flat.method}{rings}"
    if not study.bound:
        caption = caption.replace("posterior means", "codes")
    words = Words(f"{study.prefix}map", flat.title, caption, f"Map of the latent space of {study.title}")
    plane_shown = sheet(study, view) if two else []
    exhibits = [
        plane(
            words, flat.points, values, shown, flat.axes, scale=scale, circles=circles, wide=not plane_shown
        )
    ]
    return Panel(study.title, (*exhibits, *plane_shown))


def mapped_examples(study: Study) -> str:
    """Say which examples the points of a map are.

    Args:
        study: the run.

    Returns:
        How many of which splits.
    """
    inputs = study.inputs
    positions = inputs.mapped
    own = int(np.isin(positions, inputs.held_out).sum())
    others = f" and {len(positions) - own:,} validation and training" if own < len(positions) else ""
    drawn = f", drawn from {inputs.drawn_from:,} with seed {study.seed}" if inputs.drawn_from else ""
    return f"{own:,} {inputs.split}{others} {inputs.noun}{drawn}"


def map_colours(study: Study) -> tuple[np.ndarray, list[str], str, str]:
    """Choose what the colour of a point means: its class, or the error of its reconstruction.

    Args:
        study: the run.

    Returns:
        The class or the value of each point; names of the classes, where they are few; the label of
        the scale, where there is one; and a clause for the caption.
    """
    positions = study.inputs.mapped
    labels, names = study.inputs.dataset.labels, class_names(study.inputs.dataset)
    if labels is None or not names:
        errors, _ = study.errors(positions)
        return errors, [], "squared error", ", coloured by the mean squared error of their reconstructions"
    if len(names) > PER_TICK:
        return labels[positions], [], "class", f", coloured by class, {len(names)} classes on one scale"
    return labels[positions], names, "", ", coloured by class"


def sheet(study: Study, view: View) -> list[Exhibit]:
    """Show what the plane of two latents decodes to.

    Args:
        study: the run.
        view: how the data are shown.

    Returns:
        The exhibit, or nothing where it cannot be seen.
    """
    across, up, decoded = study.sheet()
    ends = " and ".join(
        f"latent {dim} from {number(values[0], 2)} to {number(values[-1], 2)}"
        for dim, values in ((0, across), (1, up))
    )
    spacing = (
        "spaced so that the same mass of the prior lies between neighbours"
        if study.bound
        else "evenly spaced over the codes of held-out data, from the 1st to the 99th percentile"
    )
    caption = f"{SIDE} × {SIDE} decoded points of the plane, {ends}, {spacing}."
    words = Words(
        f"{study.prefix}plane", "The plane, decoded", caption, f"The latent plane of {study.title}, decoded"
    )
    shown = view.sheet(words, decoded, SIDE)
    return [shown] if shown else []


def kl_panel(study: Study, view: View) -> Panel:
    """Draw how much each latent dimension is used.

    Args:
        study: the run.
        view: how the data are shown.

    Returns:
        The panel.
    """
    name = f"{study.prefix}dimensions"
    if study.coded:
        return Panel(study.title, note="Its latents are codes: see how often each is used.")
    if study.bound and not study.kl:
        note = (
            "This run has logged no KL for each dimension. A rate has such parts where posterior and prior "
            "are products over dimensions, with a closed form."
        )
        return Panel(study.title, note=note)
    if study.bound:
        order = np.argsort(study.kl)[::-1]
        values = np.array(study.kl)[order]
        active = int((values > ACTIVE).sum())
        caption = (
            f"{active} of {len(values)} dimensions are active: a mean KL above {ACTIVE} nats. "
            f"Together {number(float(values.sum()))} nats. A dimension at zero carries nothing."
        )
        alt = f"Bar chart of the KL of each latent dimension of {study.title}, sorted"
        chart = bars(
            Words(name, "KL per latent dimension", caption, alt),
            values.tolist(), [str(dim) for dim in order], "latent dimension, sorted", "nats", mark=ACTIVE,
        )  # fmt: skip
        return Panel(study.title, (chart,))
    spread = study.codes.std(axis=0)
    order = np.argsort(spread)[::-1]
    caption = (
        f"Standard deviation of each dimension over the codes of {len(study.codes):,} "
        f"{study.inputs.split} {study.inputs.noun}."
    )
    alt = f"Bar chart of the standard deviation of each latent dimension of {study.title}, sorted"
    words = Words(name, "Spread per latent dimension", caption, alt)
    labels = [str(dim) for dim in order]
    return Panel(
        study.title,
        (bars(words, spread[order].tolist(), labels, "latent dimension, sorted", "standard deviation"),),
    )


def traversal_panel(study: Study, view: View) -> Panel:
    """Show what the most used dimensions do.

    Args:
        study: the run.
        view: how the data are shown.

    Returns:
        The panel.
    """
    if not study.flat:
        return Panel(
            study.title, note="This latent has height and width; its dimensions are not walked one by one."
        )
    dims, values, decoded = study.traversal()
    labels = [
        f"z{dim}: {number(row[0], 2)} to {number(row[-1], 2)}" for dim, row in zip(dims, values, strict=True)
    ]
    start = "the prior's mean" if study.bound else "the mean code of the training data"
    by = "KL" if study.kl else "the variance of the codes"
    total = study.run.latent[0]
    most = f"The {len(dims)} dimensions" if len(dims) == total else f"{len(dims)} of {total} dimensions"
    if total == 1:
        most = "The one dimension"
    light = "" if study.inputs.kind == "image" else " Low values are dark, high ones light."
    caption = f"{most}, by {by}, from {start}. Beside each: the values that it takes.{light}"
    alt = f"What each of {len(dims)} latent dimensions of {study.title} changes"
    words = Words(f"{study.prefix}traversals", "Traversals", caption, alt)
    return Panel(study.title, (view.traversal(words, decoded, labels),))
