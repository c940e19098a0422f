"""How examples looked where they came from, so that what is made is given back alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from latentia.core.errors import DataError

Axes = Literal["same", "channels_last", "no_channel", "flat"]


@dataclass(frozen=True)
class Layout:
    """The order of an example's axes and the types of its values, as the source has them.

    Attributes:
        axes: how an example `(*event)` of the project stood in the source. `same`: as it does here;
            `channels_last`: an image `(H, W, C)`, or with more axes before its channels; `no_channel`: a grey
            image `(H, W)`; `flat`: one row of numbers, as a table of pixels has it.
        types: numpy's names of the values' types: one for all, or one for each column of a table; empty where
            the source has none of its own, as pictures in files that are bytes anyway.
    """

    axes: Axes = "same"
    types: tuple[str, ...] = ()

    def shape(self, event: tuple[int, ...]) -> tuple[int, ...]:
        """Give the shape of one example as the source has it.

        Args:
            event: its shape here.

        Returns:
            The same numbers in the source's order.
        """
        if self.axes == "channels_last":
            return (*event[1:], event[0])
        if self.axes == "no_channel":
            return event[1:]
        return (int(np.prod(event)),) if self.axes == "flat" else event

    def event(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the shape that an example of the source has here, for what is not flat: `shape` turned round.

        Args:
            shape: its shape there.

        Returns:
            The same numbers in the project's order.
        """
        if self.axes == "channels_last":
            return (*shape[-1:], *shape[:-1])
        return (1, *shape) if self.axes == "no_channel" else shape

    def arrange(self, x: np.ndarray, event: tuple[int, ...]) -> np.ndarray:
        """Bring examples to the order that they have here, whichever of the two they stand in.

        An example whose shape is the same in both orders, such as 3x3x3, is taken to be in the source's.

        Args:
            x: examples, shape `(N, *shape(event))`, or `(N, *event)`; or one of them, without N.
            event: shape of one example here.

        Returns:
            Shape `(N, *event)`, a view where it can be one.

        Raises:
            DataError: if the shape is neither.
        """
        given = self.shape(event)
        for shape in (given, event):
            if x.shape == shape or x.shape[1:] == shape:
                x = x[None] if x.shape == shape else x
                return self._inward(x, event) if shape == given else x
        want, got = ("x".join(map(str, shape)) or "one number" for shape in (given, x.shape[1:]))
        raise DataError(f"the model was trained on examples of shape {want}, and these have {got}")

    def _inward(self, x: np.ndarray, event: tuple[int, ...]) -> np.ndarray:
        if self.axes == "channels_last":
            return np.moveaxis(x, -1, 1)
        return x.reshape(len(x), *event)

    def restore(self, x: np.ndarray) -> np.ndarray:
        """Give examples back as the source has them: its order of axes, its types.

        Whole numbers are rounded, half to even, and kept within what their type can hold; a boolean is true
        from 0.5 on. The types of a table's columns are applied where they are all one; else each column is
        rounded as its type asks, and the array stays one of floats (`columns_of` gives each its type).

        Args:
            x: values in the data's units, shape `(N, *event)`.

        Returns:
            Shape `(N, *shape(event))`.
        """
        if self.axes == "channels_last":
            x = np.moveaxis(x, 1, -1)
        elif self.axes != "same":
            x = x[:, 0] if self.axes == "no_channel" else x.reshape(len(x), -1)
        if len(set(self.types)) == 1:
            return _as_type(x, self.types[0])
        if not self.types:
            return x
        columns = [_as_type(x[:, at], name).astype(x.dtype) for at, name in enumerate(self.types)]
        return np.stack(columns, axis=1)

    def columns_of(self, x: np.ndarray) -> list[np.ndarray]:
        """Give the columns of a table, each in its own type.

        Args:
            x: values in the data's units, shape `(N, F)`.

        Returns:
            F arrays of shape `(N,)`.
        """
        names = self.types * (x.shape[1] if len(self.types) == 1 else 1)
        return [_as_type(x[:, at], names[at]) if names else x[:, at] for at in range(x.shape[1])]

    def record(self) -> dict[str, Any]:
        """Give what `from_record` reads, of plain values."""
        return {**asdict(self), "types": list(self.types)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Layout:
        """Read what `record` gave; an older record without one is of examples as they stand here.

        Args:
            record: the table.

        Returns:
            The layout.
        """
        return cls(record.get("axes", "same"), tuple(record.get("types", ())))


def _as_type(x: np.ndarray, name: str) -> np.ndarray:
    """Bring values to a type; whole numbers are rounded, and kept within its ends."""
    kind = np.dtype(name)
    if kind.kind in "biu" and x.dtype.kind == "f" and np.isnan(x).any():
        return np.rint(x)  # no whole number stands for a missing value
    if kind.kind == "b":
        return x >= 0.5
    if kind.kind not in "iu":
        return x.astype(kind)
    ends = np.iinfo(kind)
    # In place: a picture may fill a good part of the memory. float32 holds whole numbers up to 2^24.
    small = x.dtype == np.float32 and ends.max < 1 << 24
    whole = x.astype(np.float32 if small else np.float64)
    np.rint(whole, out=whole)
    # float64 has no number between 2^63 - 1 and 2^63: the last one below is taken.
    top = np.nextafter(float(ends.max), 0.0) if float(ends.max) > ends.max else float(ends.max)
    return np.clip(whole, float(ends.min), top, out=whole).astype(kind)
