"""The record that a source of data becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from latentia.core.event import Event
from latentia.data.change import UNCHANGED, Change
from latentia.data.layout import Layout
from latentia.data.pictures import Crops, Pictures
from latentia.data.schema import Schema
from latentia.data.shards import Examples, Shards
from latentia.data.splits import spread

SAMPLED = 64 << 20
"""Bytes of examples that are looked at where all of them do not fit into memory."""

CHUNK = 4096
"""Examples of an array that are looked at together."""


def _ends(x: np.ndarray) -> tuple[float, float]:
    """Give the smallest and the largest value of what is not missing; NaN where everything is."""
    if x.dtype.kind != "f":
        return float(x.min()), float(x.max())
    return float(np.fmin.reduce(x, axis=None)), float(np.fmax.reduce(x, axis=None))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A source of data with its splits: whole in memory, or in its files where it outgrows that.

    Attributes:
        name: a short name, such as the stem of the file or folder.
        source: what was given: an absolute path, a name such as `digits`, or `memory`.
        x: all examples of all splits, `(N, *event)`: uint8 where the source has small whole
            numbers, else float32, or float64 for tables whose numbers need it, NaN where a value is
            missing. Images are
            `(N, C, H, W)`, tables `(N, F)`. An array, or `Shards`, indexed alike, that are read in part.
        splits: 'train', 'validation' and 'test' as disjoint int64 positions into `x`;
            validation and test are empty for fewer than ten examples.
        labels: the class of each example, `(N,)` int64, -1 where it has none, or None.
        label_names: what the classes 0, 1, ... are called; empty where they have no names.
        high: the value that stands for 1.0 in integer data (255, or 16 for `digits`).
        columns: the names of a table's columns.
        given_test: the source brought its own test split.
        given_validation: the source brought its own validation split.
        skipped: the files that were left out because they could not be read.
        names: the file that each example is; empty where examples are no files of their own.
        factors: the known factors of variation from which the examples were made, `(N, F)` int64,
            column f holding the classes 0..n_f-1 of factor f, or None where none are known.
        factor_names: what the factors are called, one name for each column of `factors`.
        buffer: bytes of examples that training may hold in memory.
        fingerprint: changes with the content of packed data; empty for others.
        layout: how the examples looked in the source.
        label: the column, key or kind of folder that the labels come from; empty without labels.
        left_out: what of the source is not among the examples, and how many of each.
        notes: guesses about the source, each with the setting that decides otherwise, and what was done to
            the data to bring them to the form of a run.
        schema: what the columns of a table hold; None for what is no table, or one of bare numbers.
        pictures: the whole pictures in memory, of which `x` has the middle and training sees random crops;
            None where `x` is no crops, or cuts them itself (`Crops`).
        change: what training does to each image.
        encoded: of latents that `latentia encode` made, which `latents` they are (mean, sample, moments,
            codes) and a text that changes with the `model` that gave them; empty for others.
    """

    name: str
    source: str
    x: Examples
    splits: Mapping[str, np.ndarray]
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    high: float = 255.0
    columns: tuple[str, ...] = ()
    given_test: bool = False
    given_validation: bool = False
    skipped: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    factors: np.ndarray | None = None
    factor_names: tuple[str, ...] = ()
    buffer: int = 1 << 30
    fingerprint: str = ""
    layout: Layout = Layout()  # noqa: RUF009 - immutable
    label: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    schema: Schema | None = None
    pictures: Pictures | None = None
    change: Change = UNCHANGED
    encoded: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def event(self) -> Event:
        """What one example is: its shape and its kind."""
        return Event.of(self.x.shape[1:])

    @cached_property
    def observed(self) -> tuple[float, float]:
        """The smallest and the largest value of the data, in the units of `x`; looked up once."""
        if isinstance(self.x, Shards):
            return self.x.observed or _ends(self.some(np.arange(len(self))))
        return _ends(self.x if self.pictures is None else np.asarray(self.pictures.values))

    @cached_property
    def training_range(self) -> tuple[float, float]:
        """The smallest and the largest value of the training split, which are all that training may know.

        Of data that stay in their files it is that of a sample, unless all of them are training examples.
        """
        train = self.splits["train"]
        if len(train) == len(self) or not len(train):
            return self.observed
        if isinstance(self.x, Shards):
            return _ends(self.some(train))
        if self.pictures is not None:  # training may see any part of them
            return _ends(np.array([_ends(picture) for picture in self.pictures.over(train)]))
        ends = [_ends(self.x[part]) for part in np.array_split(train, -(-len(train) // CHUNK))]
        return _ends(np.array(ends))

    @property
    def moments(self) -> bool:
        """Whether examples are moments of latents: means, then log variances, in the channels."""
        return self.encoded.get("latents") == "moments"

    @property
    def holes(self) -> bool:
        """Whether values are missing, as far as the examples say that are looked at."""
        return self.missing[0] > 0

    def part(self, rows: np.ndarray) -> Examples:
        """Take examples to go through chunk by chunk.

        Args:
            rows: their positions.

        Returns:
            The examples: an array, or unread where the data stay in their files.
        """
        return self.x.over(rows) if isinstance(self.x, Shards) else self.x[rows]

    def about(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Say which examples these are, for a table of what is made of them.

        Args:
            rows: their positions.

        Returns:
            `row`, the position; `file`, where examples are files; `label`, where they have labels: by name,
            where they have names, and empty for none. `(n,)` each.
        """
        found: dict[str, np.ndarray] = {"row": np.asarray(rows)}
        if self.names:
            found["file"] = np.array([self.names[row] for row in rows.tolist()])
        if self.labels is not None:
            labels = self.labels[rows]
            found["label"] = np.array([*self.label_names, ""])[labels] if self.label_names else labels
        return found

    def few(self, rows: np.ndarray) -> np.ndarray:
        """Choose as many positions as memory has room for the examples of, evenly spaced.

        Args:
            rows: positions.

        Returns:
            All of them where the data are in memory anyway.
        """
        each = int(np.prod(self.event, dtype=np.int64)) * self.x.dtype.itemsize
        return spread(rows, max(2, SAMPLED // each)) if isinstance(self.x, Shards) else rows

    def some(self, rows: np.ndarray) -> np.ndarray:
        """Read the examples that `few` chooses: all, or a sample of data that stay in their files.

        Args:
            rows: positions.

        Returns:
            Shape `(n, *event)`.
        """
        return self.x[self.few(rows)]

    @property
    def sampled(self) -> bool:
        """Whether `observed` is that of a sample."""
        return isinstance(self.x, Shards) and (self.x.estimated or self.x.observed is None)

    @cached_property
    def classes(self) -> int:
        """How many different labels occur; 0 without labels."""
        return 0 if self.labels is None else int((np.unique(self.labels) >= 0).sum())

    def summary(self) -> str:
        """Say in one line what the data are.

        Returns:
            Name, shape, value range, labels, known factors, splits and how they came about.
        """
        low, high = self.observed
        facts = [self._form() + self._cut_from()]
        if self.schema is None or not self.schema.mixed:
            facts.append(f"{self.x.dtype} {low:.4g}..{high:.4g}{' in a sample' * self.sampled}")
        if self.missing[0]:
            facts.append(self._holes())
        facts.append(self._labelled())
        if self.factor_names:
            facts.append(f"{len(self.factor_names)} known factor{'s' * (len(self.factor_names) != 1)}")
        facts.append(self._split_sizes())
        if isinstance(self.x, Shards):
            facts.append(f"streamed from files through {self.buffer >> 20:,} MiB")
        if self.skipped:
            facts.append(f"{len(self.skipped)} unreadable left out")
        if self.left_out:
            facts.append("left out: " + ", ".join(f"{n:,} {what}" for what, n in self.left_out.items()))
        facts += self.notes
        return f"{self.name}: {', '.join(facts)}"

    def _form(self) -> str:
        shape = "x".join(map(str, self.event))
        if self.event.kind == "vector":
            kinds = f": {self.schema.counted()}" if self.schema is not None else ""
            return f"table of {shape} column{'s' * (self.event != (1,))}{kinds}"
        if self.event.kind == "video":
            return f"clips of {shape} (channels, time, height, width)"
        if not self.event.planar:
            return f"arrays of {shape}"
        if self.event.kind == "array":
            order = "last" if self.layout.axes == "channels_last" else "first"
            side = f"{self.event[1]}x{self.event[2]}"
            return f"{side} images of {self.event[0]} channels (which come {order})"
        tint = {1: "grey ", 3: "colour ", 4: "four-channel "}[self.event[0]]
        return f"{self.event[1]}x{self.event[2]} {tint}images"

    @property
    def whole(self) -> Pictures | None:
        """The whole pictures that examples are crops of; None where examples are what there is."""
        return self.x.pictures if isinstance(self.x, Crops) else self.pictures

    def _cut_from(self) -> str:
        """Say what crops are cut from."""
        pictures = self.whole
        if pictures is None:
            return ""
        (low, left), (high, right) = pictures.sizes.min(axis=0), pictures.sizes.max(axis=0)
        few = f"{low}x{left}"
        return f" cut from pictures of {few}" + f" to {high}x{right}" * ((low, left) != (high, right))

    @cached_property
    def missing(self) -> tuple[int, int]:
        """How many values are missing, and of how many; of data that stay in their files in a sample."""
        if self.x.dtype.kind != "f":
            return 0, 0
        count = total = 0
        rows = self.few(np.arange(len(self)))
        for start in range(0, len(rows), CHUNK):
            block = self.x[rows[start : start + CHUNK]]
            count += int(np.isnan(block).sum())
            total += block.size
        return count, total

    def _holes(self) -> str:
        count, total = self.missing
        share = f"{100 * count / total:.2g} %{' of a sample' * isinstance(self.x, Shards)}"
        if self.event.kind != "vector":
            return f"{count:,} missing values ({share})"
        rows = self.some(np.arange(len(self)))
        columns = int(np.isnan(rows).any(axis=0).sum())
        return f"{count:,} missing values in {columns} of its columns ({share})"

    def _labelled(self) -> str:
        if not self.classes:
            return "no labels"
        words = f"{self.classes} label{'s' * (self.classes != 1)}"
        missing = int((np.asarray(self.labels) < 0).sum())
        of, without = f" of {self.label}" * bool(self.label), f" ({missing:,} without)" * bool(missing)
        return words + of + without

    def _split_sizes(self) -> str:
        given = {"validation": self.given_validation, "test": self.given_test}
        if not any(map(len, self.splits.values())):
            return f"{len(self):,} example{'s' * (len(self) != 1)}"
        words = [f"{len(self.splits['train']):,} train"]
        held_out = [name for name in given if len(self.splits[name])]
        for name in held_out:
            # One note serves two splits of the same origin.
            shared = name == "validation" and "test" in held_out and given["validation"] == given["test"]
            note = "" if shared else " (given)" if given[name] else " (seeded split)"
            words.append(f"{len(self.splits[name]):,} {name}{note}")
        return " + ".join(words)
