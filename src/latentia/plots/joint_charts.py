"""Charts about several runs at once. Numbers in, an exhibit out; nothing here knows a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.plots.canvas import BROAD, calm, drawn, multiples, shape, short
from latentia.plots.charts import Curve, run_colours, shared_legend
from latentia.plots.exhibits import Exhibit, Words
from latentia.plots.theme import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 120
NARROWEST, WIDEST = 4.0, 12.0
"""The axis of latents reaches at least and at most so far from zero."""
HIGHEST = 1.2
"""Densities above this are cut off: three times the peak of the standard normal."""
FAR = 10.0
"""A rate this many times the median makes the chart logarithmic beyond the median."""
CROWDED = 0.035
"""Points of a chart nearer to each other than this share of its sides are named together."""


def densities(words: Words, groups: Sequence[tuple[str, np.ndarray]]) -> Exhibit:
    """Draw how latents are distributed, on the same axes, over the density of the standard normal.

    Args:
        words: what is written around it.
        groups: for each run its title and its latents, any shape.

    Returns:
        The chart.
    """
    reach = latent_reach([values for _, values in groups])
    edges = np.linspace(-reach, reach, BINS + 1)
    line = np.linspace(-reach, reach, 400)
    normal = np.exp(-(line**2) / 2) / math.sqrt(2 * math.pi)
    heights = [np.histogram(values, edges)[0] / (values.size * np.diff(edges)) for _, values in groups]
    top = min(HIGHEST, 1.08 * max([float(normal.max()), *(float(height.max()) for height in heights)]))
    width, columns = shape(len(groups))

    def draw(figure: Figure) -> None:
        places = multiples(figure, len(groups), columns)
        for axes, (title, _), height in zip(places, groups, heights, strict=True):
            axes.stairs(height, edges, fill=True, color=LIGHT["first"], alpha=0.75, label="posterior means")
            axes.plot(line, normal, color=LIGHT["ink"], linewidth=1.2, label="N(0, 1)")
            axes.set_title(short(title, 24))
            calm(axes, 5)
            axes.set_xlim(-reach, reach)
            axes.set_ylim(0, top)
        shared_legend(figure, places[0])

    rows = -(-len(groups) // columns)
    return drawn(words, draw, (width, rows * (180 if columns < 4 else 130) + 25), wide=True)


def latent_reach(codes: Sequence[np.ndarray]) -> float:
    """Choose how far the axis of latents reaches: nearly all of every run's, within limits.

    Args:
        codes: the latents of each run.

    Returns:
        The end of the axis.
    """
    ends = [float(np.percentile(np.abs(values), 99.5)) for values in codes]
    return min(WIDEST, max(NARROWEST, 1.05 * max(ends)))


@dataclass(frozen=True)
class Spot:
    """A run in the plane of rate and distortion.

    Attributes:
        label: its value on the axis.
        rate: nats.
        distortion: nats.
        errors: standard errors of the two; zero where they are unknown.
    """

    label: str
    rate: float
    distortion: float
    errors: tuple[float, float] = (0.0, 0.0)


def seesaw(words: Words, spots: Sequence[Spot], *, joined: bool) -> Exhibit:
    """Draw distortion over rate: what is won on one side is paid on the other.

    Args:
        words: what is written around it.
        spots: the runs in the order of the axis.
        joined: whether neighbours on the axis are joined by a line.

    Returns:
        The chart.
    """
    x = np.array([spot.rate for spot in spots])
    y = np.array([spot.distortion for spot in spots])
    spread = np.array([spot.errors for spot in spots]).T

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        if joined:
            axes.plot(x, y, color=LIGHT["line"], linewidth=1.4, zorder=1)
        bars: dict[str, Any] = {"fmt": "none", "ecolor": LIGHT["muted"], "elinewidth": 0.9, "zorder": 2}
        axes.errorbar(x, y, spread[1], spread[0], **bars)
        colours = run_colours(len(spots), ordered=True) if len(spots) > 3 else LIGHT["first"]
        axes.scatter(x, y, s=34, c=colours, edgecolors=LIGHT["panel"], linewidths=0.8, zorder=3)
        axes.margins(0.09)
        if x.max() > FAR * max(float(np.median(x)), 1.0):  # without a weight on it a rate knows no bounds
            axes.set_xscale("symlog", linthresh=max(float(np.median(x)), 1.0))
        axes.set_xlabel("rate, nats: what the latent carries")
        axes.set_ylabel("distortion, nats: what reconstruction costs")
        _name(axes, spots, x, y)

    return drawn(words, draw, (400, 280), wide=True)


def _name(axes: Axes, spots: Sequence[Spot], x: np.ndarray, y: np.ndarray) -> None:
    """Write labels beside points; neighbours too near for two labels share one."""
    # Where the points are on the chart, from 0 to 1, whatever the scales of its axes.
    places = axes.transAxes.inverted().transform(axes.transData.transform(np.stack([x, y], axis=1)))
    groups: list[list[int]] = []
    for index in range(len(spots)):
        near = [group for group in groups if np.abs(places[index] - places[group[0]]).max() < CROWDED * 1.6]
        near[0].append(index) if near else groups.append([index])
    for group in groups:
        names = [short(spots[index].label, 14) for index in group]
        text = ", ".join(names) if len(names) <= 4 else f"{names[0]} … {names[-1]}"
        right = places[group[0], 0] > 0.75
        axes.annotate(
            text, (x[group[0]], y[group[0]]), xytext=(-6 if right else 6, 5), textcoords="offset points",
            ha="right" if right else "left", fontsize=8.5, color=LIGHT["ink"],
        )  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """One quantity along an axis.

    Attributes:
        title: what it is.
        values: one for each run; NaN where a run has none.
        errors: standard errors; NaN where they are unknown.
    """

    title: str
    values: Sequence[float]
    errors: Sequence[float]


def along(
    words: Words, axis: str, ticks: Sequence[str], measures: Sequence[Measure], *, joined: bool = True
) -> Exhibit:
    """Draw quantities along an axis, one panel for each, the values evenly spaced.

    Args:
        words: what is written around it.
        axis: what the axis is called.
        ticks: its values.
        measures: the quantities.
        joined: whether neighbours are joined by a line.

    Returns:
        The chart.
    """
    places = np.arange(len(ticks))
    turned: dict[str, Any] = {}
    if len(ticks) > 8 or max(map(len, ticks)) > 4:
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}

    style = "-" if joined else "none"

    def draw(figure: Figure) -> None:
        for axes, measure in zip(multiples(figure, len(measures), 3), measures, strict=True):
            values = np.array(measure.values, float)
            known = np.isfinite(values)
            axes.plot(
                places[known], values[known], color=LIGHT["first"], marker="o", markersize=4, linestyle=style
            )
            spread = np.nan_to_num(np.array(measure.errors, float))
            bars: dict[str, Any] = {"fmt": "none", "ecolor": LIGHT["muted"], "elinewidth": 0.9}
            axes.errorbar(places[known], values[known], spread[known], **bars)
            axes.set_title(short(measure.title, 40))
            axes.set_xticks(places, [short(tick, 12) for tick in ticks], **turned)
            axes.set_xlabel(short(axis, 40))
            axes.set_xlim(-0.5, len(ticks) - 0.5)
            ends = [0.0, *values[known]]
            axes.set_ylim(min(ends), min(ends) + 1.08 * (max(ends) - min(ends) or 1.0))
            axes.grid(axis="x", visible=False)

    width = BROAD if len(measures) > 2 else 600
    return drawn(words, draw, (width, 230), wide=True)


def overlaid(
    words: Words, curves: Sequence[Curve], labels: tuple[str, str], *, floor: float | None = None
) -> Exhibit:
    """Draw one line for each run into one chart.

    Args:
        words: what is written around it.
        curves: the lines.
        labels: what the two axes are.
        floor: where the vertical axis starts; by the values after the first steps if None.

    Returns:
        The chart.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for curve in curves:
            axes.plot(curve.x, curve.y, color=curve.colour, label=short(curve.label), linewidth=1.3)
        if floor is None:
            late = np.concatenate([curve.y[curve.x > 0.04 * curve.x[-1]] for curve in curves])
            low, high = float(np.nanmin(late)), float(np.nanmax(late))
            margin = 0.05 * (high - low) or 0.5
            axes.set_ylim(low - margin, high + margin)
        else:
            axes.set_ylim(bottom=floor)
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        figure.legend(loc="outside right center", ncols=1 if len(curves) <= 12 else 2)

    return drawn(words, draw, (400, 260))
