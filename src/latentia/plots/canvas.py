"""One drawing surface for all charts: matplotlib's objects, without its global state."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from latentia.plots.exhibits import Exhibit, Words
from latentia.plots.theme import LIGHT, adaptive

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCH = 72  # points, which are the units of the drawing
PHONE = 400
"""A chart wider than this, in points, scrolls on a phone instead of being shrunk."""
BROAD = 900
"""Width of a chart that fills a page on several runs."""
IN_ROW = 5
"""Panels of several runs in a row of a broad chart, at most."""
SHARPNESS = 200
"""Dots per inch of PNG files, and of what is drawn as pixels inside a chart."""
LONGEST = 18
"""Characters of a name inside a chart."""

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it takes the page's font and can be searched
    "svg.id": None,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.labelcolor": LIGHT["muted"],
    "axes.titlecolor": LIGHT["ink"],
    "axes.edgecolor": LIGHT["line"],
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LIGHT["faint"],
    "grid.linewidth": 0.8,
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["line"],
    "ytick.color": LIGHT["line"],
    "xtick.labelcolor": LIGHT["muted"],
    "ytick.labelcolor": LIGHT["muted"],
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
}


def drawn(
    words: Words,
    draw: Callable[[Figure], None],
    size: tuple[float, float] = (360, 240),
    *,
    wide: bool = False,
) -> Exhibit:
    """Draw a chart once, for the page and for the file beside it.

    Args:
        words: what is written around it.
        draw: puts axes into an empty figure; its colours are those of `theme.LIGHT`.
        size: width and height in points.
        wide: whether it takes the whole width.

    Returns:
        The exhibit.
    """
    import matplotlib
    from matplotlib.figure import Figure

    svg, png = io.BytesIO(), io.BytesIO()
    broad = size[0] >= BROAD
    style: Any = {**_STYLE, "svg.hashsalt": words.name}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        # Names of labels may be in any script: the page's fonts have their glyphs, the file's may not.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # Constant data give an empty range, which matplotlib widens by itself.
        warnings.filterwarnings("ignore", message="Attempting to set identical")
        figure = Figure(figsize=(size[0] / INCH, size[1] / INCH), layout="constrained")
        draw(figure)
        figure.savefig(png, format="png", dpi=SHARPNESS, facecolor=LIGHT["panel"])
        figure.set_layout_engine("none")  # the places are found; finding them takes as long as drawing
        figure.savefig(svg, format="svg", dpi=SHARPNESS, transparent=True, metadata={"Date": None})
    drawing = _inline(svg.getvalue().decode())
    return Exhibit(words, png.getvalue(), svg=drawing, wide=wide, roomy=size[0] > PHONE, broad=broad)


def _inline(svg: str) -> str:
    """Make a drawing part of a page: its fonts and colours, no identifiers but those it refers to."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = svg.replace("xlink:href=", "href=")
    used = set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: match.group() if match.group(1) in used else "", svg)
    svg = re.sub(r' d="[^"]*"', lambda match: re.sub(r"(\.\d\d)\d+", r"\1", match.group()), svg)
    svg = re.sub(r"('DejaVu Sans'[^;\"]*)(?=[;\"])", "var(--sans)", svg)
    head, rest = svg.split(">", 1)
    box = re.search(r'viewBox="([^"]*)"', head)
    shape = box.group(1) if box else "0 0 100 100"
    return adaptive(f'<svg viewBox="{shape}" focusable="false" aria-hidden="true">{rest}'.strip())


def short(text: str, limit: int = LONGEST) -> str:
    """Prepare a name for a chart: not too long, and never read as mathematics.

    Args:
        text: the name.
        limit: characters to keep.

    Returns:
        The name, cut and escaped.
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    hidden = "\u200b" if cut.startswith("_") else ""  # matplotlib leaves such names out of legends
    return hidden + cut.replace("$", r"\$")


def multiples(figure: Figure, count: int, columns: int) -> list[Axes]:
    """Divide a figure into equal panels.

    Args:
        figure: an empty figure.
        count: how many panels.
        columns: panels in a row.

    Returns:
        Their axes, row by row.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    return [figure.add_subplot(rows, columns, index + 1) for index in range(count)]


def shape(count: int) -> tuple[float, int]:
    """Choose how panels of several runs are laid out.

    Args:
        count: how many panels.

    Returns:
        The width of the figure in points, and the panels in a row: rows are about equally full.
    """
    if count == 1:
        return 400.0, 1
    rows = -(-count // IN_ROW)
    return float(BROAD), -(-count // rows)


def calm(axes: Axes, ticks: int = 3) -> None:
    """Give a small panel few ticks and no grid.

    Args:
        axes: the panel.
        ticks: how many ticks at most on each axis.
    """
    from matplotlib.ticker import MaxNLocator

    axes.grid(False)
    axes.xaxis.set_major_locator(MaxNLocator(ticks))
    axes.yaxis.set_major_locator(MaxNLocator(ticks))
    axes.tick_params(labelsize=7, length=2)
    axes.title.set_fontsize(8)
