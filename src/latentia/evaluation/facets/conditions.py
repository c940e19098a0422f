"""Whether samples under a label look like that label."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from latentia.core.errors import DataError, RunError
from latentia.data.conditions import Labels
from latentia.evaluation.subject import MOMENTS, Subject
from latentia.evaluation.topics.generation import GENERATED
from latentia.metrics.figures import Figure, Unmeasurable, mean_and_error

if TYPE_CHECKING:
    from latentia.runs.run import Run

TOPIC = "generation"


def has(run: Run) -> bool:
    """Say whether a model is told a label.

    Args:
        run: the run.

    Returns:
        Whether it does.
    """
    return isinstance(run.condition, Labels)


def measure(subject: Subject) -> None:
    """Measure it.

    Args:
        subject: the run under assessment.
    """
    names = ["condition_accuracy", "condition_accuracy_by_label"]
    if subject.of_moments:
        subject.ledger.lack(names, MOMENTS)
        return
    try:
        subject.ledger.measure(names, partial(_recognised, subject))
    except (RunError, DataError) as error:  # the run's own data may be gone
        subject.ledger.lack(names, str(error))


RECOGNISED = 1000
"""Samples for each label that a classifier is asked about, in all ten times as many at the most."""


def _recognised(subject: Subject) -> Mapping[str, Figure]:
    """Ask a classifier of the data whether samples under a label look like that label."""
    run, space = subject.run, subject.space
    if not isinstance(run.condition, Labels) or not hasattr(space, "classify"):
        raise Unmeasurable("the feature space has no classifier of labels")
    words, known = run.named_conditions()
    count = max(1, min(RECOGNISED, GENERATED // len(known)))
    c = np.repeat(known, count, axis=0)
    made = run.made(len(c), c, seed=subject.settings.seed)
    hits = (space.classify(made) == c.argmax(axis=1)).astype(float).reshape(-1, count)
    mean, error = mean_and_error(hits.ravel())
    own = next(iter(space.accuracy.values()))
    how = (
        f"samples under a label that are recognised as it, {count:,} for each label, by a classifier of the "
        f"data that is right for {own:.2%} of the test split"
    )
    return {
        "condition_accuracy": Figure(mean, "share", subject.split, how, error, len(c), "higher"),
        "condition_accuracy_by_label": Figure.of_parts(
            map(mean_and_error, hits), "share", subject.split, how, len(c), "higher", tuple(words)
        ),
    }  # fmt: skip
