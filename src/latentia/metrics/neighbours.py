"""Which samples lie among data and which data among samples, by balls that reach to nearest neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from latentia.metrics.figures import mean_and_error

MANIFOLD = 3
"""Neighbours that a ball of precision and recall reaches to."""
DENSITY = 5
"""Neighbours that a ball of density and coverage reaches to."""
FEWEST, MOST = 8, 50
"""Disjoint subsets that tell what shared balls add to an error."""
ENOUGH, LEAST = 40, 8
"""Examples of a subset where there are enough for eight of them, and at the least."""
_BLOCK = 500  # rows of distances that are held at a time
Measure = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Gives two kinds of values over examples, of data and of what is compared with them."""


def shares(
    measure: Measure, real: np.ndarray, other: np.ndarray, seed: int = 0
) -> tuple[list[tuple[float, float | None]], str]:
    """Average what tells which examples lie among others, with an error that knows of the balls.

    Args:
        measure: `precision_recall` or `density_coverage`.
        real: data, `(N, D)`.
        other: what is compared with them, as many.
        seed: seed of the division into subsets.

    Returns:
        The mean of each of the two kinds of values, with its standard error, which is None for fewer than 64
        examples; and how the error was found.
    """
    size, subsets = _balls(len(real))
    values = measure(real, other)
    if not subsets:
        return [(float(kind.mean()), None) for kind in values], "too few examples for an error"
    found = []
    for kind, factor in zip(values, _shared_balls(real, other, measure, seed), strict=True):
        mean, error = _share_and_error(kind)
        found.append((mean, None if error is None else error * factor))
    return found, (
        f"error over examples, times what the balls, which they share, add to it in {subsets} disjoint "
        f"subsets of {size:,}"
    )


def precision_recall(
    real: np.ndarray, generated: np.ndarray, neighbours: int = MANIFOLD
) -> tuple[np.ndarray, np.ndarray]:
    """Tell which samples lie among the data, and which data lie among the samples.

    A set's manifold is the union of the balls around its examples that reach to the k-th neighbour.

    Args:
        real: data, `(N, D)`, more than `neighbours`.
        generated: samples, `(M, D)`, more than `neighbours`.
        neighbours: k.

    Returns:
        For each sample whether it is on the data's manifold, `(M,)`: their mean is the precision. For
        each real example whether it is on the samples', `(N,)`: their mean is the recall.

    References:
        Tuomas Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative
        Models", 2019.
    """
    real, generated = _centred(real, generated)
    reach, reach_generated = _reach(real, neighbours), _reach(generated, neighbours)
    good = [(block <= reach).any(axis=1) for block in _distances(generated, real)]
    found = [(block <= reach_generated).any(axis=1) for block in _distances(real, generated)]
    return np.concatenate(good), np.concatenate(found)


def density_coverage(
    real: np.ndarray, generated: np.ndarray, neighbours: int = DENSITY
) -> tuple[np.ndarray, np.ndarray]:
    """Tell how deep samples lie among the data, and which data have samples near them.

    Args:
        real: data, `(N, D)`, more than `neighbours`.
        generated: samples, `(M, D)`.
        neighbours: k, to the k-th of which the ball around a real example reaches.

    Returns:
        For each sample the number of balls that it is in, over k, `(M,)`: their mean is the density, of
        expectation 1 for the same distribution. For each real example whether a sample is in its ball,
        `(N,)`: their mean is the coverage.

    References:
        Muhammad Ferjad Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020.
    """
    real, generated = _centred(real, generated)
    reach = _reach(real, neighbours)
    depth, covered = [], np.zeros(len(real), dtype=bool)
    for block in _distances(generated, real):
        inside = block <= reach
        depth.append(inside.sum(axis=1) / neighbours)
        covered |= inside.any(axis=0)
    return np.concatenate(depth), covered


def _centred(real: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move the data's mean to the origin: distances through products lose digits far away from it."""
    mean = real.mean(axis=0, dtype=np.float64)
    return real - mean, generated - mean


def _distances(a: np.ndarray, b: np.ndarray) -> Iterator[np.ndarray]:
    """Give the squared distances of some rows of `a` at a time to all of `b`."""
    norms = (b**2).sum(axis=1)
    for start in range(0, len(a), _BLOCK):
        rows = a[start : start + _BLOCK]
        squared = rows @ b.T
        squared *= -2
        squared += norms
        squared += (rows**2).sum(axis=1, keepdims=True)
        yield np.maximum(squared, 0, out=squared)


def _reach(x: np.ndarray, neighbours: int) -> np.ndarray:
    """Give the squared distance of each example to its k-th neighbour, itself not counted."""
    reach = [np.partition(block, neighbours, axis=1)[:, neighbours] for block in _distances(x, x)]
    # Equal examples are at distance 0 only up to rounding, and a ball of radius 0 shall hold them.
    return np.concatenate(reach) + 1e-12 * (x**2).sum(axis=1)


def _balls(count: int) -> tuple[int, int]:
    """Give size and number of the subsets that tell what shared balls add, or none."""
    size = max(min(ENOUGH, count // FEWEST), count // MOST)
    return (size, count // size) if size >= LEAST else (0, 0)


def _share_and_error(values: np.ndarray) -> tuple[float, float | None]:
    """Average values; the error of a share that is none or all is that with one more example of each kind."""
    mean, error = mean_and_error(values)
    if error == 0 and mean in (0.0, 1.0):
        more = (mean * len(values) + 1) / (len(values) + 2)
        error = math.sqrt(more * (1 - more) / len(values))
    return mean, error


def _shared_balls(real: np.ndarray, other: np.ndarray, measure: Measure, seed: int) -> list[float]:
    """Say how much larger the error of a mean is than that over examples with the balls held as they are.

    Examples share balls, and other data would have other balls: their values are not independent. Disjoint
    subsets are, balls included, and the ratio of the two errors among them hardly depends on their size. The
    bootstrap would not do, for which an example is its own neighbour; the jackknife counts what both sets
    do together twice.
    """
    size, subsets = _balls(len(real))
    rng = np.random.default_rng([seed, 2])
    rows = [rng.permutation(len(x))[: subsets * size].reshape(subsets, size) for x in (real, other)]
    found = [measure(real[a], other[b]) for a, b in zip(*rows, strict=True)]
    factors = []
    for kind in zip(*found, strict=True):
        means, within = np.array([values.mean() for values in kind]), [values.var(ddof=1) for values in kind]
        held = float(np.mean(within)) / size
        factors.append(math.sqrt(float(means.var(ddof=1)) / held) if held > 0 else 1.0)
    return factors
