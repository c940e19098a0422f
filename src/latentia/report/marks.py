"""Which of several values is best beyond doubt, if one is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from latentia.metrics.figures import Figure

DOUBT = 2.0
"""Standard errors of a difference that the best value must be ahead of each other."""
SAME = ("transform", "likelihood", "told")
"""What runs must have in common for their nats and bits to be of one scale."""
_CALLED = {"told": "what they are told of an example"}


@dataclass(frozen=True)
class Column:
    """One figure of one run, or of several that differ in nothing but their seeds.

    Attributes:
        title: what it is called.
        figures: the figure of each run, or None where it has none.
        about: what the figures of each run are about.
    """

    title: str
    figures: tuple[Figure | None, ...]
    about: tuple[Mapping[str, Any], ...]

    @property
    def given(self) -> list[Figure]:
        """The figures that are one finite number."""
        return [figure for figure in self.figures if figure is not None and scalar(figure) is not None]

    @property
    def numbers(self) -> np.ndarray:
        """These numbers, shape `(n,)`."""
        return np.array([scalar(figure) for figure in self.given], dtype=np.float64)

    @property
    def spread(self) -> float | None:
        """Their standard deviation over seeds; None of fewer than two."""
        return float(self.numbers.std(ddof=1)) if len(self.given) > 1 else None


@dataclass(frozen=True)
class Difference:
    """How much larger one column's number is than another's.

    Attributes:
        value: the difference.
        error: its standard error, over examples and over seeds; None where neither is known.
        least: the size from which it is beyond doubt.
        paired: whether the error over examples is that of differences example by example.
    """

    value: float
    error: float | None
    least: float
    paired: bool


@dataclass(frozen=True)
class Verdict:
    """What a comparison of one figure says.

    Attributes:
        best: the position of the best column, or None where none is better beyond doubt.
        note: why the values cannot be compared at all; empty where they can.
        behind: by its position, how each column differs from the one with the best value.
    """

    best: int | None = None
    note: str = ""
    behind: Mapping[int, Difference] = field(default_factory=dict)


def judge(columns: Sequence[Column]) -> Verdict:
    """Find the column that is best in one figure.

    The best value leads beyond doubt if its difference to each other value exceeds two standard errors of
    that difference. On the same examples the error is that of the differences example by example, since what
    is hard for one model is hard for the other; else it is sqrt(e1^2 + e2^2). Of several seeds the spread of
    the means comes to it, with Student's t in the place of 2.

    Args:
        columns: the figure of each run, or of each group of seeds.

    Returns:
        The verdict. Nothing is best where no direction is better, where a value has no standard error, or
        where values cannot be trusted or are not of one scale.
    """
    given = {place: column for place, column in enumerate(columns) if column.given}
    if len(given) < 2:
        return Verdict()
    if note := _refused(list(given.values())):
        return Verdict(note=note)
    better = next(iter(given.values())).given[0].better
    if not better:
        return Verdict()
    sign = 1 if better == "higher" else -1
    leading = max(given, key=lambda place: sign * float(given[place].numbers.mean()))
    behind = {
        place: difference(column, given[leading]) for place, column in given.items() if place != leading
    }
    ahead = all(each.error is not None and -sign * each.value > each.least for each in behind.values())
    return Verdict(leading if ahead else None, behind=behind)


def _refused(columns: Sequence[Column]) -> str:
    """Say why figures cannot be compared, if they cannot."""
    figures = [figure for column in columns for figure in column.given]
    about = [
        about
        for column in columns
        for figure, about in zip(column.figures, column.about, strict=True)
        if scalar(figure) is not None
    ]
    first = figures[0]
    doubted = [column for column in columns if any(figure.doubt for figure in column.given)]
    if doubted and any(figure.better for figure in figures):
        why = next(figure.doubt for figure in doubted[0].given if figure.doubt).partition(";")[0]
        first, *others = [column.title for column in doubted]
        also = f" Nor is it to be trusted of {', '.join(others)}." if others else ""
        return f"Not judged: of {first}, {why}.{also}"
    if any((figure.unit, figure.split, figure.better) != _kind(first) for figure in figures):
        return "Not compared: the runs differ in the split or the unit." if first.better else ""
    if not first.better:
        return ""
    for name in dict.fromkeys(name for figure in figures for name in figure.basis):
        found = list(dict.fromkeys(figure.basis.get(name, "none") for figure in figures))
        if len(found) > 1:
            return f"Not compared: the runs differ in the {name} ({', '.join(found)})."
    scale = SAME if _in_nats(first.unit) else SAME[:1] if "model units" in first.unit else ()
    differ = [key for key in scale if len({str(each.get(key)) for each in about}) > 1]
    if differ:
        words = " and ".join(_CALLED.get(key, key) for key in differ)
        return f"Not compared: the runs differ in {words}."
    return ""


def difference(one: Column, other: Column) -> Difference:
    """Compare two columns.

    Args:
        one: the first.
        other: the second, which is taken from it.

    Returns:
        The difference with its error.
    """
    each = paired(one, other)
    if each is not None:
        value, over_examples = float(each.mean()), float(each.std(ddof=1) / math.sqrt(len(each)))
    else:
        value = float(one.numbers.mean() - other.numbers.mean())
        errors = [_mean_error(column) for column in (one, other)]
        over_examples = None if None in errors else math.hypot(*errors)  # pyright: ignore
    over_seeds, freedom = _seeds(one, other)
    if over_examples is None and (one.spread is None or other.spread is None):
        return Difference(value, None, math.inf, False)
    over_examples = over_examples or 0.0
    least = math.hypot(DOUBT * over_examples, _student(freedom) * over_seeds if over_seeds else 0.0)
    return Difference(value, math.hypot(over_examples, over_seeds), least, each is not None)


def paired(one: Column, other: Column) -> np.ndarray | None:
    """Subtract one column's values from another's, example by example.

    Args:
        one: the first.
        other: the second, which is taken from it.

    Returns:
        The differences of the examples that all of their runs measured, means over seeds, shape `(n,)`; None
        where the runs are of other data, have no values of examples, or fewer than two in common.
    """
    figures = [*one.given, *other.given]
    about = {each.get("checksum") for column in (one, other) for each in column.about}
    rows = [each.rows for each in figures if each.values is not None and each.rows is not None]
    if len(about) > 1 or None in about or len(rows) < len(figures):
        return None
    common = rows[0]
    for own in rows[1:]:
        common = np.intersect1d(common, own)
    if len(common) < 2:
        return None
    first, second = (
        np.mean([_at(common, figure) for figure in column.given], axis=0) for column in (one, other)
    )
    return first - second


def _at(rows: np.ndarray, figure: Figure) -> np.ndarray:
    """Give the values of some examples, which are among the figure's."""
    own, values = np.asarray(figure.rows), np.asarray(figure.values, dtype=np.float64)
    order = np.argsort(own)
    return values[order[np.searchsorted(own[order], rows)]]


