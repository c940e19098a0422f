"""Training, validation and test: given by the source, or drawn with a seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latentia.core.errors import DataError
from latentia.data.raw import SPLITS

TINY = 10
"""Below this many examples all of them train: held-out figures of one example mean nothing."""


def make_splits(
    count: int,
    parts: Mapping[str, np.ndarray],
    validation: float = 0.05,
    test: float = 0.1,
    seed: int = 0,
    where: str = "the data",
    groups: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Complete the splits that a source brings.

    A split that the source brings is used as it is. A missing test split is drawn from the
    training examples first, then a missing validation split from what is left of them, so
    validation never touches test. A drawn split has at least one example where its share is not
    zero and there are ten or more to draw from; with fewer, nothing is held out.

    Args:
        count: the number of examples.
        parts: positions of the splits that the source brings; empty if it brings none.
        validation: share of the remaining training examples that validates, in [0, 1).
        test: share of the training examples that is held out as test, in [0, 1).
        seed: seed of the draw; the same seed gives the same splits.
        where: the source, for the error message.
        groups: which examples belong together, `(N,)`, numbered from 0, and are drawn together; shares are
            then of groups, and so is the number from which on there is something to hold out.

    Returns:
        'train', 'validation' and 'test': sorted, disjoint int64 positions.

    Raises:
        DataError: if the source brings splits but no training examples.
    """
    if groups is not None:
        owners = {name: np.unique(groups[at]) for name, at in parts.items()}
        drawn = make_splits(int(groups.max()) + 1, owners, validation, test, seed, where)
        return {name: np.flatnonzero(np.isin(groups, at)) for name, at in drawn.items()}
    train = np.asarray(parts.get("train", () if parts else np.arange(count)), dtype=np.int64)
    if not len(train):
        raise DataError(f"{where}: brings {' and '.join(parts)} but no training examples; add a train part")
    made = {name: np.sort(np.asarray(at, dtype=np.int64)) for name, at in parts.items() if len(at)}
    generator = np.random.default_rng(seed)
    for name, share in (("test", test), ("validation", validation)):
        if name not in made:
            made[name], train = _draw(train, share, generator)
    made["train"] = np.sort(train)
    return {name: made[name] for name in SPLITS}


def _draw(pool: np.ndarray, share: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a share of the pool; give the drawn positions, sorted, and the rest."""
    wanted = 0 if len(pool) < TINY or share == 0 else max(1, round(share * len(pool)))
    shuffled = generator.permutation(pool)
    wanted = min(wanted, len(pool) - 1)
    return np.sort(shuffled[:wanted]), shuffled[wanted:]


def spread(rows: np.ndarray, count: int | None) -> np.ndarray:
    """Take some positions, evenly spaced: the front of a sorted source is of one kind.

    Args:
        rows: positions.
        count: how many at most; None for all.

    Returns:
        Positions, in the same order; all of them where there are no more.
    """
    if count is None or count >= len(rows):
        return rows
    return rows[np.arange(count) * len(rows) // count]
