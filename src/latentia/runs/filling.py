"""Sources with missing values, filled in by a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from latentia.data.raw import Options
from latentia.data.readers.table_files import frame_of
from latentia.runs.imputation import Imputation, impute
from latentia.runs.run import Run


def fill(
    run: Run, source: Any, *, draws: int = 0, samples: int = 500, seed: int = 0, skip_bad: bool = False
) -> tuple[list[np.ndarray], str]:
    """Fill in the missing values of any source.

    Args:
        run: the run.
        source: whatever `Run.other` reads.
        draws: how many fillings to draw; the single best values by default.
        samples: latents of each example.
        seed: seed of the draws.
        skip_bad: leave out files that cannot be read.

    Returns:
        Each filling, shape `(N, *event)`, in the data's units, and a line that says what was done.
    """
    data = run.other(source, **({"skip_bad": True} if skip_bad else {}))
    x = np.asarray(data.part(np.arange(len(data))))
    found = impute(run, x, run.conditions_of(data), draws=draws, samples=samples, seed=seed)
    return found.fillings, _told(x, found)


def fill_file(
    run: Run, path: Path, *, draws: int = 0, samples: int = 500, seed: int = 0
) -> tuple[list[Any], str]:
    """Fill in the missing values of the file of a table, of which all other columns stay.

    Args:
        run: the run.
        path: the file.
        draws: how many fillings to draw; the single best values by default.
        samples: latents of each row.
        seed: seed of the draws.

    Returns:
        Each filling, a data frame of pandas, and a line that says what was done.
    """
    options = run.record.options
    known = Options(
        header=options.get("header"), key=options.get("key"), expected=run.record.columns, inherited=True
    )
    data = run.other(path)
    x, frame = np.asarray(data.part(np.arange(len(data)))), frame_of(path, known)
    found = impute(run, x, run.conditions_of(data), draws=draws, samples=samples, seed=seed)
    return [run.refilled(frame, x, made) for made in found.fillings], _told(x, found)


def _told(x: np.ndarray, found: Imputation) -> str:
    holes = np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
    line = f"{int(holes.sum()):,} missing values ({holes.mean():.1%}) filled in"
    rows = holes.reshape(len(x), -1).any(axis=1)
    effective = found.effective[rows]
    if not len(effective) or np.isnan(effective).all():
        return line
    middle, least = np.median(effective), effective.min()
    return f"{line}; {middle:.0f} effective samples behind a row, {least:.0f} at the least"
