"""What only some models have, measured where their topic is: a facet is a file here, and a name below.

Each has `TOPIC`, the topic that it adds to, `has(run)`, whether a run has it, and `measure(subject)`.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from latentia.evaluation.facets import (
    channels,
    classes,
    clips,
    clusters,
    codec,
    codes,
    conditions,
    corruption,
)

if TYPE_CHECKING:
    from latentia.runs.run import Run

FACETS: tuple[ModuleType, ...] = (
    codes, channels, conditions, classes, clusters, corruption, codec, clips,
)  # fmt: skip


def of_topic(run: Run, topic: str) -> list[ModuleType]:
    """Give the facets of a run that add to a topic.

    Args:
        run: the run.
        topic: the topic.

    Returns:
        The modules.
    """
    return [facet for facet in FACETS if topic == facet.TOPIC and facet.has(run)]