def _mean_error(column: Column) -> float | None:
    """Give the error over examples of a column's mean: seeds on the same examples do not lower it."""
    errors = [error(figure) for figure in column.given]
    known = [each for each in errors if each is not None]
    return float(np.mean(known)) if len(known) == len(errors) else None


def _seeds(one: Column, other: Column) -> tuple[float, float]:
    """Give the standard error that comes of few seeds, and its degrees of freedom (Welch, Satterthwaite).

    A single run is taken to vary as the other column's do; where neither has several, nothing is known, and
    the verdict is on these runs alone.
    """
    spreads = [column.spread for column in (one, other)]
    if spreads == [None, None]:
        return 0.0, math.inf
    filled = [
        spread if spread is not None else max(s for s in spreads if s is not None) for spread in spreads
    ]
    parts = [spread**2 / len(column.given) for spread, column in zip(filled, (one, other), strict=True)]
    total = sum(parts)
    if total == 0:
        return 0.0, math.inf
    known = [
        (part, len(column.given) - 1)
        for part, column in zip(parts, (one, other), strict=True)
        if len(column.given) > 1
    ]
    if len(known) == 1:
        return math.sqrt(total), float(known[0][1])
    return math.sqrt(total), total**2 / sum(part**2 / freedom for part, freedom in known)


def _student(freedom: float) -> float:
    """Give as many standard errors as two are of a normal distribution."""
    if math.isinf(freedom):
        return DOUBT
    from scipy.special import ndtr, stdtrit

    return float(stdtrit(freedom, ndtr(DOUBT)))


def scalar(figure: Figure | None) -> float | None:
    """Give a figure's one number.

    Args:
        figure: the figure, if there is one.

    Returns:
        The number; None where there is none, where there are several, or where it is not finite.
    """
    if figure is None or isinstance(figure.value, tuple) or not math.isfinite(figure.value):
        return None
    return float(figure.value)


def error(figure: Figure | None) -> float | None:
    """Give the standard error of a figure's one number.

    Args:
        figure: the figure, if there is one.

    Returns:
        The error; None where there is none or where it is not finite.
    """
    if figure is None or not isinstance(figure.error, (int, float)) or not math.isfinite(figure.error):
        return None
    return float(figure.error)


def _kind(figure: Figure) -> tuple[str, str, str]:
    return figure.unit, figure.split, figure.better


def _in_nats(unit: str) -> bool:
    return bool({"nat", "nats", "bit", "bits"} & set(re.findall(r"[a-z]+", unit.lower())))
