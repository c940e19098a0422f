"""How often a model's own classifier is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from latentia.evaluation.subject import Subject
from latentia.metrics.figures import Figure

if TYPE_CHECKING:
    from latentia.runs.run import Run

TOPIC = "representation"


def has(run: Run) -> bool:
    """Say whether a model infers labels.

    Args:
        run: the run.

    Returns:
        Whether it does.
    """
    return run.model.classifies


def measure(subject: Subject) -> None:
    """Measure it.

    Args:
        subject: the run under assessment.
    """
    labels = subject.labels(subject.rows)
    if labels is not None and subject.dataset.classes > 1:
        subject.ledger.measure(["classification_error"], partial(_classified, subject, labels))


def _classified(subject: Subject, labels: np.ndarray) -> Mapping[str, Figure]:
    """Hold the model's own classifier against the labels."""
    run = subject.run
    of = labels >= 0
    known = run.condition.known if run.condition else ""
    wrong = run.inference.classify(subject.x[of]).argmax(axis=1) != labels[of]
    how = f"examples whose most probable class under q(y|x) is not their label; trained with {known}"
    figure = Figure.mean_of(wrong, "share", subject.split, how, "lower", rows=subject.rows[of])
    return {"classification_error": figure}
