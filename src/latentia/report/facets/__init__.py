"""Sections that only some models have: a facet is a file here, and a name below.

Each has `sections(study, view)`, which gives its sections, or none for a run without.
"""

from __future__ import annotations

from types import ModuleType

from latentia.plots.exhibits import Section
from latentia.report.facets import (
    clips,
    clusters,
    codec,
    codes,
    conditions,
    corruption,
    diffusion,
    files,
    levels,
    picture_files,
    shapes,
)
from latentia.report.study import Study
from latentia.report.views import View

FACETS: tuple[ModuleType, ...] = (
    codec, clips, shapes, picture_files, files, conditions, diffusion, levels, codes, clusters, corruption,
)  # fmt: skip


def own_sections(study: Study, view: View) -> list[Section]:
    """Write the sections that belong to the model of a run alone.

    Args:
        study: the run.
        view: how the data are shown.

    Returns:
        The sections; none for most models.
    """
    return [section for facet in FACETS for section in facet.sections(study, view)]
