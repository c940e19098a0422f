"""The evaluation of one run or several: figures with their errors, what is wrong, what is missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from latentia.plots.exhibits import Bar, Cell, Panel, Remark, Row, Section
from latentia.report.group import Group
from latentia.report.marks import Column, error, judge, scalar
from latentia.report.recipes import Recipe, recipes
from latentia.report.study import Study
from latentia.report.words import NONE, capital, number, placeless, plain, sentence, spaced, title, uncertain

if TYPE_CHECKING:
    from latentia.evaluation import Assessment
    from latentia.metrics.figures import Figure


def section(group: Group) -> Section | None:
    """Write the figures with their errors, what is wrong, and what is missing.

    Args:
        group: the runs.

    Returns:
        The section; None where not all runs were assessed.
    """
    studies, several = group.studies, group.several
    if not group.assessed:
        return None
    assessments = [study.assessment for study in studies if study.assessment is not None]
    names = _names(assessments)
    shared = [name for name in names if any(name in each.figures for each in assessments)]
    usual = _usual(assessments)
    alike = recipes(studies)
    facts = (
        tuple(_compared(name, alike, usual) for name in shared)
        if several
        else tuple(_single(name, assessments[0].figures[name]) for name in shared)
    )
    absent = [name for name in names if name not in shared]
    return Section(
        "evaluation",
        "Every figure side by side" if several else "Evaluation",
        _lead(usual, several, any(recipe.several for recipe in alike)),
        _diagnosis(studies, assessments),
        facts=facts,
        columns=tuple(recipe.title for recipe in alike) if several else ("Value", "Unit", "Split"),
        rows="Figure",
        charts_first=not several,
        folded=_folded(studies, assessments, absent),
    )


def _lead(usual: str, several: bool, seeds: bool) -> str:
    lead = "Each value stands with its standard error. The name of a figure opens how it was measured"
    if not several:
        return f"{lead}."
    more = (
        " Runs that differ in their seed alone are one column: the mean over seeds ± the standard deviation "
        "between them, which comes to the error of a difference."
    )
    return (
        f"{lead}: on {usual}, unless the row says otherwise. Δ is how far a value is from the best of its "
        "row, with the standard error of that difference: of the differences example by example where both "
        "are means over the same examples. The best is marked ★ only where it is ahead of each other by more "
        "than two of these errors. Nats and bits are compared between runs of equal transform, likelihood "
        f"and condition alone.{more * seeds}"
    )


def _names(assessments: Sequence[Assessment]) -> list[str]:
    """Give all names, in the order of the run that has the most; then what none has."""
    ordered = sorted(assessments, key=lambda each: len(each.figures), reverse=True)
    names = [name for each in ordered for name in each.figures]
    names += [name for each in ordered for name in each.missing]
    return list(dict.fromkeys(names))


def _usual(assessments: Sequence[Assessment]) -> str:
    """Give the split and the number of examples that most figures are about."""
    counts = Counter(_split(figure) for each in assessments for figure in each.figures.values())
    return counts.most_common(1)[0][0] if counts else ""


def _single(name: str, figure: Figure) -> Row:
    cells = (_cell(figure, *_ends([figure])), figure.unit, _split(figure))
    return Row(title(name), cells, more=figure.protocol)


def _compared(name: str, groups: Sequence[Recipe], usual: str) -> Row:
    columns = [_column(name, group) for group in groups]
    verdict = judge(columns)
    present = [figure for column in columns for figure in column.figures if figure]
    first = present[0]
    ends = _ends(present)
    cells: list[Cell] = []
    for place, (column, group) in enumerate(zip(columns, groups, strict=True)):
        own = [figure for figure in column.figures if figure]
        if not own:
            why = [study.assessment.missing.get(name, "") for study in group.studies if study.assessment]
            cells.append(Cell(NONE, note=why[0]))
            continue
        said = (own[0].unit, _split(own[0]), own[0].protocol)
        known = (first.unit, _split(first), first.protocol)
        notes = [text for text, usually in zip(said, known, strict=True) if text != usually]
        behind = verdict.behind.get(place)
        delta = [f"Δ\u00a0{uncertain(behind.value, behind.error)}"] if behind else []
        cell = _cell(own[0], *ends) if len(own) == 1 or column.spread is None else _seeds(column)
        some = [f"{len(own)} of {len(group.studies)} seeds"] if len(own) < len(group.studies) else []
        one = [f"seed of {group.studies[0].title}"] if len(own) > 1 and column.spread is None else []
        note = "; ".join([*delta, *some, *one, *notes])
        cells.append(replace(cell, best=place == verdict.best, note=note))
    split = _split(first) if _split(first) != usual else ""
    note = " · ".join(part for part in (split, verdict.note) if part)
    return Row(title(name), tuple(cells), note, first.unit, first.protocol)


def _column(name: str, group: Recipe) -> Column:
    assessments = [study.assessment for study in group.studies if study.assessment is not None]
    figures = tuple(each.figures.get(name) for each in assessments)
    return Column(group.title, figures, tuple(each.about for each in assessments))


def _seeds(column: Column) -> Cell:
    """Write the mean over seeds and how far they spread."""
    return Cell(uncertain(float(column.numbers.mean()), column.spread))


def _split(figure: Figure) -> str:
    return f"{figure.split}, {figure.examples:,} examples" if figure.examples else figure.split


def _ends(figures: Sequence[Figure]) -> tuple[float, float]:
    """Give the scale of the bars of figures with several values: its bottom and its top."""
    values = [
        value
        for figure in figures
        if isinstance(figure.value, tuple)
        for value in figure.value
        if math.isfinite(value)
    ]
    return min([0.0, *values]), max([0.0, *values])


def _cell(figure: Figure, bottom: float, top: float) -> Cell:
    if not isinstance(figure.value, tuple):
        return Cell(uncertain(scalar(figure), error(figure)))
    errors = figure.error if isinstance(figure.error, tuple) else (figure.error,) * len(figure.value)
    parts = figure.parts or tuple(str(index) for index in range(len(figure.value)))
    span = (top - bottom) or 1.0
    bars = []
    for part, value, spread in zip(parts, figure.value, errors):
        low, high = sorted((0.0, value if math.isfinite(value) else 0.0))
        bars.append(Bar(part, uncertain(value, spread), (low - bottom) / span, (high - bottom) / span))
    finite = [value for value in figure.value if math.isfinite(value)]
    ends = f"{number(min(finite), 3)} to {number(max(finite), 3)}" if finite else NONE
    return Cell(ends, bars=tuple(bars))


def _diagnosis(studies: Sequence[Study], assessments: Sequence[Assessment]) -> tuple[Panel, ...]:
    """Say what is wrong with each run, and with which nothing is."""
    panels, sound = [], []
    for study, assessment in zip(studies, assessments):
        found = [
            Remark(capital(finding.name), sentence(finding.what), sentence(finding.advice))
            for finding in assessment.diagnosis
        ]
        found += [_warning(line, assessment) for line in assessment.warnings]
        if found:
            panels.append(Panel(study.title, remarks=tuple(found)))
        if not assessment.diagnosis:
            sound.append(study.title)
    if sound:
        panels.append(Panel(note=f"By these figures nothing is wrong with {', '.join(sound)}."))
    return tuple(panels)


def _warning(line: str, assessment: Assessment) -> Remark:
    """Write a warning, which may start with the name of the figure that it is about."""
    name, _, rest = line.partition(": ")
    if rest and name in assessment.figures:
        return Remark(f"{title(name)} is not to be trusted", sentence(rest))
    return Remark("Not to be trusted", sentence(line))


Folded = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def _folded(studies: Sequence[Study], assessments: Sequence[Assessment], absent: Sequence[str]) -> Folded:
    """Put aside what few will read: why figures are missing, and what they are about."""
    folded = []
    if absent:
        why: dict[str, list[str]] = {}
        for name in absent:
            reason = _told(studies, [each.missing.get(name, "") for each in assessments])
            why.setdefault(reason, []).append(title(name))
        rows = tuple((", ".join(names), reason) for reason, names in why.items())
        folded.append((f"Figures that could not be measured: {len(absent)}", rows))
    keys = dict.fromkeys(
        key for each in assessments for key in each.about if key not in ("checksum", "weights")
    )
    rows = [
        (spaced(key), placeless(_told(studies, [plain(each.about.get(key, "")) for each in assessments])))
        for key in keys
    ]
    folded += [("What the figures are about", tuple(rows))] if rows else []
    return tuple(folded)


def _told(studies: Sequence[Study], texts: Sequence[str]) -> str:
    """Say something of all runs: once where it is the same for all."""
    if len(set(texts)) == 1:
        return texts[0]
    return "; ".join(f"{study.title}: {text}" for study, text in zip(studies, texts) if text)
