"""Rows of a table become images: pixels in columns, as MNIST is handed about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from latentia.core.errors import ConfigError
from latentia.data.raw import Raw
from latentia.data.shards import Shards


def require_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Check the setting.

    Args:
        shape: height and width, or channels, height and width.

    Returns:
        The shape of an example: channels first.

    Raises:
        ConfigError: if it is none.
    """
    sides = tuple(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else ()
    if len(sides) not in (2, 3) or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ConfigError(
            f"data.shape is {shape!r}; height and width, or channels, height and width are needed, "
            "such as 28,28"
        )
    return sides if len(sides) == 3 else (1, *sides)


def shaped(raw: Raw, event: tuple[int, ...], where: str) -> Raw:
    """Make an image of each row; whole numbers within 0..255 become bytes, others float32.

    White is 255, or the largest number where all are below 128.

    Args:
        raw: a table.
        event: channels, height and width.
        where: what messages call it.

    Returns:
        The images, whose layout is flat.

    Raises:
        ConfigError: if the examples are no rows, or of another length.
    """
    shape, wanted = raw.x.shape[1:], math.prod(event)
    if isinstance(raw.x, Shards) or shape != (wanted,):
        size = "x".join(map(str, event))
        held = f"{shape[0]} numbers" if len(shape) == 1 else f"shape {shape}"
        if isinstance(raw.x, Shards) and shape == (wanted,):
            held = "files larger than data.buffer: raise it"
        if shape == (wanted + 1,) and raw.columns and raw.labels is None:
            held += f"; if one is the label, name it, such as data.label={raw.columns[0]}"
        raise ConfigError(f"data.shape={size} is for rows of {wanted} numbers, but {where} has {held}")
    words = (
        [column.name for column in raw.schema.columns if not column.numeric and column.kind != "boolean"]
        if raw.schema
        else []
    )
    if words:
        raise ConfigError(
            f"data.shape is for numbers, and column '{words[0]}' of {where} holds words; drop it"
        )
    x, high = raw.x.reshape(len(raw.x), *event), raw.high
    whole = bool(raw.layout.types) and all(np.dtype(name).kind in "bui" for name in raw.layout.types)
    if whole and x.dtype != np.uint8 and x.size and x.min() >= 0 and x.max() <= 255:
        x = x.astype(np.uint8)
        high = 255.0 if x.max() > 127 else float(max(1, x.max()))  # the digits of 8x8 end at 16
    elif x.dtype == np.float64:
        x = x.astype(np.float32)  # pixels, not quantities of many digits
    layout = replace(raw.layout, axes="flat")
    return replace(raw, x=x, high=high, layout=layout, schema=None)
