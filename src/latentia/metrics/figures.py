"""Figures: numbers about a model, each with its error, its unit and how it was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np

from latentia.core.errors import LatentiaError, MissingExtra

Better = Literal["lower", "higher", ""]
MOST_DECIMALS = 8
"""Smaller errors are written with an exponent."""


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
        basis: what figures must have in common to be compared, such as a feature space, by its name.
        doubt: why the value cannot be trusted, as a clause; empty where it can.
        values: of a mean over examples, the value of each, `(n,)`: from two runs on the same examples comes
            the error of their difference. They are kept beside the figures, not among them.
        rows: which examples these are: positions in the data, `(n,)`; None where `values` are those of the
            first n examples that the topic looks at, in its order.
    """

    value: float | tuple[float, ...]
    unit: str
    split: str
    protocol: str
    error: float | tuple[float, ...] | None = None
    examples: int = 0
    better: Better = ""
    parts: tuple[str, ...] = ()
    basis: Mapping[str, str] = field(default_factory=dict)
    doubt: str = ""
    values: np.ndarray | None = field(default=None, compare=False, repr=False)
    rows: np.ndarray | None = field(default=None, compare=False, repr=False)

    @classmethod
    def mean_of(
        cls, values: np.ndarray, unit: str, split: str, protocol: str, better: Better = "", **more: Any
    ) -> Figure:
        """Give the mean over examples, with its standard error and the value of each.

        Args:
            values: one for each example, shape `(n,)`.
            unit: their unit.
            split: the split that they are of.
            protocol: how they were measured.
            better: which way is better.
            more: other attributes of the figure.

        Returns:
            The figure.
        """
        mean, error = mean_and_error(values)
        values = np.asarray(values, dtype=np.float32)  # as they are kept
        return cls(mean, unit, split, protocol, error, len(values), better, values=values, **more)

    @classmethod
    def of_parts(
        cls,
        pairs: Iterable[tuple[float, float | None]],
        unit: str,
        split: str,
        protocol: str,
        examples: int,
        better: Better,
        parts: tuple[str, ...],
    ) -> Figure:
        """Give a number for each of some parts.

        Args:
            pairs: of each part the value and its standard error, None where it has none.
            unit: their unit.
            split: the split that they are of.
            protocol: how they were measured.
            examples: how many examples they were measured on.
            better: which way is better.
            parts: what each is about.

        Returns:
            The figure.
        """
        values, errors = zip(*pairs, strict=True)
        spread = tuple(math.nan if error is None else error for error in errors)
        exact = all(error is None for error in errors)
        return cls(values, unit, split, protocol, None if exact else spread, examples, better, parts)

    def as_json(self) -> dict[str, Any]:
        """Give plain values, without those of each example; what is not finite becomes null."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: _finite(value) for name, value in told.items() if name not in ("values", "rows")}

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
    if isinstance(value, Mapping):
        return dict(value)
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
            self.lack(names, str(error))

    def lack(self, names: Iterable[str], reason: str) -> None:
        """Note why figures are missing.

        Args:
            names: the figures.
            reason: the same for all.
        """
        self.missing.update(dict.fromkeys(names, reason))

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


def rounded(value: float, error: float) -> tuple[str, str]:
    """Write a value and its standard error, to the digits that the error leaves standing.

    Args:
        value: a finite number.
        error: positive and finite.

    Returns:
        Both, to two digits of the error, such as "162.79" and "0.21".
    """
    decimals = max(0, 1 - math.floor(math.log10(error)))
    if decimals > MOST_DECIMALS:
        return f"{value:.4g}", f"{error:.1e}"
    return f"{value:,.{decimals}f}", f"{error:,.{decimals}f}"
