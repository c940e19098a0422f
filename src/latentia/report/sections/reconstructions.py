"""What comes back of held-out examples."""

from __future__ import annotations

from latentia.metrics.known import Known
from latentia.plots.exhibits import Panel, Section, Words
from latentia.report.group import Group
from latentia.report.words import number


def section(group: Group) -> Section:
    """Show the same originals with the reconstructions of each run.

    Args:
        group: the runs.

    Returns:
        The section.
    """
    inputs, view = group.inputs, group.view
    chosen = view.compared_of(inputs)
    x = inputs.dataset.x[chosen]
    rows = ", one row for each run" * group.several
    how = {
        "image": f"Each row of originals stands over its reconstructions{rows}.",
        "vector": "What came out over what went in, in the data's units; on the line they are equal.",
    }.get(inputs.kind, "Originals and reconstructions.")
    alt = f"{len(x)} originals and their reconstructions by {group.names}"
    words = Words("reconstructions", "Originals and reconstructions", how + _errors(group), alt)
    made = group.made(lambda study: study.reconstructed(chosen))
    lead = (
        f"{inputs.split.capitalize()} {inputs.noun}, encoded to the posterior's mean and decoded to the "
        "likelihood's mean."
    )
    panel = Panel(exhibits=tuple(view.compare(words, x, made)))
    return Section("reconstructions", "Reconstructions", lead, (panel,))


def _errors(group: Group) -> str:
    """Say how large the errors are, where the runs are few enough to be listed."""
    if not group.few:
        return ""
    found = [(study, Known(study.known).value("mse")) for study in group.studies]
    of = f" Mean squared error, {group.studies[0].error_of}: "
    return of + ", ".join(f"{study.title} " * group.several + number(mse) for study, mse in found) + "."
