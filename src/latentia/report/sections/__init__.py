"""The sections of the report: a section is a file, for one run and for several, and a name below.

Each has `section(group)`, which gives its section, or None where there is nothing to show.
"""

from __future__ import annotations

from types import ModuleType

from latentia.plots.exhibits import Section
from latentia.report.facets import own_sections
from latentia.report.group import Group
from latentia.report.sections import (
    comparison,
    data,
    dimensions,
    evaluation,
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

NUMBERS = (comparison, data, sizes, training)
SHOWN = (reconstructions, unusual, samples)
LATENTS = (interpolations, latent_values, latent_map, dimensions, traversals)


def sections(group: Group) -> list[Section]:
    """Write all sections.

    Args:
        group: the runs.

    Returns:
        The sections in the order of the page. A page on a sweep is about what changes: the numbers that do
        not come last.
    """
    if any(study.copies for study in group.studies):
        return _of_priors(group)
    if group.axis is None:
        before, after = _written(group, NUMBERS), _written(group, (evaluation, repeat))
    else:
        before, after = _written(group, (rate,)), _written(group, (evaluation, *NUMBERS, repeat))
    own = [] if group.several else own_sections(group.studies[0], group.view)
    return [*before, *_written(group, SHOWN), *own, *_written(group, LATENTS), *after]


def _of_priors(group: Group) -> list[Section]:
    """Write what there is to say where a run is a prior alone: it reconstructs nothing, and moves nothing."""
    own = [] if group.several else own_sections(group.studies[0], group.view)
    curve = () if group.axis is None else (rate,)
    return [
        *_written(group, (comparison, data, training, *curve, samples)),
        *own,
        *_written(group, (latent_map, evaluation, repeat)),
    ]


def _written(group: Group, parts: tuple[ModuleType, ...]) -> list[Section]:
    found = (part.section(group) for part in parts)
    return [section for section in found if section is not None]
