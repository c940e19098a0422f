"""Made rows beside real ones, in a few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentia.metrics.tables import closest, column_shapes, detectability, pair_trends

COMPARED = 5_000
"""Rows at the most whose distances are measured."""


@dataclass(frozen=True)
class Likeness:
    """How like made rows are to real ones.

    Attributes:
        shapes: for each column how alike its distributions are, in [0, 1]; see `column_shapes`.
        trends: for each pair of columns how alike they go together, in [0, 1]; see `pair_trends`. Pairs
            that hardly go together in the real rows are left out.
        detectability: area under the ROC curve of a classifier that tells made rows from real ones: 0.5 where
            it cannot.
        copies: share of the made rows that are a real row in every value.
        nearer: share of the made rows that are nearer to a training row than to one of as many rows that
            training did not see: 0.5 where nothing was learned by heart; None without such rows.
    """

    shapes: dict[str, float]
    trends: dict[tuple[str, str], float]
    detectability: float
    copies: float
    nearer: float | None

    @property
    def shape(self) -> float:
        """The mean over the columns."""
        return float(np.mean(list(self.shapes.values())))

    @property
    def trend(self) -> float:
        """The mean over the pairs; NaN where there are none."""
        return float(np.mean(list(self.trends.values()))) if self.trends else float("nan")

    def __str__(self) -> str:
        """Say it in a line."""
        trends = f"pair trends {self.trend:.3f}" if self.trends else "no pair of columns that goes together"
        line = f"column shapes {self.shape:.3f}, {trends}, told apart with an AUROC of "
        line += f"{self.detectability:.3f}, {self.copies:.1%} copies"
        return line if self.nearer is None else f"{line}, {self.nearer:.3f} nearer to a training row"


def likeness(
    real: np.ndarray,
    made: np.ndarray,
    names: Sequence[str],
    numeric: Sequence[bool],
    holdout: np.ndarray | None = None,
) -> Likeness:
    """Compare made rows with real ones.

    Args:
        real: codes of the training rows, shape `(N, F)`; NaN where a value is missing.
        made: codes of the made rows, shape `(M, F)`.
        names: what the columns are called.
        numeric: which columns are numbers; the codes of others name categories.
        holdout: codes of rows that training did not see.

    Returns:
        The comparison.
    """
    shapes = dict(zip(names, map(float, column_shapes(real, made, numeric)), strict=True))
    pairs = [(one, two) for at, one in enumerate(names) for two in names[at + 1 :]]
    trends = dict(zip(pairs, map(float, pair_trends(real, made, numeric)), strict=True))
    return Likeness(
        shapes=shapes,
        trends={pair: value for pair, value in trends.items() if not np.isnan(value)},
        detectability=detectability(real, made, numeric),
        copies=copies(real, made),
        nearer=None if holdout is None else nearer(real, made, numeric, holdout),
    )


def copies(real: np.ndarray, made: np.ndarray) -> float:
    """Give the share of made rows that are a real row in every value, missing ones included.

    Args:
        real: codes, shape `(N, F)`.
        made: codes, shape `(M, F)`.

    Returns:
        In [0, 1].
    """
    both = np.nan_to_num(np.concatenate([real, made]).astype(np.float64), nan=-np.inf)
    at = np.unique(both, axis=0, return_inverse=True)[1].ravel()
    return float(np.isin(at[len(real) :], at[: len(real)]).mean())


def nearer(real: np.ndarray, made: np.ndarray, numeric: Sequence[bool], holdout: np.ndarray) -> float:
    """Give the share of made rows that are nearer to a training row than to one that training did not see.

    Distances are Euclidean over standardised numbers, with 1 for another category; a tie counts half. As many
    training rows as others are compared, at most 5,000, evenly spaced.

    Args:
        real: codes of the training rows, shape `(N, F)`.
        made: codes of the made rows, shape `(M, F)`.
        numeric: which columns are numbers.
        holdout: codes of rows that training did not see.

    Returns:
        In [0, 1].

    References:
        "SDMetrics", DataCebo, 2023 (DCROverfittingProtection).
    """
    count = min(len(real), len(holdout), COMPARED)
    parts = [part[np.arange(min(count, len(part))) * len(part) // min(count, len(part))]
             for part in (real, holdout, made)]  # fmt: skip
    left, right, points = _points(parts, numeric)
    own, other = closest(points, left), closest(points, right)
    return float((own < other).mean() + 0.5 * (own == other).mean())


def _points(parts: Sequence[np.ndarray], numeric: Sequence[bool]) -> list[np.ndarray]:
    """Give rows as points: what is missing is the mean of a number, and a category of its own."""
    found: list[list[np.ndarray]] = [[] for _ in parts]
    for at, number in enumerate(numeric):
        columns = [part[:, at] for part in parts]
        together = np.concatenate(columns)
        if number:
            mean, std = np.nanmean(columns[0]), max(float(np.nanstd(columns[0])), 1e-12)
            made = [np.nan_to_num((column - mean) / std)[:, None] for column in columns]
        else:
            kinds = np.unique(np.nan_to_num(together, nan=-1.0))
            made = [np.sqrt(0.5) * (np.nan_to_num(column, nan=-1.0)[:, None] == kinds) for column in columns]
        for rows, part in zip(found, made, strict=True):
            rows.append(part)
    return [np.concatenate(rows, axis=1) for rows in found]
