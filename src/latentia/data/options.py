"""The settings of `load`, checked before anything is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from latentia.core.errors import ConfigError, nearest
from latentia.data.column import KINDS, Kind
from latentia.data.raw import Options
from latentia.data.readers.resize import FITS
from latentia.data.readers.shaping import require_shape

Types: TypeAlias = str | Sequence[str] | Mapping[str, str]
"""What columns hold: `{"age": "integer"}`, `["age:integer"]` or `"age:integer"`."""

_CHOICES = {"fit": FITS, "channels": ("auto", "first", "last"), "pages": ("first", "examples", "channels")}


def make_options(
    size: int | Sequence[int] | None,
    skip_bad: bool,
    label: str | None,
    key: str | None,
    validation: float,
    test: float,
    buffer: int = 1024,
    fit: str = "crop",
    channels: str = "auto",
    pages: str = "first",
    *,
    header: bool | None = None,
    shape: Sequence[int] | None = None,
    columns: str | Sequence[str] | None = None,
    drop: str | Sequence[str] | None = None,
    types: Types | None = None,
    labels: str | None = None,
    crop: int | Sequence[int] | None = None,
    flip: bool = False,
    shift: int = 0,
    frames: int | None = None,
    stride: int | None = None,
    rate: float | None = None,
) -> Options:
    """Check the settings of `load`, which says what each of them is, and give those that readers need."""
    _require_share("validation", validation)
    _require_share("test", test)
    given: dict[str, Any] = {"fit": fit, "channels": channels, "pages": pages}
    _require_choices(given)
    if buffer < 1:
        raise ConfigError(f"data.buffer is {buffer}; a number of MiB from 1 on is needed")
    if size is None and fit != "crop":
        raise ConfigError(f"data.fit={fit} says how images come to a size; give data.size with it")
    _require_switches(header=False if header is None else header, flip=flip)
    label, key = (None if name is None else str(name) for name in (label, key))  # a frame's may be numbers
    event = None if shape is None else require_shape(shape)
    sides, cut = _height_and_width("size", size), _height_and_width("crop", crop)
    _require_room(sides, fit, cut)
    chosen, gone = _columns(columns, drop)
    return Options(
        sides,
        skip_bad,
        label,
        key,
        buffer << 20,
        **given,
        header=header,
        shape=event,
        columns=chosen,
        drop=gone,
        types=_types(types),
        labels=labels,
        crop=cut,
        flip=flip,
        shift=_shift(shift, cut),
        frames=_count("frames", frames),
        stride=_count("stride", stride),
        rate=_rate(rate),
    )


def _require_choices(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if value not in _CHOICES[name]:
            told = " (where arrays have theirs; pictures have as many as their files)" * (name == "channels")
            raise ConfigError(f"data.{name} is {value!r}; one of {', '.join(_CHOICES[name])} is needed{told}")


def _require_switches(**given: Any) -> None:
    for name, value in given.items():
        if not isinstance(value, bool):
            raise ConfigError(f"data.{name} is {value!r}; true or false is needed")


def _count(name: str, count: int | None) -> int | None:
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
        raise ConfigError(f"data.{name} is {count!r}; a whole number of frames from 1 on is needed")
    return count


def _shift(shift: int, cut: tuple[int, int] | None) -> int:
    if not isinstance(shift, int) or isinstance(shift, bool) or shift < 0:
        raise ConfigError(f"data.shift is {shift!r}; a whole number of pixels is needed")
    if shift and cut is not None:
        raise ConfigError("data.shift moves images, and crops come from random places; leave one of them out")
    return shift


def _rate(rate: float | None) -> float | None:
    if rate is not None and (not isinstance(rate, (int, float)) or not 0 < rate < 1e4):
        raise ConfigError(f"data.rate is {rate!r}; a number of frames per second above 0 is needed")
    return rate


def _columns(
    columns: str | Sequence[str] | None, drop: str | Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    chosen, gone = _names(columns), _names(drop)
    if both := [name for name in gone if name in chosen]:
        raise ConfigError(f"data.columns and data.drop both name '{both[0]}'; give it to one of them")
    return chosen, gone


def _names(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """Read names of columns; a frame's may be numbers."""
    if names is None:
        return ()
    return tuple(map(str, names)) if isinstance(names, (list, tuple)) else (str(names),)


def _types(types: Types | None) -> tuple[tuple[str, Kind], ...]:
    """Read what columns hold: a table, or a list of NAME:KIND."""
    if types is None:
        return ()
    pairs = list(types.items()) if isinstance(types, Mapping) else []
    for word in () if isinstance(types, Mapping) else _names(types):
        name, colon, kind = word.rpartition(":")
        if not colon:
            raise ConfigError(f"data.types is {word!r}; NAME:KIND is needed, such as age:integer")
        pairs.append((name, kind))
    found = []
    for name, kind in pairs:
        if kind not in KINDS:
            raise ConfigError(
                f"data.types: '{name}' is {kind!r}, which is no kind{nearest(str(kind), KINDS)}"
            )
        found.append((str(name), kind))
    return tuple(found)


def _require_share(name: str, share: float) -> None:
    if not 0 <= share < 1:
        raise ConfigError(f"data.{name} is {share}; a share of the data in [0, 1) is needed")


def _height_and_width(name: str, size: int | Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = tuple(size) if isinstance(size, Sequence) else (size, size)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ConfigError(
            f"data.{name} is {size!r}; one positive number of pixels, or height and width, is needed"
        )
    return sides


def _require_room(size: tuple[int, int] | None, fit: str, crop: tuple[int, int] | None) -> None:
    """Refuse a crop that does not fit into what the size leaves, and sizes that are no shorter side."""
    if size is None:
        return
    told = "x".join(map(str, size))
    if fit == "short" and size[0] != size[1]:
        raise ConfigError(f"data.size is {told}; with data.fit=short one number, the shorter side, is needed")
    if crop is not None and (size[0] < crop[0] or size[1] < crop[1]):
        raise ConfigError(
            f"data.crop={'x'.join(map(str, crop))} does not fit into data.size={told}; make one of them the "
            "other's size, or leave data.size out"
        )
