"""The topics of an assessment: which figure is measured on which data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from latentia.evaluation.subject import Subject
from latentia.evaluation.topics import files, picture_files
from latentia.evaluation.topics.generation import generation
from latentia.evaluation.topics.health import health
from latentia.evaluation.topics.likelihood import likelihood
from latentia.evaluation.topics.reconstruction import reconstructions
from latentia.evaluation.topics.representations import disentanglement, representation


def compressed(subject: Subject) -> None:
    """Measure what a run's files take: those without loss, or those of pictures with it.

    Args:
        subject: the run under assessment; one that writes no files has no such figures.
    """
    for kind in (files, picture_files):
        if kind.has(subject.run):
            kind.measure(subject)


MEASURES: Mapping[str, Callable[[Subject], None]] = {
    "likelihood": likelihood,
    "health": health,
    "reconstruction": reconstructions,
    "generation": generation,
    "representation": representation,
    "disentanglement": disentanglement,
    "files": compressed,
}
"""What measures each topic."""
