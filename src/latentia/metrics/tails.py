"""How heavy the tail of importance weights is: whether their mean can be believed at all."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

HEAVY = 0.7
"""With a tail index above this, no practical number of weights gives their mean."""
LEAST = 5
"""Weights that a tail consists of at the least."""


def tail_length(weights: int) -> int:
    """Say how many of the largest weights are taken as the tail: min(S / 5, 3 sqrt(S)).

    Args:
        weights: how many there are in all, S.

    Returns:
        The number; 0 where there are too few for a tail.
    """
    length = math.ceil(min(0.2 * weights, 3 * math.sqrt(weights)))
    return length if length >= LEAST else 0


def pareto_k(largest: Tensor | np.ndarray) -> np.ndarray:
    r"""Estimate the index k of the generalised Pareto distribution that the tail of weights follows.

    Weights have a variance where k < 1/2, and a mean where k < 1. By Zhang and Stephens' method:
    k(theta) = mean log(1 - theta x) over the excesses x, averaged over theta by its profile likelihood under
    a weak prior; drawn to 1/2 as by ten observations, as Vehtari et al. advise.

    Args:
        largest: logarithms of the largest weights of each example, in any order, shape `(M + 1, B)`. The
            smallest of them is the threshold that the other M exceed.

    Returns:
        The index of each example, shape `(B,)`: 0 where all these weights are equal, infinite where they span
        more than float64 does, NaN where there are fewer than five excesses.

    References:
        Jin Zhang, Michael Stephens, "A New and Efficient Estimation Method for the Generalized Pareto
        Distribution", 2009.
        Aki Vehtari, Daniel Simpson, Andrew Gelman, Yuling Yao, Jonah Gabry, "Pareto Smoothed Importance
        Sampling", 2024.
    """
    ordered = np.sort(np.asarray(largest, dtype=np.float64), axis=0)
    count = len(ordered) - 1
    if count < LEAST:
        return np.full(ordered.shape[1], np.nan)
    with np.errstate(all="ignore"):  # what has no finite index is given its value below
        scaled = np.exp(ordered - ordered[-1])
        excess = (scaled[1:] - scaled[0]).T  # (B, M), ascending
        quartile, most = excess[:, math.floor(count / 4 + 0.5) - 1, None], excess[:, -1:]
        grid = 30 + math.floor(math.sqrt(count))
        places = np.arange(1, grid + 1) - 0.5
        theta = 1 / most + (1 - np.sqrt(grid / places)) / (3 * quartile)  # (B, G)
        each = np.log1p(-theta[:, :, None] * excess[:, None, :]).mean(axis=2)
        profile = count * (np.log(-theta / each) - each - 1)
        profile = np.nan_to_num(profile, nan=-np.inf)  # at theta = 0 exactly
        odds = np.exp(profile - profile.max(axis=1, keepdims=True))
        mean = (theta * odds).sum(axis=1, keepdims=True) / odds.sum(axis=1, keepdims=True)
        k = np.log1p(-mean * excess).mean(axis=1)
    k = (count * k + 10 * 0.5) / (count + 10)
    k = np.where(np.isfinite(ordered).all(axis=0) & (quartile[:, 0] > 0), k, np.inf)
    return np.where(ordered[0] == ordered[-1], 0.0, np.where(np.isnan(k), np.inf, k))
