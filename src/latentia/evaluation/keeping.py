"""What an evaluation leaves in the run folder: its figures, and beside them those of each example."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from latentia.core import storage
from latentia.core.errors import LatentiaError
from latentia.evaluation.records import Assessment
from latentia.metrics.figures import Figure

if TYPE_CHECKING:
    from torch import Tensor

    from latentia.runs.run import Run


def kept(run: Run, key: str) -> Assessment | None:
    """Read what an earlier evaluation left, if it is about the same.

    Values of examples that are missing or damaged, or of another evaluation than the figures, are left out.

    Args:
        run: the run.
        key: what the figures must be about.

    Returns:
        The assessment, or None.
    """
    found = read(run)
    return found if found is not None and found.about["key"] == key else None


def read(run: Run) -> Assessment | None:
    """Read what an earlier evaluation left, whatever it is about; see `kept`.

    Args:
        run: the run.

    Returns:
        The assessment, or None.
    """
    path = run.folder.evaluation_file
    if not path.is_file():
        return None
    try:
        found = Assessment.from_json(storage.read_json(path))
        found.about["key"]
        topics = found.about["topics"].values()
        return replace(found, figures=_with_values(run, found.figures, topics))
    except (LatentiaError, KeyError, TypeError, AttributeError, ValueError):
        return None  # a damaged file is measured anew and replaced


def keep(run: Run, assessment: Assessment, say: Callable[[str], None] | None) -> None:
    """Write an assessment into the run folder; a place that cannot be written is said and done without.

    The values of examples come first: figures never stand beside values that are not theirs.

    Args:
        run: the run.
        assessment: what to keep.
        say: called with what is wrong, if something is.
    """
    try:
        storage.save_tensors(run.folder.examples_file, _tensors(assessment.figures))
        storage.write_json(run.folder.evaluation_file, assessment.as_json())
    except LatentiaError as error:
        if say:  # the figures are the result; keeping them saves time only
            say(f"note: {error}")


def checksum(figures: Mapping[str, Figure]) -> int:
    """Give a number that changes with the value of any example.

    Args:
        figures: figures by name.

    Returns:
        It; 0 where none has values.
    """
    return storage.checksum(_tensors(figures))


def _tensors(figures: Mapping[str, Figure]) -> dict[str, Tensor]:
    import torch

    found = {}
    for name, figure in figures.items():
        if figure.values is not None and figure.rows is not None:
            found[f"{name}/values"] = torch.from_numpy(np.array(figure.values, dtype=np.float32))
            found[f"{name}/rows"] = torch.from_numpy(np.array(figure.rows, dtype=np.int64))
    return found


def _with_values(
    run: Run, figures: Mapping[str, Figure], topics: Iterable[Mapping[str, object]]
) -> dict[str, Figure]:
    """Give figures the values of their examples, topic by topic."""
    try:
        tensors, _ = storage.load_tensors(run.folder.examples_file)
    except LatentiaError:
        return dict(figures)
    whole = dict(figures)
    for topic in topics:
        own = {
            name: replace(
                figures[name],
                values=tensors[f"{name}/values"].numpy(),
                rows=tensors[f"{name}/rows"].numpy(),
            )
            for name in topic["names"]  # pyright: ignore[reportGeneralTypeIssues]
            if name in figures and f"{name}/values" in tensors
        }
        if checksum(own) == topic.get("examples"):
            whole |= own
    return whole
