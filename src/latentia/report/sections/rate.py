"""What a sweep is for: rate and distortion, and what else changes, along its axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from latentia.plots.exhibits import Exhibit, Panel, Row, Section, Words
from latentia.plots.joint_charts import Measure, Spot, along, seesaw
from latentia.report.axis import Axis
from latentia.report.group import Group
from latentia.report.marks import SAME, error, scalar
from latentia.report.recipes import SEED_KEYS, Recipe, recipes
from latentia.report.study import ACTIVE, Study
from latentia.report.words import uncertain

Measured = tuple[float, float]
"""A value and its standard error; NaN where they are unknown."""
NOTHING = (math.nan, math.nan)


@dataclass(frozen=True)
class Source:
    """Where the numbers of the section come from: one source for all runs, so that they compare.

    Attributes:
        assessed: whether it is the evaluation; else what training logged at its end.
        split: the split that they are about.
        seeds: whether they are means over seeds.
    """

    assessed: bool
    split: str

    seeds: bool = False

    @property
    def sentence(self) -> str:
        """What to say of it in a caption."""
        if self.seeds:
            what = "the evaluation" if self.assessed else "what training logged at its end"
            return (
                f"Means over seeds of figures of {what}, {self.split} split; bars are standard deviations "
                "between seeds."
            )
        if self.assessed:
            return f"Figures of the evaluation, {self.split} split; bars are standard errors."
        return f"Figures that training logged at its end, {self.split} split."


def section(group: Group) -> Section | None:
    """Draw distortion over rate and what changes along the axis of a sweep, and write both into a table.

    Args:
        group: the runs in the order of the axis.

    Returns:
        The section; None where no axis is known.
    """
    if group.axis is None:
        return None
    studies = group.studies
    places, axis = _places(studies, group.axis)
    source = replace(_source(studies), seeds=len(places) < len(studies))
    rates = [_over(place, lambda study: _nats(study, "rate", source)) for place in places]
    distortions = [_over(place, lambda study: _nats(study, "distortion", source)) for place in places]
    notes = []
    pointless = [place.title for place in places if not place.studies[0].bound]
    if pointless:
        notes.append(f"An autoencoder has no rate, and no place in the first chart: {', '.join(pointless)}.")
    unknown = [
        place.title
        for place, rate, distortion in zip(places, rates, distortions, strict=True)
        if place.studies[0].bound and not all(map(math.isfinite, (rate[0], distortion[0])))
    ]
    if unknown:
        notes.append(f"Without figures on held-out data: {', '.join(unknown)}.")
    exhibits: list[Exhibit] = []
    differ = _differ(studies)
    if differ:
        notes.append(
            f"The runs differ in {differ}, so their distortions are on different scales and are not joined."
        )
    joined = not differ and axis.ordered
    spots = [
        Spot(place.title, rate[0], distortion[0], (_known(rate[1]), _known(distortion[1])))
        for place, rate, distortion in zip(places, rates, distortions, strict=True)
        if place.studies[0].bound and math.isfinite(rate[0]) and math.isfinite(distortion[0])
    ]
    if spots:
        exhibits.append(seesaw(_seesaw_words(axis, source, joined), spots, joined=joined))
    exhibits.append(_along(studies, places, axis, rates, source))
    return Section(
        "rate",
        "Rate and distortion",
        "The rate is what the latent carries about an example, the distortion what its reconstruction costs. "
        "Their sum is −ELBO; a weight on the rate moves along the curve.",
        (Panel(exhibits=tuple(exhibits), note=" ".join(notes)),),
        facts=_table(studies, [*places, *_together(studies, places)], source),
        columns=_COLUMNS,
        rows=axis.spoken,
        charts_first=True,
    )


def _places(studies: Sequence[Study], axis: Axis) -> tuple[list[Recipe], Axis]:
    """Give the places along the axis; seeds share one where something else differs, too."""
    groups = recipes(studies)
    left = axis.without(SEED_KEYS)
    if left is None or len(groups) == len(studies):
        values = axis.values
        names = [value if values.count(value) == 1 else study.title for study, value in zip(studies, values)]
        return [Recipe(name, (study,)) for study, name in zip(studies, names, strict=True)], axis
    labels = dict(zip((study.title for study in studies), left.values, strict=True))
    places = [replace(group, title=labels[group.studies[0].title]) for group in groups]
    return places, Axis(left.name, tuple(place.title for place in places))


def _together(studies: Sequence[Study], places: Sequence[Recipe]) -> list[Recipe]:
    """Give the place of all runs, where they differ in their seeds alone and each has a place of its own."""
    several = len(studies) == len(places) > 1 and len(recipes(studies)) == 1
    return [Recipe(f"mean ± deviation of {len(studies)} seeds", tuple(studies))] * several


def _over(place: Recipe, give: Callable[[Study], Measured]) -> Measured:
    """Give what a run has with its error; of several seeds their mean and their standard deviation."""
    found = [give(study) for study in place.studies]
    if len(found) == 1:
        return found[0]
    values = np.array([value for value, _ in found])
    return float(values.mean()), float(values.std(ddof=1))


def _known(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _seesaw_words(axis: Axis, source: Source, joined: bool) -> Words:
    return Words(
        "rate-distortion",
        "Distortion over rate",
        f"Each point is a run, labelled with its {axis.spoken}{'; neighbours are joined' * joined}. Further "
        f"down and further left is better. {source.sentence}",
        f"Distortion over rate, labelled with the values of {axis.spoken}",
    )


def _source(studies: Sequence[Study]) -> Source:
    bound = [study for study in studies if study.bound]
    needed = ("rate", "distortion")
    figures = [study.figures.get(name) for study in bound for name in needed]
    if bound and all(scalar(figure) is not None for figure in figures):
        return Source(True, next(figure.split for figure in figures if figure))
    return Source(False, "test")


def _measured(study: Study, name: str) -> Measured:
    figure = study.figures.get(name)
    value, spread = scalar(figure), error(figure)
    return (math.nan if value is None else value), (math.nan if spread is None else spread)


def _nats(study: Study, name: str, source: Source) -> Measured:
    """Give the rate or the distortion of a run."""
    if not study.bound and name == "rate":
        return NOTHING
    if source.assessed:
        return _measured(study, name)
    return float(study.test.get(name, math.nan)), math.nan


def _bound(study: Study) -> Measured:
    """Give -ELBO as the evaluation says it."""
    value, spread = _measured(study, "elbo")
    return -value, spread


def _differ(studies: Sequence[Study]) -> str:
    """Name what the runs that have a rate differ in, where it decides on the scale of a distortion."""
    differ = [
        part for part in SAME if len({str(study.run.spec.get(part)) for study in studies if study.bound}) > 1
    ]
    return " and ".join(differ)


def _error_of(study: Study) -> Measured:
    measured = _measured(study, "mse")
    return measured if math.isfinite(measured[0]) else (study.accuracy[0], math.nan)


def _active(study: Study, assessed: bool) -> Measured:
    if assessed:
        return _measured(study, "active_units")[0], math.nan
    return float(sum(value > ACTIVE for value in study.kl)) if study.kl else math.nan, math.nan


def _all_assessed(studies: Sequence[Study], name: str) -> bool:
    return all(scalar(study.figures.get(name)) is not None for study in studies)


def _along(
    studies: Sequence[Study],
    places: Sequence[Recipe],
    axis: Axis,
    rates: Sequence[Measured],
    source: Source,
) -> Exhibit:
    by_variance = _all_assessed(studies, "active_units")
    errors = [_over(place, _error_of) for place in places]
    counts = [_over(place, lambda study: _active(study, by_variance)) for place in places]
    measures = [
        Measure("MSE", [value for value, _ in errors], [spread for _, spread in errors]),
        Measure("Rate, nats", [value for value, _ in rates], [spread for _, spread in rates]),
        Measure("Active latent dimensions", [value for value, _ in counts], [spread for _, spread in counts]),
    ]
    rule = (
        "whose posterior mean varies by more than 0.01 over the data"
        if by_variance
        else f"with a mean KL above {ACTIVE} nats"
    )
    inputs = studies[0].inputs
    how = (
        "MSE as in the evaluation."
        if _all_assessed(studies, "mse")
        else f"MSE of {len(inputs.encoded):,} {inputs.split} {inputs.noun}, without noise."
    )
    caption = f"{how} Active is a latent dimension {rule}. {source.sentence} The values are evenly spaced."
    alt = f"MSE, rate and active latent dimensions along {axis.spoken}"
    return along(
        Words("along", f"Along {axis.spoken}", caption, alt),
        axis.spoken,
        axis.values,
        measures,
        joined=axis.ordered,
    )


_COLUMNS = ("Rate, nats", "Distortion, nats", "−ELBO, nats", "MSE", "Active latent dimensions")


def _table(
    studies: Sequence[Study],
    places: Sequence[Recipe],
    source: Source,
) -> tuple[Row, ...]:
    by_variance = _all_assessed(studies, "active_units")

    def total(study: Study) -> Measured:
        found = _bound(study) if source.assessed else NOTHING
        if math.isfinite(found[0]):
            return found
        return _nats(study, "rate", source)[0] + _nats(study, "distortion", source)[0], math.nan

    columns = (
        lambda study: _nats(study, "rate", source),
        lambda study: _nats(study, "distortion", source),
        total,
        _error_of,
        lambda study: _active(study, by_variance),
    )
    return tuple(
        Row(place.title, tuple(uncertain(*_over(place, give)) for give in columns)) for place in places
    )
