"""What a condition does to samples and to examples."""

from __future__ import annotations

import numpy as np

from latentia.plots.exhibits import Panel, Section, Words
from latentia.report.group import Group
from latentia.report.inputs import class_name
from latentia.report.study import Study
from latentia.report.views import IN_ROW

MOST = 20
"""Conditions side by side at the most."""
EDITED = 6
"""Examples that are decoded under others than their own."""


def section(group: Group) -> Section | None:
    """Show the same latents under each condition, and examples decoded under others than their own.

    Args:
        group: the runs.

    Returns:
        The section; None where no run has conditions with names.
    """
    lead = "What the condition says, and what is left to the latent."
    return group.apiece("conditions", "By condition", lead, _panel)


def _panel(study: Study) -> Panel | None:
    run = study.run
    names, rows = run.named_conditions()
    if not names or study.copies:
        return None
    names, rows = names[:MOST], rows[:MOST]
    c = np.repeat(rows, IN_ROW, axis=0)
    # One draw of noise for all rows: what differs down a column is what the condition does.
    drawn = [run.draw(IN_ROW, np.repeat(row[None], IN_ROW, axis=0), seed=study.seed) for row in rows]
    made = run.inference.decode(np.concatenate(drawn), c).reshape(len(rows), IN_ROW, *run.event)
    grid = study.view.traversal(
        Words(
            f"{study.prefix}by-condition",
            "Samples by condition",
            f"One row for each condition; the noise of a column is the same in all rows. Seed {study.seed}.",
            f"Samples of {study.title}, one row for each of {len(names)} conditions",
        ),
        made,
        names,
    )
    positions = study.inputs.shown[:EDITED]
    x = study.inputs.dataset.x[positions]
    codes = run.encode_examples(positions)
    changed = [run.inference.decode(codes, row) for row in rows]
    walks = np.stack([np.asarray(x, dtype=np.float32), *changed], axis=1)
    edited = study.view.traversal(
        Words(
            f"{study.prefix}edited",
            "Edited by condition",
            f"An example first, then its latent decoded under each condition: {', '.join(names)}.",
            f"{len(x)} examples decoded by {study.title} under each condition",
        ),
        walks,
        [class_name(study.inputs.dataset, int(position)) for position in positions],
    )
    return Panel(study.title, (grid, edited))
