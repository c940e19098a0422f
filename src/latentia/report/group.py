"""The runs of a page: one, several side by side, or those of a sweep. One run is a list of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from latentia.plots.charts import run_colours
from latentia.plots.exhibits import Panel, Section
from latentia.plots.projection import best, ways
from latentia.report.axis import Axis
from latentia.report.columns import Columns
from latentia.report.inputs import Inputs, choose, mapped_for
from latentia.report.pictures import Pictures
from latentia.report.recipes import recipes
from latentia.report.series import Series
from latentia.report.study import Study
from latentia.report.views import Made, View
from latentia.report.words import listed

if TYPE_CHECKING:
    from latentia.evaluation import Assessment
    from latentia.runs.run import Run

FEW = 4
"""Up to as many runs have panels of their own where a section has no chart for all of them."""
VIEWS = {"image": Pictures, "vector": Columns, "video": Series, "array": Series}


@dataclass(frozen=True)
class Group:
    """The runs of a page, on the same data.

    Attributes:
        studies: the runs, at least one.
        axis: what a sweep changes from run to run.
    """

    studies: tuple[Study, ...]
    axis: Axis | None = None

    @property
    def inputs(self) -> Inputs:
        """The examples that all runs are seen on."""
        return self.studies[0].inputs

    @property
    def view(self) -> View:
        """How these data are shown."""
        return self.studies[0].view

    @property
    def seed(self) -> int:
        """Seed of everything random."""
        return self.studies[0].seed

    @property
    def several(self) -> bool:
        """Whether there is more than one run."""
        return len(self.studies) > 1

    @property
    def few(self) -> bool:
        """Whether each run may have a panel of its own."""
        return len(self.studies) <= FEW

    @property
    def assessed(self) -> bool:
        """Whether all of them were evaluated."""
        return all(study.assessment is not None for study in self.studies)

    @property
    def titles(self) -> tuple[str, ...]:
        """What the runs are called."""
        return tuple(study.title for study in self.studies)

    @property
    def names(self) -> str:
        """The same as a part of a sentence."""
        return listed(self.titles)

    @cached_property
    def colours(self) -> list[str]:
        """A colour for each run."""
        return run_colours(len(self.studies), ordered=self.axis is not None)

    @cached_property
    def first_seeds(self) -> Group:
        """The runs of a sweep with one seed of each value: what is drawn of them, seeds would only repeat."""
        firsts = tuple(recipe.studies[0] for recipe in recipes(self.studies))
        if self.axis is None or len(firsts) in (1, len(self.studies)):
            return self
        chosen = {study.title for study in firsts}
        pairs = zip(self.titles, self.axis.values, strict=True)
        values = tuple(value for title, value in pairs if title in chosen)
        return Group(firsts, Axis(self.axis.name, values))

    def ways(self, study: Study) -> tuple[str, ...]:
        """Choose the ways in which a run's latents are mapped: all that there are, or the best for one run.

        Args:
            study: the run.

        Returns:
            Names of ways, as in `projection.WAYS`.
        """
        able = ways(study.mapped_codes)
        if study.fallen:  # neighbours of what carries nothing are noise
            return able[:1]
        return able if self.several else (best(study.mapped_codes),)

    def made(self, make: Callable[[Study], np.ndarray]) -> list[Made]:
        """Ask each run for what it makes of the same inputs and the same noise.

        Args:
            make: gives data of a run, in the data's units.

        Returns:
            One for each run.
        """
        return [
            Made(study.title, make(study), colour)
            for study, colour in zip(self.studies, self.colours, strict=True)
        ]

    def apiece(
        self, key: str, title: str, lead: str, draw: Callable[[Study], Panel | None]
    ) -> Section | None:
        """Write a section in which each run that has something to show has a panel of its own.

        Args:
            key: the section's anchor.
            title: its heading.
            lead: what the reader needs to know first.
            draw: makes the panel of a run, or None of one without.

        Returns:
            The section; None where no run has a panel, and of many runs.
        """
        drawn = [draw(study) for study in self.studies] if self.few else ()
        panels = tuple(panel for panel in drawn if panel is not None)
        return Section(key, title, lead, panels) if panels else None


def gather(
    runs: Sequence[Run],
    seed: int = 0,
    assessments: Sequence[Assessment] = (),
    axis: Axis | None = None,
    points: int | None = None,
    partner: Run | None = None,
) -> Group:
    """Prepare runs: on the same data, each with a name of its own.

    Args:
        runs: the runs, of equal data.
        seed: seed of everything random.
        assessments: what the evaluation says of each, or none.
        axis: what a sweep changes from run to run; a single run has none.
        points: points of each latent map; by default fewer where many runs have to be mapped.
        partner: of a single run, the one that draws its latents or decodes them; or None.

    Returns:
        The group.
    """
    axis = axis if len(runs) > 1 else None
    dataset = runs[0].dataset
    for run in runs[1:]:
        run.dataset = dataset  # equal, and already read
    inputs = choose(dataset, seed, points or mapped_for(len(runs)))
    titles = _told_apart([run.name for run in runs] if axis is None else axis.titles)
    names = titles if axis is None else [f"{axis.short}-{value}" for value in axis.values]
    stems = _told_apart([_stem(name) for name in names])
    given = assessments or [None] * len(runs)
    view = VIEWS[inputs.kind](dataset)
    studies = tuple(
        Study(run, title, f"{stem}-" if len(runs) > 1 else "", inputs, view, seed, assessment, partner)
        for run, title, stem, assessment in zip(runs, titles, stems, given, strict=True)
    )
    return Group(studies, axis)


def _told_apart(names: Sequence[str]) -> list[str]:
    """Number names that are taken."""
    told: list[str] = []
    for name in names:
        numbered = (f"{name}-{number}" for number in range(2, len(names) + 2))
        told.append(name if name not in told else next(other for other in numbered if other not in told))
    return told


def _stem(title: str) -> str:
    """Make a name part of a file's name, on any system."""
    return re.sub(r"[^\w.+-]", "_", title)[:80]
