"""How like two tables are: column by column, pair by pair, row by row, and for a model that learns from one.

Tables are codes, `(N, F)` floats with NaN for a missing value, and `numeric`, which says of each column
whether its codes are numbers or name categories.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

BINS = 10
"""Intervals of equal width that a number is put into beside a category."""
MISSING = -1


def column_shapes(real: np.ndarray, made: np.ndarray, numeric: Sequence[bool]) -> np.ndarray:
    """Compare the distribution of each column.

    1 less the Kolmogorov-Smirnov distance of numbers, over what is not missing; 1 less the total variation of
    categories, of which a missing value is one.

    Args:
        real: codes, shape `(N, F)`.
        made: codes of the same columns, shape `(M, F)`.
        numeric: which columns are numbers.

    Returns:
        In [0, 1], 1 where the two are the same, shape `(F,)`.

    References:
        "SDMetrics", DataCebo, 2023 (KSComplement, TVComplement).
    """
    pairs = zip(real.T, made.T, numeric, strict=True)
    return np.array(
        [
            _alike(left, right) if number else _overlap(_named(left), _named(right))
            for left, right, number in pairs
        ]
    )


def pair_trends(real: np.ndarray, made: np.ndarray, numeric: Sequence[bool]) -> np.ndarray:
    """Compare how each pair of columns goes together.

    1 - |r - r'| / 2 with Pearson's correlations of two numbers; for a pair with a category 1 less the total
    variation of the pair's table of counts, a number being put into ten intervals of equal width.

    Args:
        real: codes, shape `(N, F)`.
        made: codes of the same columns, shape `(M, F)`.
        numeric: which columns are numbers.

    Returns:
        In [0, 1], one for each pair i < j; NaN where a correlation does not exist.

    References:
        "SDMetrics", DataCebo, 2023 (CorrelationSimilarity, ContingencySimilarity).
    """
    binned = [
        _binned(real[:, at], made[:, at]) if number else (_named(real[:, at]), _named(made[:, at]))
        for at, number in enumerate(numeric)
    ]
    found = []
    for one, two in itertools.combinations(range(real.shape[1]), 2):
        if numeric[one] and numeric[two]:
            found.append(
                1
                - abs(_correlation(real[:, one], real[:, two]) - _correlation(made[:, one], made[:, two])) / 2
            )
        else:
            left, right = (_pairs(binned[one][side], binned[two][side]) for side in (0, 1))
            found.append(_overlap(left, right))
    return np.array(found)


def closest(points: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Give the distance of each row to the closest one of another table.

    Args:
        points: features, shape `(N, P)`.
        to: features, shape `(M, P)`.

    Returns:
        Euclidean distances, shape `(N,)`.
    """
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=1).fit(to).kneighbors(points)[0][:, 0]


def detectability(real: np.ndarray, made: np.ndarray, numeric: Sequence[bool], seed: int = 0) -> float:
    """Let a classifier tell made rows from real ones.

    Args:
        real: codes, shape `(N, F)`.
        made: codes of the same columns, shape `(M, F)`.
        numeric: which columns are numbers.
        seed: seed of the classifier and of its three folds.

    Returns:
        The area under the ROC curve, cross-validated: 0.5 where it cannot, 1 where it always can.

    References:
        David Lopez-Paz, Maxime Oquab, "Revisiting Classifier Two-Sample Tests", 2017.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    count = min(len(real), len(made))
    x = np.concatenate([real[:count], made[:count]])
    y = np.repeat([0, 1], count)
    few = [not number and np.nanmax(x[:, at], initial=0) < 255 for at, number in enumerate(numeric)]
    settings: dict[str, Any] = {"categorical_features": few}
    model = HistGradientBoostingClassifier(random_state=seed, **settings)
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    found = np.asarray(cross_val_predict(model, x, y, cv=folds, method="predict_proba"))
    return float(roc_auc_score(y, found[:, 1]))


def _alike(left: np.ndarray, right: np.ndarray) -> float:
    from scipy.stats import ks_2samp

    left, right = left[~np.isnan(left)], right[~np.isnan(right)]
    if not len(left) or not len(right):
        return float(len(left) == len(right))
    distance: Any = ks_2samp(left, right)
    return 1.0 - float(distance.statistic)


def _named(codes: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(codes), MISSING, codes).astype(np.int64)


def _binned(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put numbers into intervals of the first table's range, what lies outside into the outermost."""
    known = left[~np.isnan(left)]
    edges = np.linspace(known.min(), known.max(), BINS + 1)[1:-1] if len(known) else np.zeros(0)
    one, two = (
        np.where(np.isnan(part), MISSING, np.searchsorted(edges, part, side="right"))
        for part in (left, right)
    )
    return one, two


def _pairs(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return (one + 1) * (1 << 32) + two + 1


def _overlap(left: np.ndarray, right: np.ndarray) -> float:
    """Give 1 less the total variation between two samples of whole numbers."""
    codes, at = np.unique(np.concatenate([left, right]), return_inverse=True)
    one = np.bincount(at[: len(left)], minlength=len(codes)) / len(left)
    two = np.bincount(at[len(left) :], minlength=len(codes)) / len(right)
    return float(np.minimum(one, two).sum())


def _correlation(one: np.ndarray, two: np.ndarray) -> float:
    both = ~(np.isnan(one) | np.isnan(two))
    if both.sum() < 2 or one[both].std() == 0 or two[both].std() == 0:
        return float("nan")
    return float(np.corrcoef(one[both], two[both])[0, 1])
