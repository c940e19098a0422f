"""Files without loss, or by codes: what examples take, beside the bound and other compressors."""

from __future__ import annotations

from latentia.evaluation.topics import files
from latentia.plots.exhibits import Row, Section
from latentia.report.study import Study
from latentia.report.views import View
from latentia.report.words import NONE, number, signed

COLUMNS = ("Bits per dimension", "Beside this run's file")


def sections(study: Study, view: View) -> list[Section]:
    """Show what files without loss take.

    Args:
        study: the run.
        view: how the data are shown.

    Returns:
        The section; nothing for a run that writes none, or was not evaluated.
    """
    figures = {} if study.assessment is None else study.assessment.figures
    bits, seconds = figures.get("file_bits_per_dim"), figures.get("file_seconds")
    if bits is None or not isinstance(bits.value, tuple):
        return []
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
    lead = f"{bits.examples:,} {bits.split} {study.inputs.noun} as {kind}"
    if "file_overhead" in figures:
        lead += f": {number(own)} bits per dimension, {figures['file_overhead'].value:.2f} % above "
        lead += files.PRIOR if loss else files.BOUND
    if seconds is not None and isinstance(seconds.value, tuple):
        lead += f"; {seconds.value[0]:.1f} s to write, {seconds.value[1]:.1f} s to read"
    lead += ". The model's weights, without which nothing can be read, are not counted."
    title = "As files of codes" if loss else "As files without loss"
    return [Section("files", title, lead, facts=rows, columns=COLUMNS, rows="Code")]
