"""What the networks weigh, and how far they compress."""

from __future__ import annotations

from latentia.plots.exhibits import Section
from latentia.report.facts import lecture, tabulate
from latentia.report.group import Group


def section(group: Group) -> Section:
    """Put the sizes into a table, with a column for each run.

    Args:
        group: the runs.

    Returns:
        The section.
    """
    rows = tabulate([lecture(study) for study in group.studies])
    lead = "What the networks weigh and how far they compress. Compression counts numbers, not bits."
    columns = group.titles if group.several else ()
    return Section("sizes", "Sizes and compression", lead, facts=rows, columns=columns)
