"""What a corruption does to examples, and what a model leaves of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch

from latentia.evaluation.subject import Subject
from latentia.metrics.figures import Figure
from latentia.metrics.terms import squared_error

if TYPE_CHECKING:
    from latentia.runs.run import Run

TOPIC = "reconstruction"


def has(run: Run) -> bool:
    """Say whether a model sees corrupted examples.

    Args:
        run: the run.

    Returns:
        Whether it does.
    """
    return "corruption" in run.recipe


def measure(subject: Subject) -> None:
    """Measure it.

    Args:
        subject: the run under assessment.
    """
    subject.ledger.measure(["mse_corrupted", "mse_denoised"], partial(_restored, subject))


def _restored(subject: Subject) -> Mapping[str, Figure]:
    """Measure what a corruption does to examples, and what the model leaves of it."""
    run, units = subject.run, subject.units
    given = subject.unit(subject.scaled(subject.x))
    name = run.recipe["corruption"]["name"]
    pair = run.inference.restore(subject.x, seed=subject.settings.seed)
    found, nominal = {}, run.model.nominal
    for word, made in zip(("corrupted", "denoised"), pair, strict=True):
        pair_of = (torch.from_numpy(subject.unit(subject.scaled(made))), torch.from_numpy(given))
        each = squared_error(*pair_of, None if nominal is None else nominal.cpu()).numpy()
        how = f"squared error per value of examples under '{name}', {word}, against the clean ones, {units}"
        found[f"mse_{word}"] = Figure.mean_of(each, "", subject.split, how, "lower")
    return found
