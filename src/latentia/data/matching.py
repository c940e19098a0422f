"""Other data brought to the form of a run's own: columns by name, grey and colour, units; or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from latentia.core.errors import DataError, nearest, quoted
from latentia.core.event import Event
from latentia.data.dataset import Dataset
from latentia.data.readers.labels import NO_LABEL
from latentia.data.record import DataRecord
from latentia.data.schema import DISCRETE, Schema
from latentia.data.shards import Shards

FAR = 0.5
"""Share of the values that may lie outside of the training range by more than its width."""
NARROW = 1 / 50
"""Values that span less of the training range than this, and stand around 0, are in other units."""
FEW = 10
"""Rows of a table from which its columns are held against the training's: one row may be an outlier."""

Change = Callable[[np.ndarray], np.ndarray]


def matched(dataset: Dataset, record: DataRecord, event: Event) -> Dataset:
    """Bring data to the form that a model was trained on.

    Columns of a table are matched by name, their order does not matter; what is missing is refused by name,
    what the run does not know is ignored, and a category that it does not know is another value. Grey
    pictures become colour pictures, and colour ones grey, as `luma` does it. Bytes and values from 0 to 1 are
    converted into each other; pictures and arrays in other units are refused where it shows, and a table's
    columns far outside of the training's are named. `notes` of the data say what was done.

    Args:
        dataset: the data.
        record: what the model was trained on.
        event: what one example of the model is.

    Returns:
        The data, of examples of shape `event`.

    Raises:
        DataError: if they do not fit.
    """
    dataset = _recoded(dataset, record) if record.schema is not None else _named(dataset, record)
    dataset = _tinted(dataset, event)
    if dataset.event != event:
        want, got = ("x".join(map(str, shape)) for shape in (event, dataset.event))
        raise DataError(f"the run was trained on examples of shape {want}, and {dataset.name} has {got}")
    if record.dtype:
        dataset = _outside(dataset, record) if event.kind == "vector" else in_units(dataset, record)
    return dataset


def where_of(dataset: Dataset) -> str:
    """Say what messages call data.

    Args:
        dataset: the data.

    Returns:
        Their path, or what they are where they come from memory.
    """
    return f"the {dataset.name} given" if dataset.source == "memory" else dataset.source


def relabelled(dataset: Dataset, names: Sequence[str], *, strict: bool = True) -> Dataset:
    """Give data the class numbers of a run, whose classes are matched by name.

    Args:
        dataset: the data.
        names: what the run calls its classes 0, 1, ...; numbers, where they have no names.
        strict: refuse a class that the run does not know; else it is as if there were no label.

    Returns:
        The data with the run's class numbers and names.

    Raises:
        DataError: if a class is unknown.
    """
    if dataset.labels is None or tuple(names) == dataset.label_names:
        return dataset
    count = int(dataset.labels.max(initial=-1)) + 1
    own = dataset.label_names or tuple(map(str, range(count)))
    code = {name: number for number, name in enumerate(names)}
    there = np.unique(dataset.labels[dataset.labels >= 0])
    unknown = [own[number] for number in there if own[number] not in code]
    if unknown and strict:
        several = len(unknown) > 1
        raise DataError(
            f"{where_of(dataset)}: the run knows no class {quoted(unknown)}"
            f"{nearest(unknown[0], names)}; leave "
            f"{'these' if several else 'its'} examples out, or train anew with {'them' if several else 'it'}"
        )
    words = np.array([NO_LABEL, *(code.get(name, NO_LABEL) for name in own)], np.int64)
    return replace(dataset, labels=words[dataset.labels + 1], label_names=tuple(names))


def luma(x: np.ndarray) -> np.ndarray:
    """Make colour pictures grey, as Pillow does it: ITU-R 601-2.

    Args:
        x: shape `(N, 3, H, W)`.

    Returns:
        Shape `(N, 1, H, W)`, of the same type.
    """
    if x.dtype == np.uint8:
        red, green, blue = x.astype(np.uint32).swapaxes(0, 1)
        return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)[:, None]
    return np.einsum("nchw,c->nhw", x, np.array([0.299, 0.587, 0.114], x.dtype))[:, None]


def tripled(x: np.ndarray) -> np.ndarray:
    """Give grey pictures three channels.

    Args:
        x: shape `(N, 1, H, W)`.

    Returns:
        Shape `(N, 3, H, W)`.
    """
    return np.repeat(x, 3, axis=1)


def _changed(dataset: Dataset, change: Change, note: str, **fields: Any) -> Dataset:
    x = dataset.x.converted(change) if isinstance(dataset.x, Shards) else change(dataset.x)
    notes = (*dataset.notes, f"{where_of(dataset)}: {note}") if note else dataset.notes
    return replace(dataset, x=x, notes=notes, pictures=None, **fields)


def _recoded(dataset: Dataset, record: DataRecord) -> Dataset:
    """Write a table in the codes of a run's, and count the categories that it does not know."""
    schema = record.schema
    if schema is None or dataset.event.kind != "vector":
        return dataset
    if dataset.schema is None and dataset.event == (len(schema),):  # bare numbers are taken for codes
        dataset = replace(dataset, columns=schema.names, schema=schema)
    if dataset.schema is not None and dataset.schema != schema:
        change = partial(_as_codes, dataset.schema, schema, where_of(dataset))
        dataset = _changed(dataset, change, "", columns=schema.names, schema=schema)
    some = dataset.some(np.arange(len(dataset)))
    told = []
    for at, column in enumerate(schema.columns):
        if column.kind in DISCRETE:
            count = int((some[:, at] >= len(column.categories)).sum())
            told += [f"'{column.name}' ({count:,})"] * bool(count)
    if not told:
        return dataset
    note = f"categories that the run does not know, taken as another value: {', '.join(told[:5])}"
    return replace(dataset, notes=(*dataset.notes, f"{where_of(dataset)}: {note}"))


