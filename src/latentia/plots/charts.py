"""The charts of the report. Numbers in, an exhibit out; nothing here knows a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.plots.canvas import calm, drawn, multiples, short
from latentia.plots.exhibits import Exhibit, Words
from latentia.plots.theme import CATEGORIES, LIGHT, ORDER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PER_TICK = 20
"""More bars or classes than this are not named one by one."""
FINE = 300
"""A line of more points than this is drawn as pixels: it would fill the page as text."""
COLOUR_MAP = "viridis"


@dataclass(frozen=True)
class Curve:
    """A line of a chart.

    Attributes:
        x: positions, shape `(N,)`.
        y: values, shape `(N,)`.
        label: its name in the legend; none without a name.
        colour: hexadecimal.
        style: matplotlib's line style.
    """

    x: np.ndarray
    y: np.ndarray
    label: str = ""
    colour: str = LIGHT["first"]
    style: str = "-"


def history(
    words: Words,
    train: Curve,
    validation: Curve,
    best: float | None,
    unit: str,
    reach: tuple[float, float] | None = None,
) -> Exhibit:
    """Draw how a term went down, over epochs.

    Args:
        words: what is written around it.
        train: the training split.
        validation: the validation split; may be empty.
        best: the epoch whose weights were kept, if known.
        unit: label of the vertical axis.
        reach: the ends of the vertical axis; by the values, as `span` has them, if None.

    Returns:
        The chart.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        dots = "o" if len(train.x) < 3 else ""
        axes.plot(train.x, train.y, color=LIGHT["first"], label="training", marker=dots)
        if len(validation.x):
            axes.plot(
                validation.x,
                validation.y,
                color=LIGHT["second"],
                label="validation",
                marker="o",
                markersize=3.5,
            )
        if best is not None:
            axes.axvline(best, color=LIGHT["muted"], linestyle=(0, (2, 2)), linewidth=1, label="weights kept")
        axes.set_ylim(*(reach or span(train, validation)))
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.legend(loc="best")

    return drawn(words, draw)


def span(train: Curve, validation: Curve, floor: float | None = None) -> tuple[float, float]:
    """Choose the vertical range of a history, so that the first steps do not flatten the rest.

    Args:
        train: the training split.
        validation: the validation split; may be empty.
        floor: where it starts; by the values if None.

    Returns:
        Its ends.
    """
    late = train.y[train.x > 0.04 * train.x[-1]] if len(train.x) else train.y
    values = np.concatenate([late if len(late) else train.y, validation.y])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    return (low - margin if floor is None else floor), high + margin


def bars(
    words: Words,
    values: Sequence[float],
    names: Sequence[str],
    axis: str,
    unit: str,
    mark: float | None = None,
    top: float | None = None,
) -> Exhibit:
    """Draw one bar for each value.

    Args:
        words: what is written around it.
        values: heights.
        names: what each bar is.
        axis: label of the horizontal axis.
        unit: label of the vertical axis.
        mark: bars below this height are pale.
        top: how high the axis reaches, where several charts share it.

    Returns:
        The chart.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        colours = [LIGHT["line"] if mark is not None and value < mark else LIGHT["first"] for value in values]
        axes.bar(
            range(len(values)),
            values,
            color=colours,
            width=0.45 if len(values) < 4 else 0.78 if len(values) < 80 else 1.0,
        )
        if len(names) <= PER_TICK:
            long = max(map(len, names)) > 4
            turned: dict[str, Any] = (
                {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if long else {}
            )
            axes.set_xticks(range(len(names)), [short(name) for name in names], **turned)
        else:
            axes.set_xlim(-1, len(values))
        axes.grid(axis="x", visible=False)
        if top:
            axes.set_ylim(0, 1.05 * top)
        axes.set_xlabel(axis)
        axes.set_ylabel(unit)

    return drawn(words, draw, (360, 200))


def gradient(count: int) -> list[str]:
    """Give colours from one end of the scale to the other.

    Args:
        count: how many.

    Returns:
        Hexadecimal colours.
    """
    import matplotlib
    from matplotlib.colors import to_hex

    return [to_hex(shade) for shade in matplotlib.colormaps[COLOUR_MAP](np.linspace(0.12, 0.88, count))]


def run_colours(count: int, *, ordered: bool = False) -> list[str]:
    """Give each of several runs a colour.

    Args:
        count: how many runs.
        ordered: whether they stand in an order, such as that of a sweep.

    Returns:
        Hexadecimal colours: of a scale for an order, else as different as can be.
    """
    named = [LIGHT["first"], LIGHT["second"], LIGHT["third"]]
    if ordered and count > len(named):
        from matplotlib.colors import LinearSegmentedColormap, to_hex

        scale = LinearSegmentedColormap.from_list("order", ORDER)
        return [to_hex(scale(place)) for place in np.linspace(0, 1, count)]
    return named[:count] if count <= len(named) else [CATEGORIES[i % len(CATEGORIES)] for i in range(count)]


def lines(
    words: Words,
    panels: Sequence[tuple[str, Sequence[Curve]]],
    *,
    columns: int = 2,
    ticks: Sequence[str] = (),
    legend: bool = False,
) -> Exhibit:
    """Draw small panels of lines.

    Args:
        words: what is written around it.
        panels: a title and the lines of each.
        columns: panels in a row.
        ticks: names of the horizontal positions 0, 1, ...; numbers by default.
        legend: whether the lines of the first panel are named below all.

    Returns:
        The chart.
    """

    def draw(figure: Figure) -> None:
        places = multiples(figure, len(panels), columns)
        for axes, (title, curves) in zip(places, panels, strict=True):
            for curve in curves:
                style = {"color": curve.colour, "linewidth": 1.1, "label": short(curve.label)}
                axes.plot(curve.x, curve.y, curve.style, **style, rasterized=len(curve.x) > FINE)
            axes.set_title(short(title, 32))
            calm(axes)
            if ticks:
                turned: dict[str, Any] = {"rotation": 90, "fontsize": 6}
                axes.set_xticks(range(len(ticks)), [short(tick, 12) for tick in ticks], **turned)
        if legend:
            shared_legend(figure, places[0])

    rows = -(-len(panels) // columns)
    height = rows * (130 if ticks else 95) + (25 if legend else 5)
    size = (max(420, 150 * min(columns, len(panels))), height)
    return drawn(words, draw, size, wide=True)


def shared_legend(figure: Figure, axes: Axes) -> None:
    """Name below all panels what one of them shows.

    Args:
        figure: the figure.
        axes: the panel.
    """
    handles, names = axes.get_legend_handles_labels()
    unique = dict(reversed(list(zip(names, handles, strict=True))))  # the first line of each name
    unique = {name: unique[name] for name in dict.fromkeys(names)}
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=min(len(unique), 5))
