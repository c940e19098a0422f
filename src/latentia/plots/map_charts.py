"""Maps of latent spaces as charts: points in the plane, of one run or of several side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.plots.canvas import calm, drawn, multiples, shape, short
from latentia.plots.charts import COLOUR_MAP
from latentia.plots.exhibits import Exhibit, Words
from latentia.plots.theme import CATEGORIES, LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

NEAR = 0.2
"""Share of a class's points that the place of its name is nearest to."""
TALLEST = 380
"""Points along a side of the map of one of several runs."""


@dataclass(frozen=True)
class Plane:
    """The map of a run.

    Attributes:
        title: the run, ready for a chart; empty where the map stands alone: then its axes are named.
        points: shape `(N, 2)`.
        values: the class (integers) or the value of each point.
        axes: what its axes are.
        circles: radii of circles around the origin.
        reach: how far the axes reach from the origin each way, at least; by the points where it is 0.
    """

    title: str
    points: np.ndarray
    values: np.ndarray
    axes: tuple[str, str] = ("", "")
    circles: Sequence[float] = ()
    reach: float = 0.0


def planes(
    words: Words, maps: Sequence[Plane], names: Sequence[str], scale: str = "", *, wide: bool = True
) -> Exhibit:
    """Draw the maps of one run or several, in the same colours.

    Args:
        words: what is written around it.
        maps: one for each run.
        names: what the classes are called; empty where values are on a scale.
        scale: label of that scale, which is one for all runs.
        wide: whether it takes the whole width.

    Returns:
        The chart.
    """
    width, columns = shape(len(maps))
    rows = -(-len(maps) // columns)
    side = min(width / columns, TALLEST)
    alone = not maps[0].title

    def draw(figure: Figure) -> None:
        places = multiples(figure, len(maps), columns)
        everything = np.concatenate([each.values for each in maps])
        cloud = None
        for axes, each in zip(places, maps, strict=True):
            size = _size(len(each.points), side, alone)
            if names:
                _by_class(axes, each.points, each.values, names, size, fine=side < 300)
            else:
                cloud = _on_scale(axes, each.points, each.values, size, everything)
            _rings(axes, each.circles)
            if alone:
                axes.set_xlabel(each.axes[0])
                axes.set_ylabel(each.axes[1])
            else:
                axes.set_title(each.title)
                calm(axes)
            if each.reach:
                axes.update_datalim([(-each.reach, -each.reach), (each.reach, each.reach)])
                axes.autoscale_view()
            axes.set_aspect("equal", adjustable="datalim")
        if cloud is not None:
            figure.colorbar(cloud, ax=places, label=scale, shrink=0.8, pad=0.02).outline.set_visible(False)  # pyright: ignore
        else:
            _class_legend(figure, places[0], names)

    return drawn(words, draw, (width, rows * side + 30), wide=wide)


def _size(points: int, side: float, alone: bool) -> float:
    """Choose how large a point is: the more there are, the smaller."""
    if alone:
        return 22.0 if points < 300 else 12.0 if points < 1500 else 7.0
    return max(3.0, 2 + 14 * (side / TALLEST) ** 2 * (600 / (600 + points)))


def _dots(size: float) -> dict[str, Any]:
    # As pixels: thousands of vector marks would make the page slow.
    return {"s": size, "linewidths": 0, "alpha": 0.8, "rasterized": True}


def _on_scale(
    axes: Axes, points: np.ndarray, values: np.ndarray, size: float, everything: np.ndarray
) -> PathCollection:
    cloud = axes.scatter(*points.T, c=values, cmap=_shades(), **_dots(size))
    cloud.set_clim(*np.percentile(everything, [1, 99]))
    return cloud


def _rings(axes: Axes, circles: Sequence[float]) -> None:
    for radius in circles:
        angle = np.linspace(0, 2 * np.pi, 200)
        line = {"color": LIGHT["muted"], "linewidth": 0.9, "linestyle": (0, (3, 3))}
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), **line)


def densest(points: np.ndarray) -> tuple[float, float]:
    """Choose the point that a fifth of the others are nearest to.

    It lies in the midst of a large group. What fewer are nearest to may be a few points on top of each other;
    the mean, or what half of them are nearest to, lies between two groups, where other classes may be.

    Args:
        points: shape `(N, 2)`, at least one.

    Returns:
        Its place.
    """
    some = points[:: max(1, len(points) // 300)]
    apart = np.linalg.norm(some[:, None] - some[None], axis=-1)
    near = min(len(some) - 1, max(1, math.ceil(NEAR * len(some))))  # the first is the point itself
    x, y = some[int(np.partition(apart, near, axis=1)[:, near].argmin())].tolist()
    return x, y


def _by_class(
    axes: Axes,
    points: np.ndarray,
    classes: np.ndarray,
    names: Sequence[str],
    size: float,
    *,
    fine: bool = False,
) -> None:
    from matplotlib.patheffects import withStroke

    direct = max(map(len, names)) <= 3
    least = 0.05 * float(np.ptp(points, axis=0).max())
    written: list[tuple[float, float]] = []
    for index, name in enumerate(names):
        chosen = points[classes == index]
        if not len(chosen):
            continue
        axes.scatter(*chosen.T, color=CATEGORIES[index % len(CATEGORIES)], label=short(name), **_dots(size))
        if direct:  # where its points are densest: colour alone need not be told apart
            ring = [withStroke(linewidth=2.5, foreground=LIGHT["panel"])]
            x, y = densest(chosen)
            while any(math.hypot(x - a, y - b) < least for a, b in written):
                y -= least / 2  # two names on each other could not be read
            written.append((x, y))
            text = axes.text(x, y, short(name), ha="center", va="center", weight="bold")
            text.set(fontsize=7 if fine else 10, color=LIGHT["ink"], path_effects=ring)


def _class_legend(figure: Figure, axes: Axes, names: Sequence[str]) -> None:
    columns = max(1, min(10, len(names), 46 // (max(len(short(name)) for name in names) + 3)))
    legend = figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=columns,
        columnspacing=1,
        handletextpad=0.1,
    )
    for handle in legend.legend_handles:
        handle.set(sizes=[28], alpha=1, rasterized=False)  # pyright: ignore


def _shades() -> Colormap:
    """Give a colour map without its darkest part, which is not seen on a dark page."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    return ListedColormap(matplotlib.colormaps[COLOUR_MAP](np.linspace(0.15, 0.95, 256)))
