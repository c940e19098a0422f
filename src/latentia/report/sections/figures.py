"""The key figures of each run."""

from __future__ import annotations

from latentia.plots.exhibits import Panel, Section
from latentia.report.facts import tiles
from latentia.report.group import Group
from latentia.report.study import Study

UNFINISHED = "This run has no figures for a test split: it is not finished, or its data are too few."


def section(group: Group) -> Section | None:
    """Put the key figures of each run on tiles.

    Args:
        group: the runs.

    Returns:
        The section; None of many runs and of a sweep, whose figures stand in tables.
    """
    return None if group.axis is not None else group.apiece("figures", "Key figures", "", _tiles)


def _tiles(study: Study) -> Panel:
    shown = tuple(tiles(study))
    return Panel(study.title, note="" if shown else UNFINISHED, tiles=shown)
