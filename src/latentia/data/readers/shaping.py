"""What is done to images once they are read: rows of a table become images, sizes change, crops are cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from latentia.core.errors import ConfigError
from latentia.data.pictures import Crops, Pictures
from latentia.data.raw import Options, Raw
from latentia.data.readers.decode import enlarged, noted
from latentia.data.readers.resize import cuts, resize_all, target
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


def resized(raw: Raw, options: Options, where: str) -> Raw:
    """Bring images to the size that is asked for.

    Args:
        raw: the source.
        options: size and fit are used.
        where: what messages call it.

    Returns:
        The source; itself where no size is asked for, or where it has been seen to.

    Raises:
        ConfigError: if it holds no images, or leaves them in their files.
    """
    x, size, how = raw.x, options.size, options.fit
    if size is None or isinstance(x, Crops):  # of pictures that were brought to it when they were decoded
        return raw
    if x.ndim not in (4, 5):
        raise ConfigError(f"data.size applies to images, but {where} holds examples of shape {x.shape[1:]}")
    if how == "short":
        size = target(x.shape[-2:], options._replace(crop=None))
    if isinstance(x, Shards) and x.shape[-2:] != size:
        raise ConfigError(
            f"data.size does not apply to {where}, which is larger than data.buffer; pack it with --size"
        )
    if isinstance(x, Shards) or x.shape[-2:] == size:
        return raw
    lost = noted({"cut": len(x)}) if how == "crop" and cuts(x.shape[-2:], size) else {}
    return replace(raw, x=_resized(x, size, how), left_out={**raw.left_out, **lost})


def _resized(x: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
    """Bring images to a size, or each frame of clips."""
    flat = x.reshape(len(x), -1, *x.shape[-2:])
    return resize_all(flat, size, how).reshape(*x.shape[:-2], *size)


def cropped(raw: Raw, options: Options, where: str) -> Raw:
    """Make crops of images the examples; the whole images are kept beside those that fit into memory.

    Args:
        raw: the source.
        options: crop, flip, shift and buffer are used.
        where: what messages call it.

    Returns:
        The source; itself where no crop is asked for.

    Raises:
        ConfigError: if it holds no images, or images in files that are smaller than the crop.
    """
    x, shape, crop = raw.x, raw.x.shape[1:], options.crop
    if crop is None or (shape[-2:] == crop and not isinstance(x, Crops)):
        for name, asked in (("flip", options.flip), ("shift", options.shift)):
            if asked and len(shape) not in (3, 4) and not options.inherited:
                raise ConfigError(
                    f"data.{name} applies to images, but {where} holds examples of shape {shape}"
                )
        if options.shift >= min(shape[-2:], default=0) and options.shift and not options.inherited:
            raise ConfigError(
                f"data.shift={options.shift} moves images of {shape[-2]}x{shape[-1]} out of sight; give a "
                "smaller one"
            )
        return raw
    if not isinstance(x, Crops):
        if len(shape) not in (3, 4):
            raise ConfigError(f"data.crop applies to images, but {where} holds examples of shape {shape}")
        least = target(shape[-2:], Options(crop=crop))
        if least != shape[-2:]:
            if isinstance(x, Shards):
                raise ConfigError(
                    f"data.crop={crop[0]}x{crop[1]} is larger than the images of {where}, "
                    f"{shape[-2]}x{shape[-1]}; give a smaller one, or pack them with a larger --size"
                )
            raw = replace(raw, notes=(*raw.notes, *enlarged({"small": len(x)})))
            x = _resized(x, least, "short")
        x = Crops(Pictures.even(x), crop, x.observed if isinstance(x, Shards) else None)
    if isinstance(x.pictures.values, Shards) or x.nbytes > options.buffer:
        return replace(raw, x=x)
    return replace(raw, x=x[:], pictures=x.pictures)
