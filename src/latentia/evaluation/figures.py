"""Figures: numbers about a model, each with its error, its unit and how it was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from latentia.errors import LatentiaError, MissingExtra

Better = Literal["lower", "higher", ""]


class Unmeasurable(LatentiaError):
    """A figure that these data or this model do not have, and why."""


@dataclass(frozen=True)
class Figure:
    """One number about a model, or one for each of some parts.

    Attributes:
        value: the number, or one for each part.
        unit: its unit; empty for a pure number.
        split: the split of the data that it is about.
        protocol: how it was measured, in one sentence.
        error: standard error of the value (of each value), or None where it is exact or unknown.
        examples: how many examples it was measured on.
        better: which way is better, or nothing where neither is.
        parts: what each of the values is about, where there are several.
        doubt: why the value cannot be trusted, as a clause; empty where it can.
    """

    value: float | tuple[float, ...]
    unit: str
    split: str
    protocol: str
    error: float | tuple[float, ...] | None = None
    examples: int = 0
    better: Better = ""
    parts: tuple[str, ...] = ()
    doubt: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give plain values; what is not finite becomes null."""
        return {name: _finite(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Figure:
        """Read what `as_json` gave.

        Args:
            table: plain values.

        Returns:
            The figure; null becomes NaN.
        """
        known = dict(table)
        for name in ("value", "error"):
            if isinstance(known[name], list):
                known[name] = tuple(math.nan if item is None else float(item) for item in known[name])
        known["value"] = math.nan if known["value"] is None else known["value"]
        known["parts"] = tuple(known["parts"])
        return cls(**known)


def _finite(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass
class Ledger:
    """The figures so far, and why others are missing.

    Attributes:
        figures: by name.
        missing: the reason, by name.
    """

    figures: dict[str, Figure]
    missing: dict[str, str]

    def measure(self, names: Iterable[str], measure: Callable[[], Mapping[str, Figure]]) -> None:
        """Take what can be measured; note the reason for what cannot.

        Args:
            names: the figures that it should give.
            measure: gives them, or raises `Unmeasurable` or `MissingExtra` for all of them.
        """
        try:
            self.figures.update(measure())
        except (Unmeasurable, MissingExtra) as error:
            self.missing.update({name: str(error) for name in names})

    def drop_what_is_not_finite(self) -> None:
        """Move figures without a finite value to what is missing."""
        for name, figure in list(self.figures.items()):
            if not np.isfinite(figure.value).all():
                del self.figures[name]
                self.missing[name] = (
                    "it is not a finite number: the model's outputs or its data are not, or too few"
                )


def mean_and_error(values: np.ndarray) -> tuple[float, float | None]:
    """Average independent values.

    Args:
        values: shape `(N,)`.

    Returns:
        The mean, and its standard error s / sqrt(N); None for a single value.
    """
    values = np.asarray(values, dtype=np.float64)
    error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
    return float(values.mean()), error
