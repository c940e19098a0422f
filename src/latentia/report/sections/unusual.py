"""The held-out examples that are least like those of the training, and what makes them so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latentia.data.column import column_names
from latentia.plots.exhibits import Panel, Remark, Section, Words
from latentia.report.group import Group
from latentia.report.inputs import Inputs
from latentia.report.study import Study
from latentia.report.words import number
from latentia.runs.anomaly import Explanation
from latentia.runs.exchange import is_frame
from latentia.runs.judging import LATENT, reasons

WORST = 10
"""Examples that are shown of each run."""
MOST = 2_000
"""Test examples that are scored for a report, at the most."""
REASONS = 3


@dataclass(frozen=True, eq=False)
class Worst:
    """The strangest test examples of a run, the strangest first.

    Attributes:
        rows: their positions in the data, shape `(N,)`.
        x: the examples, shape `(N, *event)`.
        p: the share of validation examples that are at least as strange, shape `(N,)`.
        explained: their scores, and what these are made of.
    """

    rows: np.ndarray
    x: np.ndarray
    p: np.ndarray
    explained: Explanation


def section(group: Group) -> Section | None:
    """Show the strangest test examples of each run, with reasons.

    Args:
        group: the runs.

    Returns:
        The section; None where there is no test split, or it would take long.
    """
    inputs = group.inputs
    count = len(inputs.held_out)
    if inputs.split != "test" or not group.few or count > MOST:
        return None
    if not all(study.run.quick_to_score(count) for study in group.studies):
        return None
    found = [_worst(study) for study in group.studies]
    scale = max(float(each.explained.entries.sum(axis=1).max(initial=0)) for each in found)
    panels = tuple(
        _panel(group, study, each, scale) for study, each in zip(group.studies, found, strict=True)
    )
    lead = (
        f"The test {inputs.noun} that are farthest from the training ones, by the score 'auto' of latentia "
        "score: how far out the distances to neighbours are, among the examples themselves and among their "
        "latents and residuals. p is the share of validation examples that are at least as strange."
    )
    return Section("unusual", "Unusual examples", lead, panels)


def _worst(study: Study) -> Worst:
    run, rows = study.run, study.inputs.held_out
    scorer, dataset = run.scorer(), study.inputs.dataset
    scores = scorer.score(dataset.part(rows), run.conditions_at(rows))
    chosen = rows[np.argsort(-scores, kind="stable")[:WORST]]
    x = np.asarray(dataset.part(chosen))
    explained = scorer.explain(x, run.conditions_at(chosen))
    return Worst(chosen, x, scorer.p_values(explained.score), explained)


def _panel(group: Group, study: Study, found: Worst, scale: float) -> Panel:
    inputs = group.inputs
    if inputs.kind == "vector":
        return Panel(study.title, remarks=tuple(_remarks(study, found)))
    listed = ", ".join(
        f"{row} ({number(score, 3)})"
        for row, score in zip(found.rows.tolist(), found.explained.score.tolist(), strict=True)
    )
    words = Words(
        f"{study.prefix}unusual",
        "The strangest test examples",
        f"From the strangest on, over what the model makes of them{_brighter(inputs, scale)}. "
        f"Positions and scores: {listed}; p is "
        f"{number(float(found.p[0]), 2)} for the first and {number(float(found.p[-1]), 2)} for the last.",
        f"The {len(found.x)} strangest test {inputs.noun} of {study.title}, and their reconstructions",
    )
    explained = found.explained
    exhibits = group.view.unusual(words, found.x, explained.expected, explained.entries, scale)
    return Panel(study.title, tuple(exhibits))


def _brighter(inputs: Inputs, scale: float) -> str:
    """Say what the map of an image means; its scale is that of all runs of the page."""
    if inputs.kind != "image":
        return ""
    return f" and over what each pixel adds to the score: white is {number(scale, 2)}, on one scale for all"


def _remarks(study: Study, found: Worst) -> list[Remark]:
    """Name for each row the columns that add most, with what was expected in their place."""
    run, inputs = study.run, study.inputs
    names = run.record.columns or column_names(run.event[0])
    values, expected = (_cells(study, part) for part in (found.x, found.explained.expected))
    remarks = []
    for place, row in enumerate(reasons(run, found.explained)):
        told = []
        for name, amount in list(row.items())[:REASONS]:
            if name == LATENT:
                told.append(f"the combination of its columns ({amount:+.2f})")
                continue
            value, usual = (column[names.index(name)][place] for column in (values, expected))
            instead = f", expected {usual}" * (usual != value)  # if equal, its neighbours have another
            told.append(f"{name} {value}{instead} ({amount:+.2f})")
        score, p = number(float(found.explained.score[place]), 3), number(float(found.p[place]), 2)
        head = f"Row {found.rows[place]}{_label(inputs, int(found.rows[place]))}"
        remarks.append(Remark(head, f"Score {score}, p {p}.", "; ".join(told)))
    return remarks


def _label(inputs: Inputs, row: int) -> str:
    labels, names = inputs.dataset.labels, inputs.dataset.label_names
    if labels is None or labels[row] < 0:
        return ""
    return f" ({names[labels[row]] if names else labels[row]})"


def _cells(study: Study, x: np.ndarray) -> list[list[str]]:
    """Write rows as their source has them, column by column."""
    table = study.run.outward(x)
    columns = [table[name] for name in table.columns] if is_frame(table) else list(np.asarray(table).T)
    return [[_text(cell) for cell in column] for column in columns]


def _text(cell: object) -> str:
    if isinstance(cell, (bool, np.bool_)) or not isinstance(cell, (int, float, np.number)):
        return str(cell)
    return number(float(cell))
