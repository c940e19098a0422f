"""What a run remembers of the data that it was trained on: enough to work without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from latentia.data.dataset import Dataset
from latentia.data.layout import Layout
from latentia.data.schema import Column, Kind, Schema

OWN = ("source", "validation", "test", "seed", "buffer", "fingerprint")
"""Settings of `load` that are about one source, or about the machine, and not about how examples are read."""
_BLOCK = 4096


@dataclass(frozen=True)
class DataRecord:
    """The data of a run, without the data.

    Attributes:
        name: what they were called.
        layout: how examples looked in the source.
        columns: the names of a table's columns.
        label: the column, key or kind of folder that the labels came from; empty without labels.
        label_names: what the classes are called; empty where they have no names.
        classes: how many training examples each class has; empty without labels.
        dtype: the type of the examples as they were stored; empty where it was not recorded.
        high: the value that stands for 1.0 in integer data.
        ranges: the smallest and the largest value of the training split: one pair for all, or one for each
            column of a table.
        schema: what the columns of a table hold; None for what is no table, or was recorded before there were
            schemas.
        options: the settings of `load` that other data are read with, too.
        encoded: of latents, which they are and what gave them; see `Dataset`.
    """

    name: str
    layout: Layout = Layout()  # noqa: RUF009 - immutable
    columns: tuple[str, ...] = ()
    label: str = ""
    label_names: tuple[str, ...] = ()
    classes: tuple[int, ...] = ()
    dtype: str = ""
    high: float = 1.0
    ranges: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    schema: Schema | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    encoded: Mapping[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether the examples were stored as whole numbers from 0 to `high`."""
        return self.dtype == "uint8"

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest value of the training split."""
        return min(low for low, _ in self.ranges), max(high for _, high in self.ranges)

    @property
    def drawn(self) -> tuple[float, float]:
        """The values that are drawn as black and white."""
        return (0.0, self.high) if self.whole else self.range

    @property
    def reading(self) -> Schema | None:
        """What the columns of other tables hold, that they are read by; None for what is no table."""
        if self.schema is not None or not self.columns or self.layout.axes == "flat":
            return self.schema
        types = self.layout.types * (len(self.columns) if len(self.layout.types) == 1 else 1)
        kinds: dict[str, Kind] = {"b": "boolean", "i": "integer", "u": "integer"}
        columns = [
            Column(name, kinds.get(np.dtype(dtype).kind, "real"), dtype)
            for name, dtype in zip(self.columns, types or ("float64",) * len(self.columns))
        ]
        return Schema(tuple(columns))

    @classmethod
    def of(cls, dataset: Dataset, options: Mapping[str, Any] | None = None) -> DataRecord:
        """Record data.

        Args:
            dataset: the data.
            options: the settings that they were loaded with.

        Returns:
            The record.
        """
        train = dataset.splits["train"]
        known = dataset.labels[train] if dataset.labels is not None else np.empty(0, np.int64)
        known = known[known >= 0]
        count = max(len(dataset.label_names), int(known.max(initial=-1)) + 1)
        return cls(
            dataset.name,
            dataset.layout,
            dataset.columns,
            dataset.label,
            dataset.label_names,
            tuple(np.bincount(known, minlength=count).tolist()) if dataset.labels is not None else (),
            str(dataset.x.dtype),
            float(dataset.high),
            _ranges(dataset, train),
            dataset.schema,
            {key: value for key, value in (options or {}).items() if key not in OWN},
            dict(dataset.encoded),
        )

    def table(self) -> dict[str, Any]:
        """Give what `from_table` reads, of plain values."""
        return {
            **{key: value for key, value in vars(self).items() if key != "schema"},
            **({} if self.schema is None else {"schema": self.schema.record()}),
            "layout": self.layout.record(),
            **{name: list(getattr(self, name)) for name in ("columns", "label_names", "classes")},
            "ranges": [list(pair) for pair in self.ranges],
            "options": {
                key: list(value) if isinstance(value, tuple) else value for key, value in self.options.items()
            },
        }

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> DataRecord:
        """Read what `table` gave; what is not in it has its default.

        Args:
            table: plain values.

        Returns:
            The record.
        """
        known = {key: table[key] for key in cls.__dataclass_fields__ if key in table}
        for name in ("columns", "label_names", "classes"):
            known[name] = tuple(table.get(name, ()))
        if known.get("schema") is not None:
            known["schema"] = Schema.from_record(known["schema"])
        known["layout"] = Layout.from_record(table.get("layout", {}))
        if "ranges" in table:
            known["ranges"] = tuple((float(low), float(high)) for low, high in table["ranges"])
        return cls(**known)


def _ranges(dataset: Dataset, rows: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Give the ends of the training split: of each column of a table, else of all values."""
    if dataset.pictures is not None and len(rows):
        return (dataset.training_range,)
    rows = dataset.few(rows)
    axis = 0 if dataset.event.kind == "vector" else None
    ends: tuple[Any, Any] | None = None
    for start in range(0, len(rows), _BLOCK):
        block = dataset.x[rows[start : start + _BLOCK]]
        low, high = np.fmin.reduce(block, axis=axis), np.fmax.reduce(block, axis=axis)
        ends = (low, high) if ends is None else (np.fmin(ends[0], low), np.fmax(ends[1], high))
    if ends is None:
        return ((0.0, 1.0),)
    lows, highs = (np.nan_to_num(np.atleast_1d(end)).astype(float).tolist() for end in ends)
    return tuple(zip(lows, highs, strict=True))
