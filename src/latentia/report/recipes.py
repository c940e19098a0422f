"""Runs that differ in nothing but a seed: one recipe, shown as one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentia.report.study import Study

SEEDS: Mapping[str, tuple[str, ...]] = {"training": ("seed",), "data": ("seed",), "condition": ("draw",)}
"""What the seeds of a run are called, by section."""
SEED_KEYS = frozenset(f"{section}.{name}" for section, names in SEEDS.items() for name in names)
PLACE: Mapping[str, tuple[str, ...]] = {"training": ("device", "threads")}
"""Where a run was trained: nothing of its recipe either."""


@dataclass(frozen=True)
class Recipe:
    """What runs have in common that differ in their seeds alone.

    Attributes:
        title: the run's own, or what the titles of several begin with and how many they are.
        studies: the runs.
    """

    title: str
    studies: tuple[Study, ...]

    @property
    def several(self) -> bool:
        """Whether it was run with more seeds than one."""
        return len(self.studies) > 1


def recipes(studies: Sequence[Study]) -> list[Recipe]:
    """Put runs together that differ in nothing but their seeds.

    Args:
        studies: the runs.

    Returns:
        The recipes, in the order of their first runs.
    """
    found: dict[str, list[Study]] = {}
    for study in studies:
        found.setdefault(key(study.run.spec), []).append(study)
    named: list[Recipe] = []
    for group in found.values():
        title = called([study.title for study in group])
        taken = {recipe.title for recipe in named}
        if title in taken:
            title = f"{group[0].title} and {len(group) - 1} more seeds"
        named.append(Recipe(title, tuple(group)))
    return named


def key(spec: Mapping[str, Any]) -> str:
    """Give what runs of one recipe have in common.

    Args:
        spec: the resolved specification of a run.

    Returns:
        It without its seeds, as text.
    """
    apart = {
        section: {*SEEDS.get(section, ()), *PLACE.get(section, ())} for section in (*SEEDS, *PLACE)
    }  # fmt: skip
    own = {
        section: {name: value for name, value in table.items() if name not in apart.get(section, ())}
        if isinstance(table, Mapping)
        else table
        for section, table in spec.items()
    }
    return json.dumps(own, sort_keys=True, default=str)


def called(titles: Sequence[str]) -> str:
    """Name runs of one recipe.

    Args:
        titles: what each is called.

    Returns:
        What they begin with, without the word for a seed, and how many they are.
    """
    if len(titles) == 1:
        return titles[0]
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*titles, strict=False))
    common = "".join(letters[0] for letters in alike)
    if common not in titles:
        common = re.sub(r"([\W_]+|[\W_]*(training\.)?seed[\W_]*)\d*$", "", common)
    return f"{common or titles[0]}, {len(titles)} seeds"
