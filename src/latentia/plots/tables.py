"""The columns of a table: how they are distributed, how well they come back, and rows in their own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.plots.canvas import calm, drawn, multiples, short
from latentia.plots.charts import shared_legend
from latentia.plots.exhibits import Exhibit, Words
from latentia.plots.theme import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BARS = 8
"""Categories of a column that are drawn at the most; the others stand together."""
LINE = 11
"""Height of a line of a frame, in points."""
WIDTH = 450


@dataclass(frozen=True)
class TableColumn:
    """A column of a table.

    Attributes:
        name: what it is called.
        words: its categories, by their places; none of a column of numbers.
        write: writes a number, where it stands for something else, such as a date.
    """

    name: str
    words: tuple[str, ...] = ()
    write: Callable[[float], str] | None = None


@dataclass(frozen=True)
class Frame:
    """Rows in their own words, written down side by side.

    Attributes:
        title: what they are.
        heads: what each row is.
        names: the columns of the table, one a line.
        cells: the texts of a column in each row.
        marked: which of them are to be seen first.
    """

    title: str
    heads: Sequence[str]
    names: Sequence[str]
    cells: Sequence[Sequence[str]]
    marked: Sequence[Sequence[bool]]


def histograms(
    words: Words,
    columns: Sequence[TableColumn],
    groups: Sequence[tuple[str, np.ndarray]],
    colours: Sequence[str] = (LIGHT["line"], LIGHT["first"], LIGHT["second"]),
) -> Exhibit:
    """Draw how each column is distributed, the groups over each other: shares of categories, or histograms.

    Args:
        words: what is written around it.
        columns: what they are.
        groups: a name and values of shape `(N, F)` each, NaN where one is missing; the first is drawn filled.
        colours: one for each group.

    Returns:
        The chart.
    """

    def draw(figure: Figure) -> None:
        places = multiples(figure, len(columns), 3)
        for index, (axes, column) in enumerate(zip(places, columns, strict=True)):
            of_column = [(name, values[:, index]) for name, values in groups]
            (_shares if column.words else _histogram)(axes, column, of_column, colours)
            axes.set_title(short(column.name, 24))
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
        if len(groups) > 1:
            shared_legend(figure, places[0])

    return drawn(words, draw, (WIDTH, _height(columns, 90) + 25), wide=True)


def _height(columns: Sequence[TableColumn], usual: int) -> int:
    """Give the height of the panels: higher where words stand below them."""
    return -(-len(columns) // 3) * (usual + 35 * any(column.words for column in columns))


def _histogram(
    axes: Axes, column: TableColumn, groups: Sequence[tuple[str, np.ndarray]], colours: Sequence[str]
) -> None:
    first = groups[0][1]
    first = first[~np.isnan(first)]
    low, high = np.percentile(first, [0.5, 99.5]) if len(first) else (0.0, 1.0)
    low, high = low - 0.1 * (high - low), high + 0.1 * (high - low)
    edges = np.linspace(low, high if high > low else low + 1, 25).tolist()
    for number, (name, values) in enumerate(groups):
        inside = values[(values >= edges[0]) & (values <= edges[-1])]
        weights = np.full(len(inside), 1 / len(values))
        kind: dict[str, Any] = (
            {"histtype": "stepfilled"} if number == 0 else {"histtype": "step", "linewidth": 1.2}
        )
        axes.hist(inside, edges, weights=weights, color=colours[number], label=short(name), **kind)
    calm(axes)
    _write(axes, column)


def _shares(
    axes: Axes, column: TableColumn, groups: Sequence[tuple[str, np.ndarray]], colours: Sequence[str]
) -> None:
    """Draw a bar for each category, the most frequent ones of the first group first."""
    size = len(column.words)
    counted = [_counts(values, size) for _, values in groups]
    order = np.argsort(-counted[0][:size], kind="stable")
    shown = order if size <= BARS else order[: BARS - 1]
    names = [short(column.words[at], 9) for at in shown]
    if len(shown) < size:
        names.append(f"{size - len(shown)} others")
    for number, ((name, values), counts) in enumerate(zip(groups, counted, strict=True)):
        heights = counts[shown]
        if len(shown) < size:
            heights = np.append(heights, counts[:size].sum() - heights.sum())
        kind: dict[str, Any] = (
            {"color": colours[0]} if number == 0 else {"fill": False, "edgecolor": colours[number]}
        )
        heights = heights / max(1, len(values))
        axes.bar(range(len(heights)), heights, 0.8 - 0.15 * number, label=short(name), linewidth=1.2, **kind)
    calm(axes)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)


def _counts(values: np.ndarray, size: int) -> np.ndarray:
    """Count categories; what is none of them comes last, and what is missing nowhere."""
    there = np.rint(values[~np.isnan(values)]).astype(np.int64)
    return np.bincount(np.clip(there, 0, size), minlength=size + 1)


def agreements(
    words: Words, columns: Sequence[TableColumn], given: np.ndarray, decoded: np.ndarray
) -> Exhibit:
    """Draw what came out over what went in, one panel for each column.

    Of categories the area of a spot is the number of rows.

    Args:
        words: what is written around it.
        columns: what they are.
        given: what went in, shape `(N, F)`; what is missing is left out.
        decoded: what came out, same shape.

    Returns:
        The chart.
    """

    def draw(figure: Figure) -> None:
        for index, (axes, column) in enumerate(zip(multiples(figure, len(columns), 3), columns, strict=True)):
            there = ~np.isnan(given[:, index]) & ~np.isnan(decoded[:, index])
            (_spots if column.words else _scatter)(axes, column, given[there, index], decoded[there, index])
            axes.set_title(short(column.name, 24))

    return drawn(words, draw, (WIDTH, _height(columns, 115) + 5), wide=True)


def _scatter(axes: Axes, column: TableColumn, x: np.ndarray, y: np.ndarray) -> None:
    if len(x):
        ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))]
        axes.plot(ends, ends, color=LIGHT["line"], linewidth=1)
    axes.scatter(x, y, s=5, color=LIGHT["first"], linewidths=0, alpha=0.6, rasterized=True)
    calm(axes)
    _write(axes, column)


def _spots(axes: Axes, column: TableColumn, x: np.ndarray, y: np.ndarray) -> None:
    size = len(column.words)
    pairs, counts = np.unique(np.rint(np.stack([x, y])), axis=1, return_counts=True)
    if len(counts):
        axes.plot([0, size - 1], [0, size - 1], color=LIGHT["line"], linewidth=1)
        axes.scatter(*pairs, s=120 * counts / counts.max(), color=LIGHT["first"], linewidths=0, alpha=0.6)
    calm(axes)
    axes.set_xlim(-0.6, size - 0.4)
    axes.set_ylim(-0.6, size - 0.4)
    few = range(size) if size <= BARS else ()
    axes.set_xticks(few, [short(column.words[at], 9) for at in few], rotation=90, fontsize=6)
    axes.set_yticks(few, [short(column.words[at], 9) for at in few], fontsize=6)


def _write(axes: Axes, column: TableColumn) -> None:
    """Write the numbers of an axis as what they stand for."""
    if column.write is not None:
        write = column.write
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: write(value))
        axes.tick_params(labelsize=6)


def frames(words: Words, shown: Sequence[Frame]) -> Exhibit:
    """Write rows down, a line for each column of the table.

    Args:
        words: what is written around it.
        shown: the rows, some beside each other in each.

    Returns:
        The figure.
    """
    heights = [LINE * (len(each.names) + 3) for each in shown]

    def draw(figure: Figure) -> None:
        places = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, each in zip(places, shown, strict=True):
            _frame(axes, each)

    return drawn(words, draw, (WIDTH, sum(heights)), wide=True)


def _frame(axes: Axes, shown: Frame) -> None:
    rows, wide = len(shown.names), len(shown.heads)
    axes.axis("off")
    axes.set_title(short(shown.title, 60), fontsize=8, loc="left")
    axes.set_xlim(0, 1)
    axes.set_ylim(rows + 0.5, -0.8)
    room = max(6, round(68 / wide))
    edges = 0.2 + 0.8 * np.arange(wide) / wide
    axes.axhline(0.5, color=LIGHT["line"], linewidth=0.6)
    for left, head in zip(edges, shown.heads, strict=True):
        axes.text(left, 0, short(head, room), fontsize=6.5, color=LIGHT["muted"], va="center")
    for line, (name, cells, marked) in enumerate(
        zip(shown.names, shown.cells, shown.marked, strict=True), start=1
    ):
        axes.text(0, line, short(name, 18), fontsize=6.5, color=LIGHT["muted"], va="center")
        for left, cell, mark in zip(edges, cells, marked, strict=True):
            colour = LIGHT["second"] if mark else LIGHT["ink"]
            axes.text(left, line, short(cell, room), fontsize=6.5, va="center", color=colour)
