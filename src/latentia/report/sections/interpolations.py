"""The ways between two examples."""

from __future__ import annotations

import numpy as np

from latentia.plots.exhibits import Exhibit, Panel, Section, Words
from latentia.report.group import Group
from latentia.report.inputs import class_name

KINDS = (("linear", "Straight"), ("spherical", "Spherical"))


def section(group: Group) -> Section:
    """Walk between the same pairs in each run; of many runs, on the straight path alone.

    Args:
        group: the runs.

    Returns:
        The section.
    """
    lead = f"Paths between the latents of two {group.inputs.split} {group.inputs.noun}."
    if group.few:
        lead += (
            " The spherical path turns from one direction to the other and changes its length evenly; the "
            "straight one cuts the corner."
        )
    return Section("interpolations", "Interpolations", lead, (_panel(group),))


def _panel(group: Group) -> Panel:
    inputs = group.inputs
    if not inputs.pairs:
        return Panel(note="There are too few examples to walk between.")
    ends = np.stack([inputs.dataset.x[list(pair)] for pair in inputs.pairs])
    labels = [" → ".join(class_name(inputs.dataset, end) for end in pair) for pair in inputs.pairs]
    how = "From the first example (dark) to the second (light)."
    if inputs.kind == "image":
        how = "A block for each pair, in it a row for each run. " * group.several
        how += "The outer two of each row are the originals."
    exhibits: list[Exhibit] = []
    for kind, heading in KINDS if group.few else KINDS[:1]:
        words = Words(f"interpolation-{kind}", heading, how, f"{kind} interpolations by {group.names}")
        exhibits += group.view.paths(
            words, group.made(lambda study, kind=kind: study.paths(kind)), ends, labels
        )
    return Panel(exhibits=tuple(exhibits))
