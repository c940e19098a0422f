"""What one example is: its shape, and what the numbers of that shape mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, get_args

Kind = Literal["vector", "image", "video", "array"]

COLOURS = (1, 3, 4)
"""Channels that can be shown: grey, colour, colour with opacity."""
SMALLEST = 4
"""Entries along each side, at the least, of what is an image; smaller ones are arrays."""


class Event(tuple[int, ...]):
    """The shape of one example, which knows what kind of example it is.

    It is the shape itself, a tuple, because that is what most of the program asks of it: torch, numpy and the
    networks take it where they take a shape, and it equals one. What is not about sizes asks `kind`:

    - `vector`: `(F,)`, a row of a table;
    - `image`: `(C, H, W)` of 1, 3 or 4 channels and at least 4 pixels a side;
    - `video`: `(C, T, H, W)` of as many channels;
    - `array`: whatever else, such as a picture of 13 channels.

    All sizes are those of the training. Which of them other examples may differ in is for the network to say,
    not for the data: see `LatentModel.strides`.

    Attributes:
        kind: what the numbers are.

    Example:
        >>> event = Event.of((1, 28, 28))
        >>> event.kind, event[1:], event == (1, 28, 28)
        ('image', (28, 28), True)
    """

    kind: Kind

    def __new__(cls, kind: Kind, shape: Sequence[int]) -> Self:
        """Take kind and shape.

        Args:
            kind: what an example is.
            shape: its shape, channels first.

        Returns:
            The event.
        """
        event = super().__new__(cls, map(int, shape))
        event.kind = kind
        return event

    def __getnewargs__(self) -> tuple[Kind, tuple[int, ...]]:
        return self.kind, tuple(self)

    @classmethod
    def of(cls, shape: Sequence[int]) -> Event:
        """Say what examples of a shape are; where this is asked, nothing else tells.

        Args:
            shape: the shape of one, channels first; an event stays what it is.

        Returns:
            The event.
        """
        if isinstance(shape, Event):
            return shape
        kind: Kind = "array"
        if len(shape) == 1:
            kind = "vector"
        elif shape and shape[0] in COLOURS and min(shape[-2:]) >= SMALLEST:
            kind = "image" if len(shape) == 3 else "video" if len(shape) == 4 else "array"
        return Event(kind, shape)

    @property
    def planar(self) -> bool:
        """Whether convolutions over height and width have something to work on, whatever the channels are."""
        return len(self) == 3 and min(self[1:]) >= SMALLEST

    @property
    def frame(self) -> Event:
        """What a frame of a clip is; of anything else, the whole of it."""
        return Event("image", (self[0], *self[2:])) if self.kind == "video" else self

    def record(self) -> dict[str, Any]:
        """Give what `from_record` reads, of plain values."""
        return {"kind": self.kind, "shape": list(self)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Event:
        """Read what `record` gave.

        Args:
            record: kind and shape.

        Returns:
            The event.

        Raises:
            ValueError: if there is no such kind.
        """
        if record["kind"] not in get_args(Kind):
            raise ValueError(f"an example is {', '.join(get_args(Kind))}, and not '{record['kind']}'")
        return Event(record["kind"], record["shape"])
