"""Sections that only some models have: a facet is a file here, and a name below.

Each has `section(group)`, as all sections have: with a panel for each run that has what it shows, or None.
"""

from __future__ import annotations

from types import ModuleType

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

FACETS: tuple[ModuleType, ...] = (
    codec, clips, shapes, picture_files, files, conditions, diffusion, levels, codes, clusters, corruption,
)  # fmt: skip
