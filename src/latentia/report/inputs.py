"""Which examples a report shows: chosen once, so that all its runs are seen on the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentia.core.event import Kind
from latentia.data.splits import spread

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset

GALLERY = 40
SHOWN = 20
PAIRS = 4
MAPPED = 3000
"""Points of the map of one run; t-SNE takes about ten seconds for as many."""
FEWEST_MAPPED = 1000
"""The same for each of many runs, so that they do not take minutes."""
MOST_MAPPED = 10_000
"""Points of a map at the most."""
ENCODED = 1000
"""Examples behind the statistics of latents and errors."""


@dataclass(frozen=True)
class Inputs:
    """Positions into a data set.

    Attributes:
        dataset: the data.
        held_out: the examples that figures are made with: the test split, or the training split
            where there is no other.
        split: the name of that split.
        gallery: some training examples, to show what the data are.
        shown: some held-out examples, to show reconstructions of.
        pairs: ends of interpolations, held-out examples, of different classes where there are any.
        mapped: the points of the map: held-out examples first, then others.
        drawn_from: how many examples these points were drawn from at random; 0 where they were not.
    """

    dataset: Dataset
    held_out: np.ndarray
    split: str
    gallery: np.ndarray
    shown: np.ndarray
    pairs: tuple[tuple[int, int], ...]
    mapped: np.ndarray
    drawn_from: int = 0

    @property
    def encoded(self) -> np.ndarray:
        """The held-out examples behind the statistics."""
        return spread(self.held_out, ENCODED)

    @property
    def noun(self) -> str:
        """What an example is called, in the plural."""
        return {"image": "images", "vector": "rows", "video": "clips", "array": "arrays"}[self.kind]

    @property
    def kind(self) -> Kind:
        """What an example is."""
        return self.dataset.event.kind


def mapped_for(runs: int) -> int:
    """Choose how many points each map has: the more runs, the fewer.

    Args:
        runs: how many runs the report is about.

    Returns:
        Points.
    """
    return min(MAPPED, max(FEWEST_MAPPED, 2 * MAPPED // runs))


def choose(dataset: Dataset, seed: int, points: int | None = None) -> Inputs:
    """Choose the examples of a report.

    Args:
        dataset: the data.
        seed: seed of what is drawn at random.
        points: points of a map; those of a report on one run by default. Of more than 10,000, as many
            are drawn at random.

    Returns:
        The positions.
    """
    splits = dataset.splits
    split = "test" if len(splits["test"]) else "training"
    held_out = splits["test"] if len(splits["test"]) else splits["train"]
    others = [splits[name] for name in ("validation", "train") if splits[name] is not held_out]
    mapped, found = _mapped(dataset, held_out, np.concatenate(others), points or MAPPED, seed)
    return Inputs(
        dataset=dataset,
        held_out=held_out,
        split=split,
        gallery=in_turn(dataset, splits["train"], GALLERY, seed),
        shown=in_turn(dataset, held_out, SHOWN, seed),
        pairs=_pairs(dataset, held_out, seed),
        mapped=mapped,
        drawn_from=found if found > len(mapped) else 0,
    )


def _mapped(
    dataset: Dataset, held_out: np.ndarray, others: np.ndarray, points: int, seed: int
) -> tuple[np.ndarray, int]:
    """Choose the points of a map, held-out examples first, and say how many they were drawn from.

    What does not fit is left out evenly: the front of a split need not be like the rest.
    """
    first, then = _labelled(dataset, held_out), _labelled(dataset, others)
    mapped = spread(first, points)
    mapped = np.concatenate([mapped, spread(then, points - len(mapped))])
    found = len(mapped)
    if found > MOST_MAPPED:
        mapped = mapped[np.sort(np.random.default_rng(seed).permutation(found)[:MOST_MAPPED])]
    return mapped, found


def in_turn(dataset: Dataset, rows: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Draw an example of each class, then a second of each, and so on.

    Args:
        dataset: the data.
        rows: positions to choose from.
        count: how many at most.
        seed: seed of the draw.

    Returns:
        Positions; evenly spaced ones where there are no labels.
    """
    if dataset.labels is None:
        return spread(rows, count)
    labels = dataset.labels[rows]
    rng = np.random.default_rng(seed)
    classes = [rng.permutation(rows[labels == label]) for label in np.unique(labels[labels >= 0])]
    depth = max((len(members) for members in classes), default=0)
    turns = [members[turn] for turn in range(min(depth, count)) for members in classes if turn < len(members)]
    return np.array(turns[:count], dtype=np.int64) if turns else spread(rows, count)


def _labelled(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Leave out what has no label, where others have one."""
    if not dataset.classes or dataset.labels is None:
        return rows
    return rows[dataset.labels[rows] >= 0]


def _pairs(dataset: Dataset, rows: np.ndarray, seed: int) -> tuple[tuple[int, int], ...]:
    order = np.random.default_rng(seed).permutation(spread(rows, MOST_MAPPED)).tolist()
    labels = dataset.labels
    pairs: list[tuple[int, int]] = []
    used: set[int] = set()
    while len(order) > 1 and len(pairs) < PAIRS:
        first = order.pop(0)
        others = [row for row in order if labels is None or labels[row] != labels[first]]
        second = (others or order)[0]
        order.remove(second)
        pairs.append((first, second))
        if labels is not None:
            used |= {int(labels[first]), int(labels[second])}
            # Classes that were not shown yet come first.
            order.sort(key=lambda row: int(labels[row]) in used)
    return tuple(pairs)


def class_names(dataset: Dataset) -> list[str]:
    """Name every class.

    Args:
        dataset: the data.

    Returns:
        One name for each label 0, 1, ...; empty without labels.
    """
    if dataset.labels is None or not dataset.classes:
        return []
    names: Sequence[str] = dataset.label_names
    return [names[i] if i < len(names) else str(i) for i in range(int(dataset.labels.max()) + 1)]


def class_name(dataset: Dataset, position: int) -> str:
    """Name the class of one example.

    Args:
        dataset: the data.
        position: the example.

    Returns:
        The name, or the example's position where it has no label.
    """
    if dataset.labels is None or dataset.labels[position] < 0:
        return f"no. {position}"
    return class_names(dataset)[int(dataset.labels[position])]
