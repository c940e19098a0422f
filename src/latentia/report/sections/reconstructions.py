"""What comes back of held-out examples."""

from __future__ import annotations

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
    inputs = group.inputs
    whole = f"{len(inputs.encoded):,} {inputs.split} {inputs.noun}"
    if group.several:
        each = ", ".join(f"{study.title} {number(study.accuracy[0])}" for study in group.studies)
        return f" Mean squared error of {whole}: {each}."
    study = group.studies[0]
    shown, _ = study.errors(group.view.compared_of(inputs))
    some = f"of those shown {number(float(shown.mean()))}"
    return f" Mean squared error {some}, of {whole} {number(study.accuracy[0])}."
