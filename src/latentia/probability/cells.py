"""The cells of a histogram: intervals of about equal mass, with frequent values in cells of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

FINEST = 16
"""Cells near the ends have this share of the others' mass at the least."""
REPEATED = 4
"""A number that is none of the whole ones is frequent where it stands there more often than this."""


@dataclass(frozen=True)
class Cell:
    """One cell: the interval [low, high) and what was seen in it.

    Attributes:
        low: where it begins.
        high: where the next one begins.
        mass: how many values were seen in it.
        own: whether it is that of a single frequent value.
        value: that value, or the first whole number of the cell.
    """

    low: float
    high: float
    mass: int
    own: bool
    value: float


def cells_of(values: np.ndarray, step: float, most: int) -> list[Cell]:
    """Divide the line into cells by some values.

    A value that is more frequent than a cell's share is a cell of its own. The others are divided at about
    equal mass, but for smaller cells near both ends. Borders are half way between whole numbers, or between
    neighbouring values where there are none. There are about 2 N^(1/3) cells.

    Args:
        values: what was observed, shape `(N,)`, N at least 1.
        step: distance of neighbouring whole numbers; 0 where the values are none.
        most: how many cells there may be.

    Returns:
        The cells from the lowest one on, without gaps.

    References:
        David Scott, "Multivariate Density Estimation", 1992 (the number of cells).
    """
    seen, counts = np.unique(values.astype(np.float64), return_counts=True)
    share = min(most, max(8, math.ceil(2 * len(values) ** (1 / 3))))
    few = step > 0 and round((seen[-1] - seen[0]) / step) < share
    while True:
        if few:
            groups = [(number, number, int(count), True) for number, count in zip(seen, counts, strict=True)]
        else:
            groups = list(_grouped(seen, counts, share, 1 if step else REPEATED))
        cells = list(_whole(groups, step) if step else _real(groups, share))
        if len(cells) <= most:
            return cells
        share, few = max(1, int(0.8 * share)), False


def _grouped(
    seen: np.ndarray, counts: np.ndarray, share: int, least: int
) -> Iterator[tuple[float, float, int, bool]]:
    """Give runs of neighbouring values, each with its ends, its mass and whether it is one frequent value."""
    total, full = counts.sum(), counts.sum() / share
    first, mass, before = 0, 0, 0
    for place, count in enumerate(counts):
        own = count > max(full, least)
        if own and mass:
            yield seen[first], seen[place - 1], mass, False
        if own:
            yield seen[place], seen[place], int(count), True
        mass = 0 if own else mass + int(count)
        # Half of what is left or was passed, near the ends: a single cell would spread over a whole tail.
        enough = max(min(full, 0.5 * min(before, total - before)), full / FINEST, REPEATED)
        if own or mass >= enough:
            if mass:
                yield seen[first], seen[place], mass, False
            before += int(count) if own else mass
            first, mass = place + 1, 0
    if mass:
        yield seen[first], seen[-1], mass, False


def _whole(groups: list[tuple[float, float, int, bool]], step: float) -> Iterator[Cell]:
    """Give cells of whole numbers, and empty ones in the gaps between two frequent values."""
    half = 0.5 * step
    found = [Cell(low - half, high + half, mass, own, low) for low, high, mass, own in groups]
    for place, cell in enumerate(found):
        after = found[place + 1] if place + 1 < len(found) else None
        if after is None or after.low - cell.high < half:  # no number between them
            yield cell if after is None else replace(cell, high=after.low)
        elif not cell.own:
            yield replace(cell, high=after.low)
        elif not after.own:
            yield cell
            found[place + 1] = replace(after, low=cell.high, value=cell.high + half)
        else:
            yield cell
            yield Cell(cell.high, after.low, 0, False, cell.high + half)


def _real(groups: list[tuple[float, float, int, bool]], share: int) -> Iterator[Cell]:
    """Give cells of numbers; those of frequent values are as narrow as rounding allows."""
    margin = max((groups[-1][1] - groups[0][0]) / (2 * share), 1e-3)
    edge: float | None = None
    for place, (low, high, mass, own) in enumerate(groups):
        after = groups[place + 1] if place + 1 < len(groups) else None
        near = 1e-6 * max(1.0, abs(low))
        if own:
            if edge is not None and place and groups[place - 1][3]:
                yield Cell(edge, low - near, 0, False, edge)
            yield Cell(low - near, low + near, mass, True, low)
            edge = low + near
            continue
        start = low - margin if edge is None else edge
        end = high + margin if after is None else after[0] - 1e-6 * max(1.0, abs(after[0]))
        if after is not None and not after[3]:
            end = 0.5 * (high + after[0])
        yield Cell(start, end, mass, False, start)
        edge = end
