"""The map of the latent space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentia.plots.canvas import short
from latentia.plots.charts import PER_TICK
from latentia.plots.exhibits import Exhibit, Panel, Section, Words
from latentia.plots.map_charts import Plane, planes
from latentia.plots.projection import SLOW, TOLD, WAYS, Flattened, missing
from latentia.report.group import Group
from latentia.report.inputs import class_names
from latentia.report.study import SIDE, Study
from latentia.report.words import number

PRIOR = 3.0
"""A map in the latents' own units reaches at least so many standard deviations of the prior each way."""
SCALED = " Axes are shared by the runs that have a prior, and reach as far as it does."
RINGS = " Dashed: 1, 2 and 3 standard deviations of the prior."


def section(group: Group) -> Section:
    """Draw the latent maps, of a single run in the best way and of several in all; and decode planes.

    Args:
        group: the runs.

    Returns:
        The section. What the plane of latents decodes to is shown where all runs have two of them.
    """
    able = {way: [study for study in group.studies if way in group.ways(study)] for way in WAYS}
    two = all(study.run.latent == (2,) for study in group.studies)
    sheets = [shown for study in group.studies for shown in _sheet(group, study)] if two else []
    wide = group.several or not sheets
    charts = [_chart(group, way, studies, wide) for way, studies in able.items() if studies]
    fallen = [study.title for study in group.studies if study.fallen and "pca" in able]
    notes = [max(missing(study.mapped_codes) for study in group.studies), _of_fallen(group, fallen)]
    note = " ".join(filter(None, notes))
    panel = Panel(exhibits=(*charts, *sheets), note=note)
    title = "Latent maps" if group.several else "Latent map"
    return Section("map", title, f"Where the encoder puts the {group.inputs.noun}.", (panel,))


def _of_fallen(group: Group, titles: Sequence[str]) -> str:
    """Say why latents that carry nothing are not arranged by their neighbours."""
    if not titles:
        return ""
    of = f" of {', '.join(titles)}" if group.several else ""
    return (
        f"The latents{of} carry next to nothing, so there are no groups to find: PCA draws them at the "
        "prior's scale. t‑SNE and UMAP disregard scale, and would arrange noise into shapes."
    )


def _reach(way: str, studies: Sequence[Study], found: Sequence[Flattened]) -> float:
    """Choose how far axes in the latents' own units reach: as far as the prior, and the widest run, do."""
    if way in SLOW or not any(study.bound for study in studies):
        return 0.0
    ends = [
        float(np.abs(flat.points).max()) for study, flat in zip(studies, found, strict=True) if study.bound
    ]
    return max(PRIOR, *(1.05 * end for end in ends))


def _chart(group: Group, way: str, studies: Sequence[Study], wide: bool) -> Exhibit:
    found = [study.flattened[way].result() for study in studies]
    coloured = [_colours(study) for study in studies]
    _, names, scale, colours = coloured[0]
    maps, reach = [], _reach(way, studies, found)
    for study, flat, (values, *_) in zip(studies, found, coloured, strict=True):
        title = short(study.title) * group.several
        title += f" ({flat.remark})" * bool(title and flat.remark)
        rings = study.rings if study.run.latent == (2,) else ()
        maps.append(Plane(title, flat.points, values, flat.axes, rings, reach if study.bound else 0.0))
    if group.several:
        name, where = f"map-{way}", ", the same for each run"
    else:
        name, where = "map", f", at their {'posterior means' if studies[0].bound else 'codes'}"
    heading, method = _method(group, way, found)
    told = [study.title for study in studies if study.run.condition]
    if told:
        of = f" Encoded under their own conditions, which alone may tell their classes: {', '.join(told)}."
        method += of if group.several else TOLD
    ringed = RINGS if any(each.circles for each in maps) else ""
    scaled = SCALED if reach and group.several else ""
    caption = f"{_examples(group)}{where}{colours}. {method}{ringed}{scaled}"
    alt = f"{heading}: {', '.join(study.title for study in studies)}"
    return planes(Words(name, heading, caption, alt), maps, names, scale, wide=wide)


def _method(group: Group, way: str, found: Sequence[Flattened]) -> tuple[str, str]:
    """Say how codes came to the plane: in a few words, and in a sentence that is true of all maps."""
    heading, method = found[0].title, found[0].method
    if not group.several:
        return heading, method
    if way == "pca":
        method = "The first two principal components; above each map, how much of the variance they explain."
    elif way in SLOW:
        method += " Scale is disregarded: latents that carry next to nothing may still look grouped."
    else:
        heading = "The latents themselves"
        method = method if len({flat.method for flat in found}) == 1 else "One latent dimension, or two."
    return heading, method


def _examples(group: Group) -> str:
    """Say which examples the points of a map are."""
    inputs = group.inputs
    positions = inputs.mapped
    own = int(np.isin(positions, inputs.held_out).sum())
    others = f" and {len(positions) - own:,} validation and training" if own < len(positions) else ""
    drawn = f", drawn from {inputs.drawn_from:,} with seed {group.seed}" if inputs.drawn_from else ""
    return f"{own:,} {inputs.split}{others} {inputs.noun}{drawn}"


def _colours(study: Study) -> tuple[np.ndarray, list[str], str, str]:
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


def _sheet(group: Group, study: Study) -> list[Exhibit]:
    """Show what the plane of two latents decodes to, or nothing where it cannot be seen."""
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
    heading = f"{study.title}: " * group.several + "The plane, decoded"
    words = Words(f"{study.prefix}plane", heading, caption, f"The latent plane of {study.title}, decoded")
    shown = group.view.sheet(words, decoded, SIDE)
    return [shown] if shown else []
