"""What every reader is asked and what it gives back."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from latentia.data.layout import Layout
from latentia.data.pictures import Pictures
from latentia.data.schema import Kind, Schema
from latentia.data.shards import Examples

SPLITS = ("train", "validation", "test")

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trainset", "traindata", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "valset", "eval", "evaluation"), "validation"),
    **dict.fromkeys(("test", "testing", "testset", "testdata", "holdout", "hold_out", "heldout"), "test"),
}
"""What folders, keys and published data sets call the three splits."""

_BESIDE = frozenset(
    ("set", "data", "dataset", "images", "image", "imgs", "img", "folder", "split", "seg", "pictures")
)


def split_of(name: str) -> str | None:
    """Tell which split a folder or a key is called after.

    Args:
        name: such as `train`, `Training_Set`, `val2017` or `seg_test`: a word of `SPLIT_WORDS`, alone or with
            digits and words that say nothing.

    Returns:
        The split, or None.
    """
    lowered = name.strip().lower()
    if lowered in SPLIT_WORDS:
        return SPLIT_WORDS[lowered]
    words = re.findall("[a-z]+", lowered)
    splits = [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]
    rest = [word for word in words if word not in SPLIT_WORDS]
    return splits[0] if len(splits) == 1 and _BESIDE.issuperset(rest) else None


class Options(NamedTuple):
    """The settings of `load` that a reader may need; each reader says which ones it takes.

    Attributes:
        size: (height, width) that images are brought to, or None to keep theirs.
        skip_bad: leave unreadable images out instead of stopping.
        label: the column or key that holds the labels, or None to look for it.
        key: the key or column that holds the data, or None to look for it.
        buffer: bytes of examples that may be in memory; more stay in their files, where a reader can.
        fit: how images of another shape are brought to the size: crop, pad or stretch; or short, where it is
            that of their shorter side and they keep their shapes.
        channels: where arrays have theirs: first, last, or auto to find out.
        pages: of a picture file with several: first, examples, or channels.
        header: whether the first line of a text table holds names, or None to compare it with the others.
        shape: what each row of a table becomes, as an image, or None.
        columns: the columns of a table that are read, and no others; empty for all.
        drop: those that are not read.
        types: what some of them hold, by name.
        expected: what the columns of a table are expected to be called; empty where nothing is expected.
        schema: what the columns hold that are to be found in a table, or None to find it out.
        labels: a table of the names of picture files and their labels, or None.
        crop: (height, width) of the part of an image that a model sees, or None for all of it.
        flip: whether training mirrors every other image.
        shift: by how many pixels training moves each image, at the most.
        frames: of a window of a clip, or None for the usual number where there are clips.
        stride: frames from the beginning of a window to that of the next, or None for its length.
        rate: frames per second that clips are brought to, or None for their own.
        inherited: they were given for other data, so that one that does not apply is passed over.
    """

    size: tuple[int, int] | None = None
    skip_bad: bool = False
    label: str | None = None
    key: str | None = None
    buffer: int = 1 << 30
    fit: str = "crop"
    channels: str = "auto"
    pages: str = "first"
    header: bool | None = None
    shape: tuple[int, ...] | None = None
    columns: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    types: tuple[tuple[str, Kind], ...] = ()
    expected: tuple[str, ...] = ()
    schema: Schema | None = None
    labels: str | None = None
    crop: tuple[int, int] | None = None
    flip: bool = False
    shift: int = 0
    frames: int | None = None
    stride: int | None = None
    rate: float | None = None
    inherited: bool = False


@dataclass(frozen=True, eq=False)
class Raw:
    """A source as read, before splits are made.

    Attributes:
        x: the examples, `(N, *event)`, uint8, float32 or, in tables, float64, in their final layout.
        labels: `(N,)` int64, -1 where an example has none, or None.
        label_names: what the labels 0, 1, ... are called, if they have names.
        parts: positions into `x` of the splits that the source brings; empty if it brings none.
        high: the value that stands for 1.0.
        columns: the names of a table's columns.
        skipped: the files that were left out.
        names: the file that each example is, in their order; empty where they are no files of their own.
        factors: the known factors of variation, `(N, F)` int64, column f holding the classes 0..n_f-1
            of factor f, or None where none are known.
        factor_names: what the factors are called, one name for each column.
        given: the parts that the source brought when it was packed, the others having been drawn; None
            where those that are missing are still to be drawn.
        fingerprint: changes with the content of packed data; empty for others.
        layout: how the examples looked in the source.
        label: the column, key or kind of folder that the labels come from; empty without labels.
        left_out: what of the source is not among the examples, and how many of each: ".csv files": 3.
        notes: guesses that the user should know of, each with the setting that decides otherwise.
        schema: what the columns of a table hold.
        pictures: the whole pictures in memory that `x` are crops of; None where it is no crops, or cuts them
            itself.
        encoded: of latents, which `latents` they are and the `model` that gave them; empty for others.
        groups: which examples belong together, `(N,)` int64, such as the windows of a film, so that no split
            that is drawn parts them; None where each is by itself.
    """

    x: Examples
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)
    high: float = 255.0
    columns: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    factors: np.ndarray | None = None
    factor_names: tuple[str, ...] = ()
    given: tuple[str, ...] | None = None
    fingerprint: str = ""
    layout: Layout = Layout()  # noqa: RUF009 - immutable
    label: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    schema: Schema | None = None
    pictures: Pictures | None = None
    encoded: Mapping[str, str] = field(default_factory=dict)
    groups: np.ndarray | None = None


def consecutive(counts: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Give the positions of parts that lie one after the other.

    Args:
        counts: how many examples each part has, in the order in which they lie.

    Returns:
        The positions of each part, int64.
    """
    edges = list(itertools.accumulate(counts.values(), initial=0))
    return {name: np.arange(*span) for name, span in zip(counts, itertools.pairwise(edges))}
