"""How much the latent dimensions are used."""

from __future__ import annotations

import numpy as np

from latentia.plots.charts import Curve, bars
from latentia.plots.exhibits import Panel, Section, Words
from latentia.plots.joint_charts import overlaid
from latentia.report.group import Group
from latentia.report.study import ACTIVE, Study
from latentia.report.words import number

TITLE = "Use of the latent dimensions"


def section(group: Group) -> Section:
    """Draw how much each latent dimension is used: for each run, or of many runs in one chart.

    Args:
        group: the runs.

    Returns:
        The section.
    """
    kl = "How much each dimension says about an example: its KL from the prior, averaged over held-out data."
    spread = "An autoencoder has no KL; the spread of its codes shows which dimensions it uses."
    kinds = {study.bound for study in group.studies}
    lead = " ".join([kl] * (True in kinds) + [spread] * (False in kinds))
    if not group.few:
        return Section("dimensions", TITLE, lead, (_overlaid(group),))
    tops = {kind: max(_top(study) for study in group.studies if study.bound == kind) for kind in kinds}
    panels = tuple(_bars(study, tops[study.bound]) for study in group.studies)
    return Section("dimensions", TITLE, lead, panels)


def _used(study: Study) -> np.ndarray:
    """Give how much each dimension of a run is used; empty where it is unknown."""
    if study.coded:
        return np.zeros(0)
    return np.array(study.kl) if study.bound else study.codes.std(axis=0)


def _top(study: Study) -> float:
    return float(_used(study).max(initial=0.0))


def _bars(study: Study, top: float) -> Panel:
    """Draw a bar for each dimension of one run."""
    if study.coded:
        return Panel(study.title, note="Its latents are codes: see how often each is used.")
    if study.bound and not study.kl:
        note = (
            "This run has logged no KL for each dimension. A rate has such parts where posterior and prior "
            "are products over dimensions, with a closed form."
        )
        return Panel(study.title, note=note)
    used = _used(study)
    order = np.argsort(used)[::-1]
    values = used[order]
    if study.bound:
        what, measure, unit, mark = "KL", "KL", "nats", ACTIVE
        active = int((values > ACTIVE).sum())
        caption = (
            f"{active} of {len(values)} dimensions are active: a mean KL above {ACTIVE} nats. "
            f"Together {number(float(values.sum()))} nats. A dimension at zero carries nothing."
        )
    else:
        what, measure, unit, mark = "Spread", "standard deviation", "standard deviation", None
        caption = (
            f"Standard deviation of each dimension over the codes of {len(study.codes):,} "
            f"{study.inputs.split} {study.inputs.noun}."
        )
    alt = f"Bar chart of the {measure} of each latent dimension of {study.title}, sorted"
    words = Words(f"{study.prefix}dimensions", f"{what} per latent dimension", caption, alt)
    names = [str(dim) for dim in order]
    chart = bars(words, values.tolist(), names, "latent dimension, sorted", unit, mark, top)
    return Panel(study.title, (chart,))


def _overlaid(group: Group) -> Panel:
    """Draw the dimensions of many runs in one chart for each measure of their use."""
    by_kl = {study.title: np.array(study.kl) for study in group.studies if study.kl}
    by_spread = {study.title: study.codes.std(axis=0) for study in group.studies if not study.bound}
    kinds = (
        ("kl", "KL", "KL, nats", f" A KL under {ACTIVE} nats carries nothing.", by_kl),
        ("spread", "Spread", "standard deviation of the codes", "", by_spread),
    )
    colours = dict(zip(group.titles, group.colours, strict=True))
    exhibits = []
    for key, what, unit, more, found in kinds:
        if not found:
            continue
        curves = [
            Curve(np.arange(1, len(used) + 1), np.sort(used)[::-1], title, colours[title])
            for title, used in found.items()
        ]
        heading = f"{what} per latent dimension"
        caption = f"Dimensions of each run from the most used on.{more}"
        alt = f"{heading}, one line for each of {len(curves)} runs"
        words = Words(f"dimensions-{key}", heading, caption, alt)
        exhibits.append(overlaid(words, curves, ("latent dimension, sorted", unit), floor=0.0))
    silent = [study.title for study in group.studies if study.bound and not study.kl]
    note = f"No KL for each dimension was logged by {', '.join(silent)}." if silent else ""
    return Panel(exhibits=tuple(exhibits), note=note)
