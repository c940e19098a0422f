"""The page: figures and numbers put into a template, in one file that opens anywhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from latentia import storage
from latentia.errors import RunError
from latentia.report import facts, theme
from latentia.report.columns import Columns
from latentia.report.exhibits import Section
from latentia.report.inputs import choose
from latentia.report.pictures import Pictures
from latentia.report.sections import sections
from latentia.report.series import Series
from latentia.report.study import Study

if TYPE_CHECKING:
    from latentia.run import Run

VIEWS = {"image": Pictures, "table": Columns, "array": Series}


def build(runs: Sequence[Run], out: str | os.PathLike[str] | None = None, *, seed: int = 0) -> Path:
    """Write the report on one run, or on several side by side.

    Args:
        runs: the runs; several must be trained on the same data.
        out: the HTML file; `report.html` in the folder of the first run by default. Figures go
            into `figures/` beside it.
        seed: seed of everything that is drawn at random.

    Returns:
        The HTML file.

    Raises:
        RunError: if there is no run, or the runs are of different data.
        LatentiaError: if a file cannot be written.
    """
    if not runs:
        raise RunError("a report needs at least one run")
    path = Path(out) if out is not None else runs[0].folder.report_file
    studies = _studies(runs, seed)
    figures = _folder(path.parent / "figures")
    inputs = studies[0].inputs
    view = VIEWS[inputs.form](inputs.dataset)
    with ThreadPoolExecutor() as pool, _cores_spared(len(studies)):
        for study in studies:
            study.start(pool)
        parts = sections(studies, view)
    _write_figures(parts, figures)
    storage.write_text(path, _render(studies, parts))
    return path


def _folder(path: Path) -> Path:
    """Make a folder, so that a place that cannot be written is known before the work and not after it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage.cannot_write(path, error) from error
    return path


@contextlib.contextmanager
def _cores_spared(count: int) -> Iterator[None]:
    """Let torch use fewer threads inside the block: it would wait, spinning, for cores that maps take."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads - count))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _studies(runs: Sequence[Run], seed: int) -> list[Study]:
    """Prepare the runs: on the same data, each with a name of its own."""
    first = runs[0]
    for run in runs[1:]:
        if run.spec["data"] != first.spec["data"] or run.event != first.event:
            raise RunError(
                f"{run.folder.path} was trained on other data or another split than {first.folder.path}; "
                "write a report for each"
            )
        run.dataset = first.dataset  # equal, and already read
    inputs = choose(first.dataset, seed)
    studies: list[Study] = []
    for run in runs:
        taken = {study.title for study in studies}
        numbered = (f"{run.name}-{number}" for number in range(2, len(runs) + 2))
        title = run.name if run.name not in taken else next(name for name in numbered if name not in taken)
        studies.append(Study(run, title, f"{title}-" if len(runs) > 1 else "", inputs, seed))
    return studies


def _write_figures(parts: Sequence[Section], folder: Path) -> None:
    for section in parts:
        for panel in section.panels:
            for exhibit in panel.exhibits:
                with storage.atomic_write(folder / f"{exhibit.words.name}.png") as handle:
                    handle.write(exhibit.png)


def _render(studies: Sequence[Study], parts: Sequence[Section]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("latentia.report"),
        autoescape=jinja2.select_autoescape(("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    several = len(studies) > 1
    titles = [study.title for study in studies]
    return environment.get_template("report.html").render(
        title=f"{', '.join(titles[:-1])} and {titles[-1]}" if several else titles[0],
        summary=studies[0].inputs.dataset.summary(),
        runs=[(study.title, facts.model_line(study), facts.tiles(study)) for study in studies],
        several=several,
        sections=parts,
        light=theme.css_variables(theme.LIGHT),
        dark=theme.css_variables(theme.DARK),
    )
