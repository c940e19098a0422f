"""The colours of the report, once: for the page's style sheet and for the charts drawn into it.

A chart is drawn with the light colours; in the page each of them becomes a CSS variable, so that
one drawing serves the light and the dark page and follows the switch between them.
"""

from __future__ import annotations

import re

LIGHT = {
    "page": "#f6f7f5",
    "panel": "#fefefd",
    "ink": "#1d2530",
    "muted": "#5a6574",
    "line": "#c6ccd5",
    "faint": "#e4e8ed",
    "first": "#1f64ad",
    "second": "#c4571b",
    "third": "#2b7f5d",
}
DARK = {
    "page": "#12161b",
    "panel": "#1a1f26",
    "ink": "#e6e9ee",
    "muted": "#9da8b7",
    "line": "#4a5462",
    "faint": "#2b323c",
    "first": "#78b2f2",
    "second": "#f2a06b",
    "third": "#6cc79c",
}
# fmt: off
CATEGORIES = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#5f6f83", "#55c1c9",
    "#8fbf3f", "#e377c2", "#1b7f4d", "#d6a2e8", "#7a4b1e",
    "#2a5599", "#f08d7e", "#6f6f00", "#00a087", "#c2185b",
)
# fmt: on
"""Up to twenty classes. The first ten follow Matthew Petroff, "Accessible Color Sequences for Data
Visualization", 2021: told apart with colour-blind eyes, and seen on light and dark ground."""

ORDER = ("#2f7fd0", "#8f9296", "#d9660a")
"""Ends and middle of a scale for runs in an order: as light at one end as at the other, so that every
colour is seen on light and dark ground, and told apart with colour-blind eyes."""

_NAMES = {colour: name for name, colour in LIGHT.items()}


def css_variables(colours: dict[str, str]) -> str:
    """Write colours as CSS custom properties.

    Args:
        colours: hexadecimal colours by name.

    Returns:
        Declarations, such as `--ink: #1d2530;`.
    """
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def adaptive(svg: str) -> str:
    """Replace the light colours in a drawing by the page's variables.

    Args:
        svg: the drawing.

    Returns:
        The same drawing in the colours of whichever theme the page has.
    """
    return re.sub(r"#[0-9a-f]{6}\b", lambda match: _variable(match.group()), svg)


def _variable(colour: str) -> str:
    name = _NAMES.get(colour)
    return f"var(--{name})" if name else colour
