"""Distances to neighbours, and how far out in a tail a value is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

NEIGHBOURS = 5
"""How many neighbours a distance is the mean of."""
TAIL = 0.05
"""Share of the reference beyond which a tail share is extrapolated."""
CHUNK = 512
"""Points whose differences are looked at together."""


@dataclass(frozen=True, eq=False)
class Tail:
    """The share of reference scores that reach a value, as its negative logarithm.

    Within the sample the share is counted, (1 + #{s_n >= s}) / (1 + n). Beyond the value u that a twentieth
    of it reaches, an exponential tail goes on with the mean excess over u, so that what lies outside of all
    that was seen still has an order.

    Attributes:
        scores: those of the reference, ascending, shape `(n,)`.
    """

    scores: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray) -> Self:
        """Take scores in any order.

        Args:
            scores: those of the reference, shape `(n,)`.

        Returns:
            The tail.
        """
        return cls(np.sort(np.asarray(scores, np.float64)))

    def surprise(self, values: np.ndarray) -> np.ndarray:
        """Give -log of the tail share.

        Args:
            values: scores, shape `(N,)`.

        Returns:
            Nats, shape `(N,)`, not falling with the score.
        """
        count = len(self.scores)
        reached = count - np.searchsorted(self.scores, values, side="left")
        inside = np.log1p(count) - np.log1p(reached)
        over = max(1, math.ceil(TAIL * count))
        edge = self.scores[count - over]
        excess = float((self.scores[count - over :] - edge).mean()) or abs(edge) * 1e-6 or 1e-6
        beyond = np.log1p(count) - math.log1p(over) + (values - edge) / excess
        return np.where(values > edge, beyond, inside)


class Neighbours:
    """Mean distances to the nearest reference points; what is one of them leaves itself out.

    Where a share e of the n reference points may be anomalous, the floor(e n) nearest do not count, but those
    that come after them: anomalies that are alike are each other's neighbours, and if e is not understated no
    group of them has more members than that.
    """

    def __init__(self, points: np.ndarray, share: float = 0.0) -> None:
        """Take the reference.

        Args:
            points: shape `(n, P)`.
            share: of them, those that may be anomalous.
        """
        from sklearn.neighbors import NearestNeighbors

        self.points = np.ascontiguousarray(points, np.float32)
        self.count = min(NEIGHBOURS, len(points) - 1) if len(points) > 1 else 1
        self.apart = max(0, min(math.floor(share * len(points)), len(points) - 1 - self.count))
        most = self.apart + self.count + 1
        self.search = NearestNeighbors(n_neighbors=min(most, len(points))).fit(self.points)
        self.known = np.sort(_rows(self.points))

    def find(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the neighbours.

        Args:
            points: shape `(N, P)`.

        Returns:
            Their distances and their positions in the reference, `(N, count)` each.
        """
        points = np.ascontiguousarray(points, np.float32)
        distances, at = self.search.kneighbors(points)
        if distances.shape[1] > self.count:
            own = _rows(points)
            place = np.searchsorted(self.known, own).clip(max=len(self.known) - 1)
            first = (self.known[place] == own)[:, None] + np.arange(self.apart, self.apart + self.count)
            distances, at = np.take_along_axis(distances, first, 1), np.take_along_axis(at, first, 1)
        return distances, at

    def score(self, points: np.ndarray) -> np.ndarray:
        """Give the mean distance to the neighbours.

        Args:
            points: shape `(N, P)`.

        Returns:
            Shape `(N,)`.
        """
        return self.find(points)[0].mean(axis=1)

    def explain(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the mean distance to the neighbours, and what each coordinate has to do with it.

        Args:
            points: shape `(N, P)`.

        Returns:
            The distances, `(N,)`, and by which share each coordinate adds to their squares, `(N, P)`: a row
            sums to 1, or to 0 where the distance is 0.
        """
        distances, at = self.find(points)
        squared = np.empty_like(points)
        for part in np.array_split(np.arange(len(points)), -(-len(points) // CHUNK)):
            squared[part] = np.square(points[part, None] - self.points[at[part]]).sum(axis=1)
        total = squared.sum(axis=1, keepdims=True)
        return distances.mean(axis=1), squared / np.where(total > 0, total, 1)


def _rows(points: np.ndarray) -> np.ndarray:
    """Give each row of an array as one value that compares by its bytes."""
    points = np.ascontiguousarray(points + 0.0)  # -0 is 0
    return points.view(np.dtype((np.void, points.itemsize * points.shape[1]))).ravel()
