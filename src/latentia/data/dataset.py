"""The record that a source of data becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np


@dataclass(frozen=True, eq=False)
class Dataset:
    """A source of data, whole and resident, with its splits.

    Attributes:
        name: a short name, such as the stem of the file or folder.
        source: what was given: an absolute path, a name such as `digits`, or `memory`.
        x: all examples of all splits, `(N, *event)`: uint8 where the source has small whole
            numbers, else float32. Images are `(N, C, H, W)`, tables `(N, F)`.
        splits: 'train', 'validation' and 'test' as disjoint int64 positions into `x`;
            validation and test are empty for fewer than ten examples.
        labels: the class of each example, `(N,)` int64, -1 where it has none, or None.
        label_names: what the classes 0, 1, ... are called; empty where they have no names.
        high: the value that stands for 1.0 in integer data (255, or 16 for `digits`).
        columns: the names of a table's columns.
        given_test: the source brought its own test split.
        given_validation: the source brought its own validation split.
        skipped: the files that were left out because they could not be read.
        factors: the known factors of variation from which the examples were made, `(N, F)` int64,
            column f holding the classes 0..n_f-1 of factor f, or None where none are known.
        factor_names: what the factors are called, one name for each column of `factors`.
    """

    name: str
    source: str
    x: np.ndarray
    splits: Mapping[str, np.ndarray]
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    high: float = 255.0
    columns: tuple[str, ...] = ()
    given_test: bool = False
    given_validation: bool = False
    skipped: tuple[str, ...] = ()
    factors: np.ndarray | None = None
    factor_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.x.shape[1:]

    @property
    def kind(self) -> Literal["image", "table", "array"]:
        """What an example is: an image of 1, 3 or 4 channels, a row of a table, or another array."""
        if len(self.event) == 1:
            return "table"
        return "image" if len(self.event) == 3 and self.event[0] in (1, 3, 4) else "array"

    @cached_property
    def observed(self) -> tuple[float, float]:
        """The smallest and the largest value of the data, in the units of `x`; looked up once."""
        return float(self.x.min()), float(self.x.max())

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
        classes = self.classes
        facts = [
            self._form(),
            f"{self.x.dtype} {low:.4g}..{high:.4g}",
            f"{classes} label{'s' * (classes != 1)}" if classes else "no labels",
        ]
        if self.factor_names:
            facts.append(f"{len(self.factor_names)} known factor{'s' * (len(self.factor_names) != 1)}")
        facts.append(self._split_sizes())
        if self.skipped:
            facts.append(f"{len(self.skipped)} unreadable left out")
        return f"{self.name}: {', '.join(facts)}"

    def _form(self) -> str:
        shape = "x".join(map(str, self.event))
        if self.kind == "table":
            return f"table of {shape} column{'s' * (self.event != (1,))}"
        if self.kind == "array":
            return f"arrays of {shape}"
        tint = {1: "grey ", 3: "colour ", 4: "four-channel "}[self.event[0]]
        return f"{self.event[1]}x{self.event[2]} {tint}images"

    def _split_sizes(self) -> str:
        given = {"validation": self.given_validation, "test": self.given_test}
        words = [f"{len(self.splits['train']):,} train"]
        held_out = [name for name in given if len(self.splits[name])]
        for name in held_out:
            # One note serves two splits of the same origin.
            shared = name == "validation" and "test" in held_out and given["validation"] == given["test"]
            note = "" if shared else " (given)" if given[name] else " (seeded split)"
            words.append(f"{len(self.splits[name]):,} {name}{note}")
        return " + ".join(words)
