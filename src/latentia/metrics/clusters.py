"""Clusters held against classes."""

from __future__ import annotations

import numpy as np


def matched(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Say of each example whether its cluster is that of its class, under the best one-to-one matching.

    Args:
        truth: classes, `(N,)`.
        found: clusters, `(N,)`; what no class is matched with counts as wrong.

    Returns:
        Shape `(N,)`, bool; its mean is the clustering accuracy.

    References:
        Harold Kuhn, "The Hungarian Method for the Assignment Problem", 1955.
    """
    from scipy.optimize import linear_sum_assignment

    classes, truth = np.unique(truth, return_inverse=True)
    clusters, found = np.unique(found, return_inverse=True)
    table = np.zeros((len(classes), len(clusters)), dtype=np.int64)
    np.add.at(table, (truth, found), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    of_class = np.full(len(classes), -1)
    of_class[rows] = columns
    return of_class[truth] == found
