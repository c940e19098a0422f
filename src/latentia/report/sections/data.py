"""What the data are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentia.plots.charts import PER_TICK, bars
from latentia.plots.exhibits import Exhibit, Panel, Section, Words
from latentia.report.facts import data_facts, tabulate
from latentia.report.group import Group
from latentia.report.inputs import Inputs, class_names


def section(group: Group) -> Section:
    """Show training examples, the sizes of classes, and what is known of the data.

    Args:
        group: the runs.

    Returns:
        The section.
    """
    inputs, view = group.inputs, group.view
    chosen = view.gallery_of(inputs)
    classes = class_names(inputs.dataset)
    in_turn = " Classes take turns." if classes and inputs.kind != "vector" else ""
    gallery = view.gallery(
        Words(
            "data",
            "Examples" if inputs.kind != "vector" else "Distributions",
            f"{len(chosen):,} training {inputs.noun}.{in_turn} {view.remark}".strip(),
            f"{len(chosen)} {inputs.noun} from the training split",
        ),
        inputs.dataset.x[chosen],
        len(classes) if 5 <= len(classes) <= 12 else 10,
    )
    exhibits = (gallery, _label_counts(inputs, classes)) if classes else (gallery,)
    facts = tabulate([data_facts(inputs)])
    return Section("data", "What the data are", "", (Panel(exhibits=exhibits),), facts=facts)


def _label_counts(inputs: Inputs, names: Sequence[str]) -> Exhibit:
    labels = inputs.dataset.labels
    counts = np.bincount(labels[labels >= 0], minlength=len(names)) if labels is not None else np.zeros(0)
    equal = counts.min() == counts.max()
    ends = f"{counts.max():,} each" if equal else f"{counts.min():,} to {counts.max():,}"
    caption = f"{inputs.noun.capitalize()} in each class, all splits together: {ends}."
    if len(names) > PER_TICK:
        caption += f" {len(names)} classes, in the order of their labels."
    alt = "Bar chart of the number of examples in each class"
    return bars(Words("labels", "Classes", caption, alt), counts.tolist(), names, "class", inputs.noun)
