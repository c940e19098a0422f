"""Packing of what `load` reads: arrays, tables, IDX files, data sets of the Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from latentia.core import storage
from latentia.data.dataset import Dataset
from latentia.data.packing.writer import Job, Planned, write_shard


class ArrayJob(Job):
    """A data set on its way into shards."""

    def __init__(self, dataset: Dataset) -> None:
        """Take a data set.

        Args:
            dataset: the data.
        """
        self.dataset = dataset
        self.splits = dataset.splits
        held = {"test": dataset.given_test, "validation": dataset.given_validation}
        self.given = tuple(name for name, given in held.items() if given)
        self.each = int(np.prod(dataset.event, dtype=np.int64)) * dataset.x.dtype.itemsize
        self.about = {
            "high": dataset.high,
            "label_names": dataset.label_names,
            "columns": dataset.columns,
            "factor_names": dataset.factor_names,
            "layout": dataset.layout.record(),
            "label": dataset.label,
            "left_out": dict(dataset.left_out),
            **({} if dataset.schema is None else {"schema": dataset.schema.record()}),
            **({"encoded": dict(dataset.encoded)} if dataset.encoded else {}),
        }
        beside = {"labels": dataset.labels, "factors": dataset.factors}
        self.beside = {name: values for name, values in beside.items() if values is not None}

    def write(self, todo: list[Planned], folder: Path, done: Callable[[int], object]) -> None:
        """Write shards and record each; see `Job`."""
        x = self.dataset.x
        step = max(1, storage.CHUNK // self.each)
        for shard in todo:

            def blocks(rows: np.ndarray = shard.rows) -> Iterator[np.ndarray]:
                for start in range(0, len(rows), step):
                    block = x[rows[start : start + step]]
                    yield block
                    done(len(block))

            write_shard(shard, folder, blocks(), self.dataset.event, x.dtype, self.beside)
