"""Which of several values is best beyond doubt, if one is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentia.evaluation.figures import Figure

DOUBT = 2.0
"""Standard errors of a difference that the best value must be ahead of each other."""
SAME = ("transform", "likelihood")
"""What runs must have in common for their nats and bits to be of one scale."""


@dataclass(frozen=True)
class Verdict:
    """What a comparison of one figure says.

    Attributes:
        best: the position of the best run, or None where none is better beyond doubt.
        note: why the values cannot be compared at all; empty where they can.
    """

    best: int | None = None
    note: str = ""


def judge(figures: Sequence[Figure | None], about: Sequence[Mapping[str, Any]]) -> Verdict:
    """Find the run that is best in one figure.

    The best value leads beyond doubt if its difference to each other value exceeds 2 s, with the standard
    error of the difference s = sqrt(e1^2 + e2^2). On the same examples the errors of two runs go up and
    down together, so the rule errs on the careful side.

    Args:
        figures: the figure of each run, or None where it has none.
        about: what the figures of each run are about.

    Returns:
        The verdict. Nothing is best where no direction is better, where a value has no standard error, or
        where the values are of different scales.
    """
    given = [(place, figure) for place, figure in enumerate(figures) if figure and scalar(figure) is not None]
    if len(given) < 2:
        return Verdict()
    first = given[0][1]
    if not first.better:
        return Verdict()
    if any((figure.unit, figure.split, figure.better) != _kind(first) for _, figure in given):
        return Verdict(note="Not compared: the runs differ in the split or the unit.")
    scale = SAME if _in_nats(first.unit) else SAME[:1] if "model units" in first.unit else ()
    if scale:
        differ = [key for key in scale if len({str(about[place].get(key)) for place, _ in given}) > 1]
        if differ:
            return Verdict(note=f"Not compared: the runs differ in {' and '.join(differ)}.")
    sign = 1 if first.better == "higher" else -1
    order = sorted(given, key=lambda item: sign * (scalar(item[1]) or 0.0), reverse=True)
    (best, leading), *others = order
    return Verdict(best if all(_ahead(leading, figure) for _, figure in others) else None)


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


def _ahead(leading: Figure, other: Figure) -> bool:
    errors = error(leading), error(other)
    values = scalar(leading), scalar(other)
    if None in errors or None in values:
        return False
    return abs(values[0] - values[1]) > DOUBT * math.hypot(*errors)  # pyright: ignore
