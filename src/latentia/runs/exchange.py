"""How examples come to a model and go from it: as the source of its data had them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from latentia.assembly import Parts
from latentia.core.errors import ConfigError, DataError, LatentiaError, Note
from latentia.core.event import SMALLEST, Event
from latentia.data.coding import decode
from latentia.data.conditions import Labels, as_condition_rows
from latentia.data.dataset import Dataset
from latentia.data.matching import in_units, matched, relabelled
from latentia.data.readers.values import refuse_infinite
from latentia.data.record import DataRecord
from latentia.data.schema import Schema
from latentia.data.shards import Examples, Shards
from latentia.data.sources import load_other
from latentia.data.transforms import Scale
from latentia.runs.inference import Inference


class Exchange(Inference):
    """A model that knows what its data looked like: reads others like them, and gives examples back alike."""

    def __init__(self, recipe: Mapping[str, Any], parts: Parts) -> None:
        """Take the parts.

        Args:
            recipe: what `describe` gave.
            parts: what it builds.
        """
        super().__init__(recipe, parts)
        self._inference = Inference(recipe, parts)

    @property
    def inference(self) -> Inference:
        """The same model, which takes and gives examples in the project's own order of axes, in floats."""
        return self._inference

    @cached_property
    def record(self) -> DataRecord:
        """What is remembered of the data that the model was trained on."""
        table = self.recipe.get("data")
        return DataRecord.from_table(table) if isinstance(table, Mapping) else self._guessed()

    def _guessed(self) -> DataRecord:
        """Say of data that were not recorded what the model's parts say."""
        ends = (0.0, 1.0)
        if isinstance(self.transform, Scale):
            low, high = (float(value) for value in self.transform.invert(torch.tensor([0.0, 1.0])))
            ends = (low, high)
        return DataRecord("", label_names=self.label_names, ranges=(ends,))

    def other(self, source: Any, **settings: Any) -> Dataset:
        """Read other data as those of the training were read, and bring them to their form.

        The settings of the training (size, label, key, ...) hold for them as well, one example is enough, and
        no split is drawn. Columns are matched by name, grey and colour and units as
        `latentia.data.matching.matched` says; what was changed stands in `notes` and is warned of.

        Args:
            source: where they come from: whatever `latentia.load` takes.
            settings: settings of `latentia.load` about reading, in the place of the training's.

        Returns:
            The data.

        Raises:
            DataError: if they cannot be read, or do not fit.
        """
        return self.fitting(self._read(source, **settings))

    def any_size(self, source: Any, **settings: Any) -> Dataset:
        """Read pictures of any sizes, for a run that was trained on crops; for another it is `other`.

        Args:
            source: as `other`.
            settings: as `other`.

        Returns:
            The data, whose `whole` has the pictures.

        Raises:
            DataError: if they cannot be read, or do not fit.
        """
        if not self.record.options.get("crop"):
            return self.other(source, **settings)
        found = self._read(source, **{**settings, "crop": SMALLEST})
        sides = (SMALLEST,) * (len(self.event) - 1)
        return matched(found, self.record, Event(self.event.kind, (self.event[0], *sides)))

    def _read(self, source: Any, **settings: Any) -> Dataset:
        """Read a source with the settings of the training."""
        options = {**self.record.options, **settings}
        # Other data need not have labels where the training's had them, nor keys.
        without = [{}, {"label": None}, {"key": None}, {"label": None, "key": None}]
        tries = [names for names in without if all(options.get(name) is not None for name in names)]
        refused: LatentiaError | None = None
        for names in tries:
            try:
                return load_other(
                    source,
                    expected=self.record.columns,
                    schema=self.record.reading,
                    **{**options, **names},
                )
            except (DataError, ConfigError) as error:
                refused = refused or error
        raise refused or AssertionError

    def fitting(self, dataset: Dataset) -> Dataset:
        """Bring data to the form of the training's; see `latentia.data.matching.matched`.

        Args:
            dataset: the data.

        Returns:
            The data.

        Raises:
            DataError: if they do not fit.
        """
        fitted = matched(dataset, self.record, self.event)
        _warn(fitted.notes[len(dataset.notes) :])
        return fitted

    def conditions_of(self, dataset: Dataset) -> np.ndarray | None:
        """Give the condition of every example of data, classes matched by name.

        Args:
            dataset: the data.

        Returns:
            Shape `(N, C)`, rows of NaN where it is not known; None for a model without a condition.

        Raises:
            DataError: if they have none, or one that the model does not know.
        """
        if self.condition is None:
            return None
        strict = isinstance(self.condition, Labels)
        return as_condition_rows(self.condition.of(relabelled(dataset, self.class_names, strict=strict)))

    def inward(self, x: Any, c: Any = None) -> tuple[Examples, Any]:
        """Take examples as a caller has them.

        Args:
            x: an array or a tensor, `(N, *shape)` as the source had them or `(N, *event)`, or one without N;
                or what `other` reads: a data frame, a tuple with labels, a path.
            c: conditions, or None: those that come with what `other` reads.

        Returns:
            Examples, shape `(N, *event)`, in the data's units, and their conditions.

        Raises:
            DataError: if they do not fit.
        """
        if isinstance(x, Shards):
            return x, c
        if is_frame(x) or isinstance(x, (str, os.PathLike)) or (isinstance(x, tuple) and len(x) == 2):
            data = self.other(x)
            return data.x, self.conditions_of(data) if c is None else c
        array = np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x)
        if array.dtype.kind not in "buif":
            raise DataError(f"the examples given are {array.dtype} values; give an array of numbers")
        array = self.record.layout.arrange(array, self._sized(array.shape))
        if array.dtype.kind == "f":
            refuse_infinite(array, "the examples given")
        given = _in_memory(array)
        if self.record.dtype and self.event.kind != "vector" and len(array):
            given = in_units(given, self.record)
        _warn(given.notes)
        return given.x, c

    def _sized(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the shape of one example, at another size than the training's where the model takes such."""
        for one in (shape[1:], shape):
            for found in (self.record.layout.event(one), one):
                if self.fits(found):
                    return found
        return self.event

    def outward(self, x: np.ndarray, like: Any = None, *, clip: bool = False) -> Any:
        """Give examples as the source of the data had them: its order of axes, its types.

        Args:
            x: shape `(N, *event)`, in the data's units.
            like: what the caller gave, from which these examples come.
            clip: keep a table's numbers within the ends of the training split.

        Returns:
            Shape `(N, *shape)`; of a table with words, times or truth values, or where a frame was given, a
            data frame of pandas, with the index of the one given.
        """
        schema = self.record.schema
        framed = is_frame(like)
        if schema is None or not (schema.mixed or framed):
            return self.record.layout.restore(x)
        index = getattr(like, "index", None) if framed else None
        return schema.frame(x, clip=clip, index=index if index is not None and len(index) == len(x) else None)

    def refilled(self, like: Any, x: np.ndarray, filled: np.ndarray) -> Any:
        """Put values into the holes of a frame; all else, columns that the model does not know too, stays.

        A column of whole numbers that had to be one of floats for its holes' sake is one of whole numbers
        again.

        Args:
            like: the frame, of pandas or of a library whose frames have `to_pandas`.
            x: its rows as `inward` gives them, shape `(N, F)`.
            filled: the same without holes.

        Returns:
            A copy, of pandas.
        """
        frame = like.to_pandas() if hasattr(like, "to_pandas") else like.copy()
        words = {str(name): name for name in frame.columns}
        schema = self.record.schema or Schema()
        for at, column in enumerate(schema.columns):
            name, holes = words[column.name], np.isnan(x[:, at])
            if not holes.any():
                continue
            made = decode(column, filled[:, at]).set_axis(frame.index)
            whole = column.kind == "integer" and frame[name].dtype.kind == "f"
            cells = frame[name].where(~holes, made)
            frame[name] = cells.astype("int64") if whole and not cells.isna().any() else cells
        return frame


def is_frame(x: Any) -> bool:
    """Whether something is a data frame, of whatever library.

    Args:
        x: what a caller gave.

    Returns:
        True for what has columns that are named.
    """
    return hasattr(x, "columns") and hasattr(x, "__getitem__")


def _warn(notes: Sequence[str]) -> None:
    for note in notes:
        warnings.warn(note, Note, stacklevel=4)


def _in_memory(array: np.ndarray) -> Dataset:
    """Take an array as `load` takes one, its axes aside: small whole numbers are bytes."""
    if array.dtype.kind != "f":
        bytes_enough = array.dtype.kind == "b" or (array.size and array.min() >= 0 and array.max() <= 255)
        array = array.astype(np.uint8 if bytes_enough else np.float32, copy=False)
    high = 255.0 if array.dtype == np.uint8 and array.max(initial=0) > 1 else 1.0
    return Dataset("array", "memory", array, {}, high=high)
