"""What one column of a table holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["real", "integer", "category", "ordered", "boolean", "time"]
KINDS: tuple[Kind, ...] = ("real", "integer", "category", "ordered", "boolean", "time")
DISCRETE: tuple[Kind, ...] = ("category", "ordered")
"""The kinds whose values are places in `Column.categories`."""


def column_names(count: int) -> tuple[str, ...]:
    """Call columns that have no names by their places, from 0 as `data.label` and `data.columns` count.

    Args:
        count: how many there are.

    Returns:
        "column 0", "column 1" and so on.
    """
    return tuple(f"column {at}" for at in range(count))


@dataclass(frozen=True)
class Column:
    """What one column holds, and how its values are written as numbers.

    The code of a value, which `Dataset.x` holds, is the number itself for `real` and `integer`; 0 or 1 for
    `boolean`; the place in `categories` for `category` and `ordered`, and `len(categories)` for a value that
    is none of them; and for `time` the seconds, or days where no value has a time of day, since `origin`. A
    missing value is NaN, whatever the kind.

    Attributes:
        name: what it is called.
        kind: what its values are.
        dtype: the type in which values are given back, by the name that the source has for it.
        categories: the values of a category in their order; all are text, or all numbers or truth values.
        low: the smallest code of the training split.
        high: the largest one.
        decimals: how many digits after the point the source's numbers have; None where they have no limit.
        origin: of a `time`, the moment that is 0, in ISO 8601; empty for spans of time.
        unit: of a `time`, what 1 is: 'day' or 'second'.
        zone: of a `time`, its time zone; empty without one.
        missing: whether values are missing in the training split.
    """

    name: str
    kind: Kind = "real"
    dtype: str = "float64"
    categories: tuple[str | int | float | bool, ...] = ()
    low: float = 0.0
    high: float = 1.0
    decimals: int | None = None
    origin: str = ""
    unit: str = ""
    zone: str = ""
    missing: bool = False

    @property
    def numeric(self) -> bool:
        """Whether its values have distances: a mean, and a scale."""
        return self.kind in ("real", "integer", "time")
