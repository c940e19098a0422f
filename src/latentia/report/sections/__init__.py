"""The sections of the report: a section is a file, for one run and for several, and a name below.

Each has `section(group)`, which gives its section, or None where there is nothing to show.
"""

from __future__ import annotations

from types import ModuleType

from latentia.plots.exhibits import Section
from latentia.report.facets import FACETS
from latentia.report.group import Group
from latentia.report.sections import (
    comparison,
    data,
    dimensions,
    evaluation,
    figures,
    interpolations,
    latent_map,
    latent_values,
    rate,
    reconstructions,
    repeat,
    samples,
    sizes,
    training,
    traversals,
    unusual,
)

SHOWN = (reconstructions, samples)
LATENTS = (dimensions, traversals, interpolations, latent_values)
FIGURES = (figures, comparison, training, evaluation, unusual)
BEHIND = (data, sizes, repeat)


def sections(group: Group) -> list[Section]:
    """Write all sections.

    Args:
        group: the runs.

    Returns:
        The sections in the order of the page: what a run makes, its latents, its figures, and what is behind
        them. A page on a sweep begins with what changes, and draws one seed of each value.
    """
    if any(study.copies for study in group.studies):  # a prior alone reconstructs nothing, and moves nothing
        drawn, told = (
            (samples, *FACETS, latent_map),
            (figures, comparison, training, evaluation, data, repeat),
        )
    else:
        drawn, told = (*SHOWN, latent_map, *FACETS, *LATENTS), (*FIGURES, *BEHIND)
    return [*_written(group, (rate,)), *_written(group.first_seeds, drawn), *_written(group, told)]


def _written(group: Group, parts: tuple[ModuleType, ...]) -> list[Section]:
    found = (part.section(group) for part in parts)
    return [section for section in found if section is not None]
