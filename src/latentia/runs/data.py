"""A run and the data that it was trained on: read again, and told from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from latentia.assembly import Parts
from latentia.core.errors import ConfigError, DataError, LatentiaError, RunError, nearest
from latentia.data.dataset import Dataset
from latentia.data.identity import fingerprint, found
from latentia.data.matching import where_of
from latentia.data.record import DataRecord
from latentia.data.shards import Examples
from latentia.data.sources import load_again
from latentia.data.splits import spread
from latentia.runs.keeping import own, remembered
from latentia.runs.model import Trained
from latentia.training.folder import RunFolder, recorded_source


class Owned(Trained):
    """A trained model with its folder and its data.

    Attributes:
        folder: the run folder.
        spec: the resolved specification.
    """

    def __init__(self, recipe: Mapping[str, Any], parts: Parts) -> None:
        """Take the parts; `Run.open` reads a folder, and gives it its data and its history.

        Args:
            recipe: the recorded constructor calls.
            parts: what they build.
        """
        super().__init__(recipe, parts)
        self.folder = RunFolder(".")
        self.spec: dict[str, Any] = {}

    @cached_property
    def dataset(self) -> Dataset:
        """The data that the run was trained on, read again: the same examples in the same splits."""
        return self._own()

    def _own(self, **settings: Any) -> Dataset:
        recorded = {**recorded_source(self.folder, self.spec), **settings}
        recorded.pop("fingerprint", None)
        try:
            record = self.record if "data" in self.recipe else None
            dataset = load_again(
                expected=record.columns if record else (),
                schema=record.reading if record else None,
                **recorded,
            )
        except DataError as error:
            line = f"the data that {self.folder.path} was trained on: {error}"
            raise DataError(f"{line}; what needs no data of the training goes on without them") from error
        if "data" in self.recipe:
            dataset = self.fitting(dataset)
        elif dataset.event != self.event:
            want, got = ("x".join(map(str, shape)) for shape in (self.event, dataset.event))
            raise RunError(
                f"{self.folder.path} was trained on examples of shape {want}, and {dataset.name} has {got}"
            )
        return own(self.folder, self.spec, dataset)

    def _guessed(self) -> DataRecord:
        try:
            return DataRecord.of(self.dataset, self.spec["data"])
        except LatentiaError:
            return super()._guessed()

    @cached_property
    def data_key(self) -> str:
        """A word for the data that the run was trained on; what is kept belongs to it."""
        recorded = self.spec["data"].get("fingerprint")
        if recorded:
            return str(recorded)
        try:
            return fingerprint(self.dataset)
        except LatentiaError:
            return ""

    def other(self, source: Any, **settings: Any) -> Dataset:
        """Read other data; see `Trained.other`. Where they hold the run's own, those are in its splits."""
        dataset = super().other(source, **settings)
        known = remembered(self.folder)
        if known is None or len(known.checksums) > len(dataset):
            return dataset
        at = found(known, dataset)
        return replace(dataset, splits=known.split(at)) if at.min() >= 0 else dataset

    def streamed(self, source: Any = None) -> Dataset:
        """Read data to go through once, those that can stay in their files unread, in splits.

        Args:
            source: where they come from; the run's own data by default.

        Returns:
            The data.
        """
        data = self.spec["data"]
        whole = data.get("size") is None and data.get("crop") is None
        unread = {"buffer": 1} if whole else {}  # what is to be resized has to be in memory
        return self._own(**unread) if source is None else self._split(source, **unread)

    def _split(self, source: Any, **settings: Any) -> Dataset:
        """Read other data to be trained on: in the splits that `load` draws."""
        return self.fitting(self._read(source, draw=True, **settings))

    def examples(self, split: str = "test", n: int | None = None) -> np.ndarray:
        """Give the positions of examples of a split, evenly spaced; of 'train' where the split is empty.

        Args:
            split: 'train', 'validation' or 'test'.
            n: how many at most.

        Returns:
            Positions into `dataset.x`, shape `(n,)`.
        """
        rows = self.dataset.splits[split]
        return spread(rows if len(rows) else self.dataset.splits["train"], n)

    def example(self, position: int) -> np.ndarray:
        """Give one example of the test split.

        Args:
            position: which one, from 0.

        Returns:
            Shape `(*event)`.

        Raises:
            DataError: if there is none at that position.
        """
        return self.dataset.x[self.test_row(position)]

    def test_row(self, position: int) -> int:
        """Find one example of the test split.

        Args:
            position: which one, from 0.

        Returns:
            Its position in `dataset.x`.

        Raises:
            DataError: if there is none at that position.
        """
        rows = self.examples()
        if not 0 <= position < len(rows):
            raise DataError(f"there is no test example {position}; they run from 0 to {len(rows) - 1}")
        return int(rows[position])

    def conditions_at(self, positions: Any, dataset: Dataset | None = None) -> np.ndarray | None:
        """Give the conditions of examples, as a conditional model takes them, what it infers filled in.

        Args:
            positions: which examples: positions, or a slice.
            dataset: the data; the run's own by default.

        Returns:
            Shape `(n, C)`, or None for a model without a condition.
        """
        if self.condition is None:
            return None
        if dataset is None or dataset is self.dataset:
            return self._conditions[positions]
        return self._completed(dataset)[positions]

    @cached_property
    def _conditions(self) -> np.ndarray:
        return self._completed(self.dataset)

    def _completed(self, dataset: Dataset) -> np.ndarray:
        rows = self.conditions_of(dataset)
        if rows is None:
            raise ConfigError("the model has no condition")
        completed = self.complete(dataset.x, rows)
        return rows if completed is None else completed

    def encode_examples(self, positions: Any, *, sample: bool = False) -> np.ndarray:
        """Encode examples of the run's data, each under its own condition.

        Args:
            positions: which examples.
            sample: draw from the posterior instead of taking its mean.

        Returns:
            Shape `(n, *latent)`.
        """
        return self.inference.encode(self.dataset.x[positions], self.conditions_at(positions), sample=sample)

    def encode_splits(
        self, source: Any = None, *, sample: bool = False, seed: int = 0, skip_bad: bool = False
    ) -> dict[str, np.ndarray]:
        """Encode all splits, with what another model needs to be trained on the latents.

        Args:
            source: where the data come from; the run's own data by default.
            sample: draw from the posterior instead of taking its mean.
            seed: seed of the draw.
            skip_bad: leave out files of other data that cannot be read.

        Returns:
            `x_train` with shape `(N, *latent)`, `y_train` with the labels, `(N,)`, where there are any, and
            the same for validation and test where they have examples.
        """
        dataset = self.dataset if source is None else self._split(source, **_bad(skip_bad))
        conditions = self.conditions_at(slice(None), dataset)
        found: dict[str, np.ndarray] = {}
        for split, rows in dataset.splits.items():
            if not len(rows):
                continue
            c = None if conditions is None else conditions[rows]
            found[f"x_{split}"] = self.inference.encode(dataset.part(rows), c, sample=sample, seed=seed)
            if dataset.labels is not None:
                labels, names = dataset.labels[rows], np.array([*dataset.label_names, ""])
                found[f"y_{split}"] = names[labels] if dataset.label_names else labels
        return found

    def take(
        self, source: Any = None, split: str | None = None, n: int | None = None, *, skip_bad: bool = False
    ) -> tuple[Examples, np.ndarray | None]:
        """Give examples, of the run's own data or of others brought to their form.

        Args:
            source: where they come from; the run's own data by default.
            split: 'train', 'validation' or 'test', or 'all' for every example in order; by default 'test' of
                the run's own data and all of others.
            n: how many at most.
            skip_bad: leave out files of other data that cannot be read.

        Returns:
            The examples as stored, shape `(n, *event)`, and their conditions, `(n, C)` or None.

        Raises:
            DataError: if there is no such split, or it is empty.
        """
        dataset = self.dataset if source is None else self.other(source, **_bad(skip_bad))
        rows = self.rows(dataset, split)[:n]
        return dataset.part(rows), self.conditions_at(rows, dataset)

    def rows(self, dataset: Dataset, split: str | None = None) -> np.ndarray:
        """Give the positions of the examples of a split.

        Args:
            dataset: the run's own data, or others.
            split: as `take` has it.

        Returns:
            The positions.

        Raises:
            DataError: if there is no such split, or it is empty.
        """
        split = split or ("test" if dataset is self.__dict__.get("dataset") else "all")
        if split == "all":
            return np.arange(len(dataset))
        if split not in dataset.splits:
            raise DataError(f"unknown split '{split}'{nearest(split, [*dataset.splits, 'all'])}")
        if len(dataset.splits[split]):
            return dataset.splits[split]
        if any(map(len, dataset.splits.values())):
            raise DataError(f"{dataset.name} has no {split} split; give --split all")
        raise DataError(
            f"{where_of(dataset)} brings no splits, and other data get none; leave --split out to take all"
        )


def _bad(skip: bool) -> dict[str, bool]:
    """Give the setting, where it is asked for: else the training's holds."""
    return {"skip_bad": True} if skip else {}
