"""The page: figures and numbers put into a template, in one file that opens anywhere."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from latentia.core import storage
from latentia.core.errors import RunError
from latentia.plots import theme
from latentia.plots.exhibits import Section
from latentia.plots.projection import SLOW, bring, flatten, progress
from latentia.report import facts
from latentia.report.axis import Axis
from latentia.report.columns import Columns
from latentia.report.inputs import choose, mapped_for
from latentia.report.joint import FEW
from latentia.report.pictures import Pictures
from latentia.report.sections import sections
from latentia.report.series import Series
from latentia.report.study import ALONE, Study

if TYPE_CHECKING:
    from latentia.evaluation import Assessment
    from latentia.runs.run import Run

NAMED = 8
"""Runs that are named in the title of the page."""
VIEWS = {"image": Pictures, "vector": Columns, "video": Series, "array": Series}


def build(
    runs: Sequence[Run],
    out: str | os.PathLike[str] | None = None,
    *,
    seed: int = 0,
    assessments: Sequence[Assessment] = (),
    axis: Axis | None = None,
    points: int | None = None,
    quiet: bool = False,
) -> Path:
    """Write the report on one run, on several side by side, or on a sweep.

    Several runs are shown on the same inputs and with the same noise.

    Args:
        runs: the runs; several must be trained on the same data.
        out: the HTML file; `report.html` in the folder of the first run by default. Figures go
            into `figures/` beside it.
        seed: seed of everything that is drawn at random.
        assessments: what the evaluation says of each run, in the same order; or none.
        axis: what a sweep changes from run to run: the page is about this. The page on a single run is
            that on any run.
        points: points of each latent map, at most 10,000; by default 3,000, or fewer where many runs
            have to be mapped.
        quiet: show no progress bar, not even on a terminal.

    Returns:
        The HTML file.

    Raises:
        RunError: if there is no run, the runs are of different data, or there is not one assessment or
            one value of the axis for each run.
        LatentiaError: if a file cannot be written.
    """
    check_comparable(runs)
    _check(runs, assessments, axis)
    axis = axis if len(runs) > 1 else None
    path = Path(out) if out is not None else runs[0].folder.report_file
    studies = _studies(runs, seed, assessments, axis, points)
    figures = _folder(path.parent / "figures")
    inputs = studies[0].inputs
    view = VIEWS[inputs.kind](inputs.dataset)
    with _maps(studies, quiet):
        parts = sections(studies, view, axis)
    _write_figures(parts, figures)
    storage.write_text(path, _render(studies, parts, axis))
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


@contextlib.contextmanager
def _maps(studies: Sequence[Study], quiet: bool) -> Iterator[None]:
    """Compute the maps beside everything else that is done inside the block: they take the longest."""
    import torch

    alone = len(studies) == 1
    jobs = [
        (study, way)
        for way in ("itself", "pca", "tsne", "umap")
        for study in studies
        if way in study.ways and (not alone or way == study.ways[0])
    ]
    slow = sum("tsne" in study.ways if alone else way in SLOW for study, way in jobs)
    cores = torch.get_num_threads()
    workers = min(len(jobs), cores)
    with (
        progress(0 if quiet else slow) as tick,
        ThreadPoolExecutor(workers) as pool,
        _threads(max(1, cores - workers)),
    ):
        for study, way in jobs:
            codes = study.mapped_codes
            if alone:
                study.flattened[ALONE] = pool.submit(flatten, codes, study.seed, tick)
            else:
                study.flattened[way] = pool.submit(bring, way, codes, study.seed, tick)
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


def _studies(
    runs: Sequence[Run],
    seed: int,
    assessments: Sequence[Assessment],
    axis: Axis | None,
    points: int | None,
) -> list[Study]:
    """Prepare the runs: on the same data, each with a name of its own."""
    dataset = runs[0].dataset
    for run in runs[1:]:
        run.dataset = dataset  # equal, and already read
    inputs = choose(dataset, seed, points or mapped_for(len(runs)))
    titles = _told_apart([run.name for run in runs] if axis is None else axis.values)
    stems = _told_apart([_stem(title if axis is None else f"{axis.short}-{title}") for title in titles])
    given = assessments or [None] * len(runs)
    return [
        Study(run, title, f"{stem}-" if len(runs) > 1 else "", inputs, seed, assessment)
        for run, title, stem, assessment in zip(runs, titles, stems, given, strict=True)
    ]


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


def _write_figures(parts: Sequence[Section], folder: Path) -> None:
    for section in parts:
        for panel in section.panels:
            for exhibit in panel.exhibits:
                with storage.atomic_write(folder / f"{exhibit.words.name}.png") as handle:
                    handle.write(exhibit.png)


def _render(studies: Sequence[Study], parts: Sequence[Section], axis: Axis | None) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("latentia.report"),
        autoescape=jinja2.select_autoescape(("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    several = len(studies) > 1
    kind = "report" if not several else "comparison" if axis is None else "sweep"
    lines = [facts.model_line(study) for study in studies]
    tiled = len(studies) <= FEW and axis is None
    cards = [] if axis else [(study, line) for study, line in zip(studies, lines, strict=True)]
    return environment.get_template("report.html").render(
        kind=kind,
        title=_title(studies, axis),
        summary=studies[0].inputs.dataset.summary(),
        shared=facts.shared_line(studies) if axis else "",
        runs=[(study.title, line, facts.tiles(study) if tiled else []) for study, line in cards],
        tiled=tiled,
        several=several,
        count=len(studies),
        sections=parts,
        light=theme.css_variables(theme.LIGHT),
        dark=theme.css_variables(theme.DARK),
    )


def _title(studies: Sequence[Study], axis: Axis | None) -> str:
    titles = [study.title for study in studies]
    if axis is not None:
        values = ", ".join(titles) if len(titles) <= NAMED else f"{titles[0]}, {titles[1]}, … {titles[-1]}"
        return f"{axis.name}: {values}"
    if len(titles) > NAMED:
        return f"{titles[0]}, {titles[1]} and {len(titles) - 2} others"
    return f"{', '.join(titles[:-1])} and {titles[-1]}" if len(titles) > 1 else titles[0]
