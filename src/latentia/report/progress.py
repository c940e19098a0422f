"""How training went: the logged terms over epochs."""

from __future__ import annotations

from typing import Any

import numpy as np

from latentia.plots.charts import Curve, history
from latentia.plots.exhibits import Panel, Words
from latentia.report.facts import remarks
from latentia.report.study import Study


def curves_panel(study: Study) -> Panel:
    """Draw reconstruction and KL over epochs, each in a chart of its own.

    Args:
        study: the run.

    Returns:
        The panel.
    """
    train, validation = study.run.metrics("train"), study.run.metrics("validation")
    if not train:
        return Panel(study.title, note="This run has logged no training.")
    steps_per_epoch = train[-1]["step"] / train[-1]["epoch"]
    kept = study.test.get("weights_step") or _best(validation)
    best = kept / steps_per_epoch if kept else None
    terms: list[tuple[str, str, str, float | None]] = [
        ("distortion", "Reconstruction", "expected −log p(x|z), nats", None)
    ]
    if study.bound:
        terms.append(("rate", "KL", "KL(q(z|x) ‖ p(z)), nats", 0.0))
    exhibits = []
    for term, title, unit, floor in terms:
        words = Words(
            f"{study.prefix}curve-{term}",
            title,
            _caption(term, train, validation, steps_per_epoch),
            f"{title} of {study.title} over epochs, training and validation",
        )
        curves = [_curve(rows, term, steps_per_epoch) for rows in (train, validation)]
        exhibits.append(history(words, *curves, best=best, unit=unit, floor=floor))
    note = "" if study.bound else "An autoencoder has no KL: reconstruction is all that it minimises."
    return Panel(study.title, tuple(exhibits), note, remarks(study))


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
