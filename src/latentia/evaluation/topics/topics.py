"""The topics of an assessment: which figure is measured on which data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from latentia.evaluation.subject import Subject
from latentia.evaluation.topics.generation import generation
from latentia.evaluation.topics.health import health
from latentia.evaluation.topics.likelihood import likelihood
from latentia.evaluation.topics.reconstruction import reconstructions
from latentia.evaluation.topics.representations import disentanglement, representation

MEASURES: Mapping[str, Callable[[Subject], None]] = {
    "likelihood": likelihood,
    "health": health,
    "reconstruction": reconstructions,
    "generation": generation,
    "representation": representation,
    "disentanglement": disentanglement,
}
"""What measures each topic."""
