"""By what a run knows its data again: checksums of the examples, or the examples themselves, from memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from latentia.core import storage
from latentia.core.errors import DataError, Note, RunError, shell
from latentia.core.event import Event
from latentia.data.dataset import Dataset
from latentia.data.identity import Rows, found, rows_of, same, taken
from latentia.data.matching import where_of
from latentia.data.packing.pack import keep
from latentia.data.sources import load
from latentia.runs.recipe import read_recipe
from latentia.training.folder import MEMORY, RunFolder, recorded_source

KEPT = 4 << 30
"""Bytes of data in memory that a run keeps at the most."""


def remember(folder: RunFolder, dataset: Dataset) -> None:
    """Keep by what the examples of a run are known again, and examples that were in memory themselves.

    Args:
        folder: the run.
        dataset: its data.

    Raises:
        LatentiaError: if the folder cannot be written.
    """
    if dataset.source == MEMORY and (dataset.pictures or dataset.x).nbytes <= KEPT:
        whole = dataset.pictures and dataset.pictures.stacked()  # of which training sees random crops
        keep(dataset if whole is None else replace(dataset, x=whole), folder.data)
    rows = rows_of(dataset)
    if rows is None:
        return
    tensors = {
        "checksums": torch.from_numpy(rows.checksums.view(np.int32)),
        "splits": torch.from_numpy(rows.splits),
    }
    storage.save_tensors(folder.rows_file, tensors, {"dtype": rows.dtype})


def remembered(folder: RunFolder) -> Rows | None:
    """Read what `remember` kept.

    Args:
        folder: the run.

    Returns:
        The examples, or None where they were not kept.
    """
    if not folder.rows_file.is_file():
        return None
    tensors, header = storage.load_tensors(folder.rows_file)
    return Rows(tensors["checksums"].numpy().view(np.uint32), tensors["splits"].numpy(), header["dtype"])


def kept(folder: RunFolder) -> Dataset:
    """Give the data in memory that a run was trained on and has kept, as they were given: for another run.

    Args:
        folder: the run.

    Returns:
        The data, in memory.

    Raises:
        RunError: if they were too large to be kept.
        DataError: if what it kept is damaged.
    """
    spec = folder.spec()
    again = load(**{**recorded_source(folder, spec), "buffer": KEPT >> 20})
    dataset, buffer = own(folder, spec, again), int(spec["data"]["buffer"]) << 20
    name = "table" if dataset.columns else "array"
    return replace(dataset, name=name, source=MEMORY, buffer=buffer, fingerprint="")


def own(folder: RunFolder, spec: Mapping[str, Any], dataset: Dataset) -> Dataset:
    """Find a run's examples in its data as they are now.

    Rows that were added, and another order, do not matter: what comes back are the examples that the run was
    given, in its order and in its splits.

    Args:
        folder: the run.
        spec: its specification.
        dataset: the data as they are now.

    Returns:
        The run's data.

    Raises:
        DataError: if some of its examples are no longer among them.
    """
    recorded = spec["data"].get("fingerprint")
    if not recorded:
        return dataset  # of an earlier version, which kept none
    known, unchanged = remembered(folder), same(dataset, recorded)
    if known is None:
        if unchanged:
            return dataset
        lost = "hold other examples"
    else:
        at = np.arange(len(dataset)) if unchanged else found(known, dataset)
        if len(at) and at.min() >= 0:
            if len(dataset) > len(at):
                warnings.warn(
                    f"{where_of(dataset)}: {len(dataset) - len(at):,} of its {len(dataset):,} examples were "
                    f"added since {folder.path} was trained; it goes on with the {len(at):,} that it knows",
                    Note,
                    stacklevel=4,
                )
            return taken(known, at, dataset)
        lost = f"lack {int((at < 0).sum()):,} of the run's {len(at):,} examples"
    raise DataError(
        f"the data that {folder.path} was trained on have changed: {where_of(dataset)} now {lost}; give the "
        f"old data back, train anew, or take these as other data (--data {shell(dataset.source)})"
    )


def check_event(folder: RunFolder, dataset: Dataset) -> None:
    """Refuse data whose examples have another shape than those that a run was trained on.

    Args:
        folder: the run.
        dataset: the data.

    Raises:
        RunError: if they have.
    """
    if not folder.model_file.exists():
        return
    event = Event.from_record(read_recipe(folder.model_file)["event"])
    if event != dataset.event:
        want, got = ("x".join(map(str, shape)) for shape in (event, dataset.event))
        raise RunError(
            f"{folder.path} was trained on examples of shape {want}, and {dataset.source} now has {got}"
        )
