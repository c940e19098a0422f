"""How like two tables are: column by column, pair by pair, row by row, and for a model that learns from one.

Tables are codes, `(N, F)` floats with NaN for a missing value, and `numeric`, which says of each column
whether its codes are numbers or name categories.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

CORRELATED = 0.5
"""A pair of numbers is compared where their correlation in the real rows is stronger."""
ASSOCIATED = 0.3
"""A pair with a category is compared where Cramér's V of the real rows is greater."""
MISSING = -1


def column_shapes(real: np.ndarray, made: np.ndarray, numeric: Sequence[bool]) -> np.ndarray:
    """Compare the distribution of each column.

    1 less the Kolmogorov-Smirnov distance of numbers, 1 less the total variation of categories, both over
    what is not missing.

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
            _alike(left[~np.isnan(left)], right[~np.isnan(right)], _steps if number else _overlap)
            for left, right, number in pairs
        ]
    )


def pair_trends(real: np.ndarray, made: np.ndarray, numeric: Sequence[bool]) -> np.ndarray:
    """Compare how each pair of columns goes together that does so in the real rows.

    1 - |r - r'| / 2 with Pearson's correlations of two numbers, where |r| > 0.5. For a pair with a category
    1 less the total variation of the pair's table of counts, where Cramér's V of the real one is over 0.3.
    Without these bounds columns that are shuffled one by one pass for rows, since most pairs of most tables
    have little to do with each other.

    In a table of counts a missing category is one, and a number is put into eleven intervals: ten of equal
    width over the range of its own table, the last for the largest value and for what is missing. That is how
    SDMetrics' report has it, whose figures these are, but for tables of more than 50,000 rows, from which it
    draws as many.

    Args:
        real: codes, shape `(N, F)`.
        made: codes of the same columns, shape `(M, F)`.
        numeric: which columns are numbers.

    Returns:
        In [0, 1], one for each pair i < j; NaN where the real columns hardly go together, or a correlation
        does not exist.

    References:
        "SDMetrics 0.32", DataCebo, 2026 (QualityReport, Column Pair Trends).
    """
    kinds = [[_kinds(column, number) for column, number in zip(part.T, numeric)] for part in (real, made)]
    found = []
    for one, two in itertools.combinations(range(real.shape[1]), 2):
        if numeric[one] and numeric[two]:
            found.append(_trend(real[:, [one, two]], made[:, [one, two]]))
        elif _association(kinds[0][one], kinds[0][two]) > ASSOCIATED:
            found.append(_overlap(*(_pairs(part[one], part[two]) for part in kinds)))
        else:
            found.append(float("nan"))
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


def detectability(real: np.ndarray, made: np.ndarray, numeric: Sequence[bool]) -> float:
    """Let a classifier tell made rows from real ones.

    Args:
        real: codes, shape `(N, F)`.
        made: codes of the same columns, shape `(M, F)`.
        numeric: which columns are numbers.

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
    model = HistGradientBoostingClassifier(random_state=0, **settings)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    found = np.asarray(cross_val_predict(model, x, y, cv=folds, method="predict_proba"))
    return float(roc_auc_score(y, found[:, 1]))


def _alike(left: np.ndarray, right: np.ndarray, by: Callable[[np.ndarray, np.ndarray], float]) -> float:
    return by(left, right) if len(left) and len(right) else float(len(left) == len(right))


def _steps(left: np.ndarray, right: np.ndarray) -> float:
    """Give 1 less the largest distance between two samples' distribution functions."""
    from scipy.stats import ks_2samp

    distance: Any = ks_2samp(left, right)
    return 1.0 - float(distance.statistic)


def _kinds(codes: np.ndarray, number: bool) -> np.ndarray:
    """Give what a pair's table of counts has a row for."""
    if not number:
        return np.where(np.isnan(codes), MISSING, codes).astype(np.int64)
    return np.digitize(codes, np.histogram_bin_edges(codes[~np.isnan(codes)]))


def _pairs(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return (one + 1) * (1 << 32) + two + 1


def _overlap(left: np.ndarray, right: np.ndarray) -> float:
    """Give 1 less the total variation between two samples of whole numbers."""
    codes, at = np.unique(np.concatenate([left, right]), return_inverse=True)
    one = np.bincount(at[: len(left)], minlength=len(codes)) / len(left)
    two = np.bincount(at[len(left) :], minlength=len(codes)) / len(right)
    return float(np.minimum(one, two).sum())


def _association(one: np.ndarray, two: np.ndarray) -> float:
    """Give Cramér's V; 0 where one of the two has a single value.

    From the counts that are there alone, since chi²/N + 1 is the sum of p(a, b)² / (p(a) p(b)): a table of
    thousands of categories by thousands is never made.
    """
    left, right = (np.unique(codes, return_inverse=True, return_counts=True)[1:] for codes in (one, two))
    freedom = min(len(left[1]), len(right[1])) - 1
    if not freedom:
        return 0.0
    _, at, counts = np.unique(_pairs(left[0], right[0]), return_index=True, return_counts=True)
    expected = left[1][left[0][at]] * right[1][right[0][at]].astype(np.float64)
    chi = float((counts.astype(np.float64) ** 2 / expected).sum()) - 1
    return float(np.sqrt(max(chi, 0.0) / freedom))


def _trend(real: np.ndarray, made: np.ndarray) -> float:
    """Compare the correlations of two columns, `(N, 2)` and `(M, 2)`."""
    strength = _correlation(*real.T)
    if not abs(strength) > CORRELATED:
        return float("nan")
    return 1 - abs(strength - _correlation(*made.T)) / 2


def _correlation(one: np.ndarray, two: np.ndarray) -> float:
    both = ~(np.isnan(one) | np.isnan(two))
    if both.sum() < 2 or one[both].std() == 0 or two[both].std() == 0:
        return float("nan")
    return float(np.corrcoef(one[both], two[both])[0, 1])
