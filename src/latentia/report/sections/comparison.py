"""How several runs differ."""

from __future__ import annotations

from latentia.plots.exhibits import Section
from latentia.report.facts import outcome, settings, tabulate
from latentia.report.group import Group


def section(group: Group) -> Section | None:
    """Put settings side by side, and what was logged where no evaluation has its own table.

    Args:
        group: the runs.

    Returns:
        The section; None of a single run, whose facts stand at the head of the page.
    """
    if not group.several:
        return None
    columns = [settings(study) + ([] if group.assessed else outcome(study)) for study in group.studies]
    return Section("comparison", "Side by side", "", facts=tabulate(columns), columns=group.titles)