def _as_codes(own: Schema, run: Schema, where: str, x: np.ndarray) -> np.ndarray:
    return run.codes(own.frame(x), where)


def _named(dataset: Dataset, record: DataRecord) -> Dataset:
    """Match the columns of a table by name."""
    if not record.columns or not dataset.columns:
        return dataset
    want, have = record.columns, dataset.columns
    if have == want:
        return dataset
    if len(have) == len(want) and (_nameless(have) or _nameless(want)):
        note = "columns without names are taken in their order: " + ", ".join(
            want if _nameless(have) else have
        )
        return replace(dataset, columns=want, notes=(*dataset.notes, f"{where_of(dataset)}: {note}"))
    missing = [name for name in want if name not in have]
    unknown = [name for name in have if name not in want]
    if missing or unknown:
        parts = [f"has no column {quoted(missing, 12)}"] * bool(missing)
        parts += [f"has a column {quoted(unknown, 12)} that the run does not know"] * bool(unknown)
        raise DataError(
            f"{where_of(dataset)}: {' and '.join(parts)}; the run was trained on the columns "
            f"{quoted(want, 12)}"
        )
    order = np.array([have.index(name) for name in want])
    return _changed(dataset, partial(_picked, order), "", columns=want)


def _nameless(columns: Sequence[str]) -> bool:
    return list(columns) == [str(number) for number in range(len(columns))]


def _picked(order: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.reshape(len(x), -1)[:, order]).reshape(x.shape)


def _tinted(dataset: Dataset, event: tuple[int, ...]) -> Dataset:
    """Make grey pictures colour ones, or colour ones grey."""
    got = dataset.event
    if len(event) != 3 or len(got) != 3 or got[1:] != event[1:]:
        return dataset
    if (got[0], event[0]) == (1, 3):
        return _changed(
            dataset, tripled, "grey pictures, given to a run of colour ones in three equal channels"
        )
    if (got[0], event[0]) == (3, 1):
        return _changed(dataset, luma, "colour pictures, made grey for a run of grey ones (ITU-R 601-2)")
    return dataset


def in_units(dataset: Dataset, record: DataRecord) -> Dataset:
    """Bring the values of pictures or arrays to a run's units, or refuse them.

    Args:
        dataset: the data.
        record: what the run was trained on.

    Returns:
        The data.

    Raises:
        DataError: if their values lie far outside of the training range, or in a small part of it around 0.
    """
    low, top = dataset.observed
    whole = dataset.x.dtype == np.uint8
    have = dataset.high if whole or dataset.high > 1 else 1.0 if low >= 0 and top <= 1 else None
    first, last = record.range
    unit = first >= 0 and last <= 1
    want = record.high if record.whole or record.high > 1 else 1.0 if unit else None
    bytes_alike = record.whole and whole and (top <= record.high or have == 1)
    if have is None or want is None or have == want or bytes_alike or (whole and top <= 1 == want):
        _refuse_far(dataset, record)
        return dataset
    note = f"values 0..{have:g} were brought to the run's 0..{want:g}"
    return _changed(dataset, partial(_scaled, want / have, record.whole), note, high=record.high)


def _scaled(factor: float, whole: bool, x: np.ndarray) -> np.ndarray:
    """Multiply; values that were whole numbers of the run's become such again."""
    values = (x.astype(np.float64) * factor).astype(np.float32)
    rounded = np.rint(values)
    exact = whole and values.min(initial=0) >= 0 and values.max(initial=0) <= 255
    return rounded.astype(np.uint8) if exact and np.abs(values - rounded).max(initial=0) < 1e-2 else values


def _refuse_far(dataset: Dataset, record: DataRecord) -> None:
    low, high = record.drawn
    width = high - low
    least, most = dataset.observed
    if least == most or width == 0 or not len(dataset):
        return
    narrow = (
        most - least < NARROW * width and least <= 1 and most >= -1 and max(-least, most) < NARROW * width
    )
    far = False
    if least < low - width or most > high + width:
        some = dataset.some(np.arange(len(dataset)))
        far = float(((some < low - width) | (some > high + width)).mean()) > FAR
    if far or (narrow and dataset.x.dtype != np.uint8):
        raise DataError(
            f"{where_of(dataset)}: holds values {least:.4g}..{most:.4g}, and the run was trained on "
            f"{low:.4g}..{high:.4g}; bring them to the run's units"
        )


def _outside(dataset: Dataset, record: DataRecord) -> Dataset:
    """Name the columns of a table most of whose values lie far outside of the training's."""
    if record.schema is not None:
        record = replace(record, ranges=tuple((column.low, column.high) for column in record.schema.columns))
    if len(dataset) < FEW or len(record.ranges) != dataset.event[0]:
        return dataset
    low, high = np.array(record.ranges, np.float64).T
    width = np.where(high > low, high - low, np.maximum(np.abs(high), 1.0))
    some = dataset.some(np.arange(len(dataset)))
    far = ((some < low - width) | (some > high + width)).mean(axis=0) > FAR
    if not far.any():
        return dataset
    names = [f"'{name}'" for name in record.columns or ()] or [str(at) for at in range(len(low))]
    at = int(np.flatnonzero(far)[0])
    more = f" and {int(far.sum()) - 1} more" if far.sum() > 1 else ""
    note = (
        f"column {names[at]}{more} lies far outside of the training's {low[at]:.4g}..{high[at]:.4g} "
        f"({np.nanmin(some[:, at]):.4g}..{np.nanmax(some[:, at]):.4g} here): in other units?"
    )
    return replace(dataset, notes=(*dataset.notes, f"{where_of(dataset)}: {note}"))
