"""How training went: the logged terms over epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from latentia.plots.charts import Curve, history, span
from latentia.plots.exhibits import Panel, Section, Words
from latentia.plots.joint_charts import overlaid
from latentia.report.group import Group
from latentia.report.marks import SAME
from latentia.report.study import Study

LEAD = "What training minimised, split into its terms. The first steps are off the scale."
TERMS = (
    ("distortion", "Reconstruction", "expected −log p(x|z), nats", None),
    ("rate", "KL", "KL(q(z|x) ‖ p(z)), nats", 0.0),
)
"""What training minimises: name, title, unit, and where its axis starts."""
OF_PRIOR = (("rate", "Bound", "upper bound on −log p(z), nats", None),)
"""The same for a prior alone, which has nothing to reconstruct."""


def section(group: Group) -> Section:
    """Draw reconstruction and KL over epochs: for each run, or of many runs in one chart for each term.

    Args:
        group: the runs.

    Returns:
        The section.
    """
    if not group.few:
        return Section("curves", "Training", LEAD, (_overlaid(group),))
    reach = _reach(group)
    shared = " Axes are shared where nats are comparable." * group.several
    panels = tuple(_history(study, reach) for study in group.studies)
    return Section("curves", "Training", LEAD + shared, panels)


Reach = Mapping[tuple[str, str], tuple[float, float]]
"""Ends of the axis of each term, for runs of one scale."""


def _reach(group: Group) -> Reach:
    """Choose axes that hold the curves of all runs whose terms are on one scale."""
    ends: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for study in group.studies:
        train, validation = (study.run.metrics(split) for split in ("train", "validation"))
        if not train:
            continue
        for term, _, _, floor in _terms(study):
            own = span(_curve(train, term, 1.0), _curve(validation, term, 1.0), floor)
            ends.setdefault((term, _scale(study, term)), []).append(own)
    return {key: (min(low for low, _ in own), max(high for _, high in own)) for key, own in ends.items()}


def _scale(study: Study, term: str) -> str:
    """Name what a term's nats are comparable within: a rate's are everywhere."""
    spec = study.run.spec
    return "" if term == "rate" else str([spec.get(part) for part in SAME])


def _history(study: Study, reach: Reach) -> Panel:
    """Draw training and validation of one run, each term in a chart of its own."""
    train, validation = study.run.metrics("train"), study.run.metrics("validation")
    if not train:
        return Panel(study.title, note="This run has logged no training.")
    steps_per_epoch = train[-1]["step"] / train[-1]["epoch"]
    kept = study.test.get("weights_step") or _best(validation)
    best = kept / steps_per_epoch if kept else None
    exhibits = []
    for term, title, unit, _ in _terms(study):
        words = Words(
            f"{study.prefix}curve-{term}",
            title,
            _caption(term, train, validation, steps_per_epoch),
            f"{title} of {study.title} over epochs, training and validation",
        )
        first, second = (_curve(rows, term, steps_per_epoch) for rows in (train, validation))
        exhibits.append(history(words, first, second, best, unit, reach[term, _scale(study, term)]))
    note = "" if study.bound else "An autoencoder has no KL: reconstruction is all that it minimises."
    return Panel(study.title, tuple(exhibits), note)


def _terms(study: Study) -> tuple[tuple[str, str, str, float | None], ...]:
    """Give the terms of a run's training."""
    return OF_PRIOR if study.copies else TERMS if study.bound else TERMS[:1]


def _overlaid(group: Group) -> Panel:
    """Draw the training of many runs, all in one chart for each term."""
    exhibits = []
    for term, title, unit, floor in OF_PRIOR if all(study.copies for study in group.studies) else TERMS:
        curves = []
        for study, colour in zip(group.studies, group.colours, strict=True):
            rows = study.run.metrics("train")
            if rows and (term == "distortion" or study.bound):
                epochs = np.array([row["epoch"] for row in rows], float)
                values = np.array([row[term] for row in rows], float)
                curves.append(Curve(epochs, values, study.title, colour))
        if curves:
            alt = f"{title} over epochs, one line for each of {len(curves)} runs"
            words = Words(f"curves-{term}", title, "On the training split.", alt)
            exhibits.append(overlaid(words, curves, ("epoch", unit), floor=floor))
    note = "" if exhibits else "These runs have logged no training."
    return Panel(exhibits=tuple(exhibits), note=note)


def _curve(rows: list[dict[str, Any]], term: str, steps_per_epoch: float) -> Curve:
    return Curve(
        np.array([row["step"] / steps_per_epoch for row in rows]),
        np.array([row[term] for row in rows], float),
    )


def _best(validation: list[dict[str, Any]]) -> float | None:
    return min(validation, key=lambda row: row.get("score", row["loss"]))["step"] if validation else None


def _caption(
    term: str, train: list[dict[str, Any]], validation: list[dict[str, Any]], steps_per_epoch: float
) -> str:
    last = f"Training ended at {_nats(train[-1][term])}"
    if validation:
        last += f", validation at {_nats(validation[-1][term])}"
    return f"{last}, after {train[-1]['step'] / steps_per_epoch:.0f} epochs and {train[-1]['step']:,} steps."


def _nats(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") + " nats"
