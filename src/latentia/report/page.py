"""The page: figures and numbers put into a template, in one file that opens anywhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from latentia.core import storage
from latentia.core.errors import RunError
from latentia.evaluation import latest
from latentia.plots import theme
from latentia.plots.exhibits import Section
from latentia.plots.projection import SLOW, WAYS, bring, progress_of
from latentia.report import facts, glossary
from latentia.report.axis import Axis
from latentia.report.group import Group, gather
from latentia.report.recipes import SEED_KEYS
from latentia.report.sections import sections
from latentia.report.verdicts import unlooked, verdicts

if TYPE_CHECKING:
    from latentia.evaluation import Assessment
    from latentia.runs.run import Run

SHOWN_FIRST = 3
"""Sections that a phone shows whole, one more of a sweep; the others open at a touch."""
NAMED = 8
"""Runs that are named in the title of the page."""


def build(
    runs: Sequence[Run],
    out: str | os.PathLike[str] | None = None,
    *,
    seed: int = 0,
    assessments: Sequence[Assessment] = (),
    axis: Axis | None = None,
    points: int | None = None,
    partner: Run | None = None,
    quiet: bool = False,
) -> Path:
    """Write the report on one run, on several side by side, or on a sweep.

    Several runs are shown on the same inputs and with the same noise.

    Args:
        runs: the runs; several must be trained on the same data.
        out: the HTML file; `report.html` in the folder of the first run by default. Figures go
            into `figures/` beside it.
        seed: seed of everything that is drawn at random.
        assessments: what the evaluation says of each run, in the same order; or none, and the page has what
            the last one of each found, where all have one.
        axis: what a sweep changes from run to run: the page is about this. The page on a single run is
            that on any run.
        points: points of each latent map, at most 10,000; by default 3,000, or fewer where many runs
            have to be mapped.
        partner: of a single run, the one that draws latents for it; or, where it is a prior alone, the one
            that decodes them. One of the two was trained on latents of the other.
        quiet: show no progress bar, not even on a terminal.

    Returns:
        The HTML file.

    Raises:
        ConfigError: if a partner draws something else than latents of the run.
        RunError: if there is no run, the runs are of different data, there is not one assessment or
            one value of the axis for each run, or a partner is of other weights.
        LatentiaError: if a file cannot be written.
    """
    check_comparable(runs)
    _check(runs, assessments, axis)
    if not assessments:
        found = [latest(run) for run in runs]
        assessments = [known for known in found if known is not None] if None not in found else ()
    path = Path(out) if out is not None else runs[0].folder.report_file
    if partner is not None:
        _check_partner(runs, partner)
    group = gather(runs, seed, assessments, axis, points, partner)
    figures = _folder(path.parent / "figures")
    with _maps(group, quiet):
        parts = sections(group)
    _write_figures(parts, figures)
    storage.write_text(path, _render(group, parts))
    return path


def check_comparable(runs: Sequence[Run]) -> None:
    """Refuse runs that cannot stand on one page.

    Args:
        runs: the runs.

    Raises:
        RunError: if there is none, or they are of different data.
    """
    if not runs:
        raise RunError("a report needs at least one run")
    first = runs[0]
    for run in runs[1:]:
        if not _same_data(first, run) or run.event != first.event:
            raise RunError(
                f"{run.folder.path} was trained on other data or another split than {first.folder.path}; "
                "write a report for each"
            )


def _same_data(one: Run, other: Run) -> bool:
    """Say whether runs have the same data and the same test split; one that is given is whatever the seed."""
    first, second = ({**run.spec["data"], "seed": None} for run in (one, other))
    alike = one.spec["data"].get("seed") == other.spec["data"].get("seed")
    return first == second and (alike or one.dataset.given_test)


def _check(runs: Sequence[Run], assessments: Sequence[Assessment], axis: Axis | None) -> None:
    if assessments and len(assessments) != len(runs):
        raise RunError(
            f"{len(assessments)} assessments were given for {len(runs)} runs; give one for each, in the same "
            "order, or none"
        )
    if axis is not None and len(axis.values) != len(runs):
        raise RunError(f"{axis.name} has {len(axis.values)} values for {len(runs)} runs; give one for each")


def _check_partner(runs: Sequence[Run], partner: Run) -> None:
    """Refuse a partner that has nothing to do with the run."""
    if len(runs) > 1:
        raise RunError("--with is about one run; write a report for each")
    codec, other = (partner, runs[0]) if runs[0].model.copies else (runs[0], partner)
    codec.sampler("run", path=str(other.folder.path))


@contextlib.contextmanager
def _maps(group: Group, quiet: bool) -> Iterator[None]:
    """Compute the maps beside everything else that is done inside the block: they take the longest."""
    import torch

    shown = group.first_seeds
    jobs = [(study, way) for way in WAYS for study in shown.studies if way in shown.ways(study)]
    slow = sum(way in SLOW for _, way in jobs)
    cores = torch.get_num_threads()
    workers = min(len(jobs), cores)
    with (
        progress_of(0 if quiet else slow) as tick,
        ThreadPoolExecutor(workers) as pool,
        _threads(max(1, cores - workers)),
    ):
        for study, way in jobs:
            study.flattened[way] = pool.submit(bring, way, study.mapped_codes, study.seed, tick)
        try:
            yield
        finally:
            pool.shutdown(cancel_futures=True)  # after an error nobody waits for the others


def _folder(path: Path) -> Path:
    """Make a folder, so that a place that cannot be written is known before the work and not after it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage.cannot_write(path, error) from error
    return path


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use fewer threads inside the block: it would wait, spinning, for cores that maps take.

    Linear algebra uses one. scikit-learn sets it to one around its own loops and back again, which must
    not happen in one thread while another is in such a loop.
    """
    import scipy.linalg  # noqa: F401  only a library that is loaded is limited
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def _write_figures(parts: Sequence[Section], folder: Path) -> None:
    for section in parts:
        for panel in section.panels:
            for exhibit in panel.exhibits:
                with storage.atomic_write(folder / f"{exhibit.words.name}.png") as handle:
                    handle.write(exhibit.png)


def _render(group: Group, parts: Sequence[Section]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("latentia.report"),
        autoescape=jinja2.select_autoescape(("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    glosser = glossary.Glosser()
    environment.filters["glossed"] = glosser.gloss
    kind = "report" if not group.several else "comparison" if group.axis is None else "sweep"
    cards = group.studies if group.axis is None else ()
    return environment.get_template("report.html").render(
        kind=kind,
        title=_title(group),
        verdicts=verdicts(group),
        unlooked=unlooked(group),
        summary=group.inputs.dataset.summary(),
        shared=facts.shared_line(group.studies) if group.axis else "",
        runs=[(study.title, facts.model_line(study)) for study in cards],
        several=group.several,
        count=len(group.studies),
        sections=parts,
        glossary=glosser.entries,  # asked for last, when the page has said what it says
        shown_first=SHOWN_FIRST + (group.axis is not None),
        light=theme.css_variables(theme.LIGHT),
        dark=theme.css_variables(theme.DARK),
    )


def _title(group: Group) -> str:
    titles, many = group.titles, len(group.titles) > NAMED
    if group.axis is not None:
        return _of_sweep(group, group.axis)
    return f"{titles[0]}, {titles[1]} and {len(titles) - 2} others" if many else group.names


def _of_sweep(group: Group, axis: Axis) -> str:
    """Name what changes and its values, and how many seeds there are of each."""
    left = axis.without(SEED_KEYS)
    if left is None or left.name == axis.name:
        seeds, left = 0, axis
    else:
        seeds = len(group.studies) // len(dict.fromkeys(left.values))
    values = list(dict.fromkeys(left.values))
    shown = [values[0], values[1], "…", values[-1]] if len(values) > NAMED else values
    of_each = f", {seeds} seeds each" if seeds > 1 else ""
    return f"{left.spoken} = {', '.join(shown)}{of_each}"
