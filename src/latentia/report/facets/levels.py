"""What each level of a hierarchy carries."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from latentia.plots.charts import bars
from latentia.plots.exhibits import Panel, Section, Words
from latentia.report.group import Group
from latentia.report.study import Study
from latentia.report.views import IN_ROW
from latentia.report.words import number


def section(group: Group) -> Section | None:
    """Show what each level of a hierarchy carries, and samples in which only the lower levels differ.

    Args:
        group: the runs.

    Returns:
        The section; None where no run has levels.
    """
    lead = "What the upper levels decide, and what they leave to those below."
    return group.apiece("levels", "Level by level", lead, _panel)


def _panel(study: Study) -> Panel | None:
    run, sizes = study.run, study.run.model.levels
    if not sizes:
        return None
    names = [f"z{level + 1}" for level in range(len(sizes))]
    kept = np.repeat(run.draw(1, seed=study.seed), IN_ROW, axis=0)
    drawn = [run.redraw(kept, level, seed=study.seed) for level in range(len(sizes))]
    made = run.inference.decode(np.concatenate(drawn)).reshape(len(sizes), IN_ROW, *run.event)
    samples = study.view.traversal(
        Words(
            f"{study.prefix}levels",
            "Samples level by level",
            "In each row the levels above the named one are those of one sample; this level and all below it "
            f"are drawn anew in each column. Seed {study.seed}.",
            f"Samples of {study.title} that share ever more of their upper levels, row by row",
        ),
        made,
        [f"{name} and below" if name != names[-1] else name for name in names],
    )
    exhibits = [samples]
    if len(study.kl) == sum(sizes):
        ends = np.cumsum([0, *sizes])
        rates = [sum(study.kl[a:b]) for a, b in pairwise(ends)]
        labels = [f"{name} ({size})" for name, size in zip(names, sizes, strict=True)]
        words = Words(
            f"{study.prefix}rate-by-level",
            "Rate by level",
            "Mean of log q - log p of each level, given the levels that q and p know, on held-out data: "
            f"{number(sum(rates))} nats together.",
            f"Bar chart of the rate of each level of {study.title}",
        )
        exhibits.append(bars(words, rates, labels, "level and its numbers, top first", "nats"))
    return Panel(study.title, tuple(exhibits))
