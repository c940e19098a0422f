"""Files without loss, or by codes: what examples take, beside the bound and other compressors."""

from __future__ import annotations

from latentia.evaluation.topics import files
from latentia.plots.exhibits import Panel, Row, Section
from latentia.report.group import Group
from latentia.report.study import Study
from latentia.report.words import NONE, number, signed

COLUMNS = ("Bits per dimension", "Beside this run's file")


def section(group: Group) -> Section | None:
    """Show what files without loss, or of codes, take.

    Args:
        group: the runs.

    Returns:
        The section; None where no run writes any, or none was evaluated.
    """
    lead = (
        "What examples take as a file, beside other ways to write them. A model's weights, without which "
        "nothing can be read, are not counted."
    )
    return group.apiece("files", "As files", lead, _panel)


def _panel(study: Study) -> Panel | None:
    figures = study.figures
    bits, seconds = figures.get("file_bits_per_dim"), figures.get("file_seconds")
    if bits is None or not isinstance(bits.value, tuple):
        return None
    by_name = dict(zip(bits.parts, bits.value, strict=True))
    own = by_name[files.OWN]
    rows = tuple(
        Row(study.title, (number(value), NONE))
        if name == files.OWN
        else Row(name, (number(value), signed(100 * (value / own - 1))))
        for name, value in by_name.items()
    )
    loss = files.PRIOR in by_name
    kind = (
        "a file of their codes, of which they come back with loss"
        if loss
        else "a file without loss, value by value"
    )
    note = f"{bits.examples:,} {bits.split} {study.inputs.noun} as {kind}"
    if "file_overhead" in figures:
        note += f": {number(own)} bits per dimension, {figures['file_overhead'].value:.2f} % above "
        note += files.PRIOR if loss else files.BOUND
    if seconds is not None and isinstance(seconds.value, tuple):
        note += f"; {seconds.value[0]:.1f} s to write, {seconds.value[1]:.1f} s to read"
    return Panel(study.title, note=f"{note}.", facts=rows, columns=COLUMNS, rows="Code")
