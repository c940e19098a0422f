"""Sprites: pictures made from five known factors, every combination once, drawn when asked for."""

from __future__ import annotations

import itertools

import numpy as np

from latentia.core.errors import DataError, nearest
from latentia.data.raw import Raw
from latentia.data.readers.factors import Factors

SHAPES = ("heart", "arrow", "flag")
SCALES = (1 / 2, 2 / 3, 5 / 6, 1.0)
ROTATIONS = 8
POSITIONS = 8
NAMES = ("shape", "scale", "rotation", "x", "y")

SIDE = 64
STEP = 4
"""Pixels from one position to the next: a whole number, so that moving a sprite is exact."""
LENGTH = 16.0
"""Square root of a sprite's area at scale 1, in pixels: all three shapes have the same area."""

_WINDOW = 34
"""Side of the square that holds a sprite of any shape and rotation: none reaches farther than 17."""
_FIRST = (SIDE - _WINDOW - (POSITIONS - 1) * STEP) // 2
_SAMPLES = 16
"""Samples along each side of a pixel, so 256 in each: one for each step of a byte."""


def read(label: str = "shape") -> Raw:
    """Draw the 6,144 sprites: 3 shapes x 4 scales x 8 rotations x 8 columns x 8 rows.

    They are white on black, 64x64, and anti-aliased: a pixel is 255 times the share of it that the
    sprite covers, estimated with 16x16 samples. A sprite turns and grows about its centre of gravity,
    and that is what `x` and `y` place: at pixel 18, 22, ..., 46 from the left and from the top.
    Rotation k is k eighths of a full turn, counter-clockwise. No sprite touches the border. The last
    factor changes fastest. Nothing is drawn at random.

    This is a small relative of dSprites that needs no download, and differs from it. The
    shapes are a heart, an arrow and a flag, since none of these looks the same before the full turn:
    a square does after a quarter and an ellipse after half a turn, so there one picture has several
    values of the rotation, which then no code can tell. All shapes have the same area at the same scale,
    so size says nothing about shape. There are 4 x 8 x 8 x 8 values for 6 x 40 x 32 x 32, and edges are
    smooth.

    Args:
        label: the factor that becomes the labels.

    Returns:
        Images `(6144, 1, 64, 64)`, uint8 0..255, with their factors shape, scale, rotation, x and y.

    Raises:
        DataError: if the label is no factor.

    References:
        Loic Matthey, Irina Higgins, Demis Hassabis, Alexander Lerchner, "dSprites: Disentanglement
        testing Sprites dataset", 2017.
    """
    if label not in NAMES:
        raise DataError(f"sprites: has no factor '{label}' for the labels{nearest(label, NAMES)}")
    sizes = (len(SHAPES), len(SCALES), ROTATIONS, POSITIONS, POSITIONS)
    x = np.zeros((*sizes, 1, SIDE, SIDE), np.uint8)
    outlines = _outlines()
    for shape, scale, turn in itertools.product(*map(range, sizes[:3])):
        grown = outlines[SHAPES[shape]] * LENGTH * SCALES[scale]
        picture = _draw(grown * np.exp(2j * np.pi * turn / ROTATIONS))
        for column, row in itertools.product(range(POSITIONS), repeat=2):
            left, top = _FIRST + STEP * column, _FIRST + STEP * row
            x[shape, scale, turn, column, row, 0, top : top + _WINDOW, left : left + _WINDOW] = picture
    classes = np.ascontiguousarray(np.indices(sizes).reshape(len(sizes), -1).T, dtype=np.int64)
    known = Factors(classes, NAMES, (SHAPES, (), (), (), ()))
    labels, names = known.labels(label)
    return Raw(x.reshape(-1, 1, SIDE, SIDE), labels, names, factors=known.classes, factor_names=known.names)


def _outlines() -> dict[str, np.ndarray]:
    """Give the corners of each shape, counter-clockwise, as complex numbers with i upwards.

    The centre of gravity is 0 and the area 1.
    """
    # A square on its tip, with half a disc on each of its upper sides.
    right = 0.5 + 0.5j + np.sqrt(0.5) * np.exp(1j * np.linspace(-np.pi / 4, 3 * np.pi / 4, 65))
    corners = {
        "heart": np.array([-1j, *right, *-right[::-1].conj()]),
        "arrow": np.array([-2 - 0.6j, -0.6j, -1.6j, 2, 1.6j, 0.6j, -2 + 0.6j]),
        "flag": np.array([0, 0.8, 0.8 + 2j, 3 + 2j, 3 + 4j, 4j]),
    }
    return {name: _normalised(corners[name]) for name in SHAPES}


def _normalised(corners: np.ndarray) -> np.ndarray:
    """Move the centre of gravity to 0 and bring the area to 1."""
    following = np.roll(corners, -1)
    crossed = np.imag(corners.conj() * following)  # twice the area of the triangle with the origin
    centre = ((corners + following) * crossed).sum() / (3 * crossed.sum())
    return (corners - centre) / np.sqrt(crossed.sum() / 2)


def _draw(corners: np.ndarray) -> np.ndarray:
    """Draw a polygon around the middle of a window; corners in pixels.

    A sample is inside if a ray from it to the right meets the outline an odd number of times. Each
    edge is tried against the rows of samples that it crosses only, so many corners cost little.
    """
    at = (np.arange(_WINDOW * _SAMPLES) + 0.5) / _SAMPLES - _WINDOW / 2
    inside = np.zeros((len(at), len(at)), bool)
    points = np.stack([np.real(corners), -np.imag(corners)], axis=1)  # rows count downwards
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0)):
        rows = (y0 <= at) != (y1 <= at)
        meets = x0 + (at[rows] - y0) * (x1 - x0) / (y1 - y0)
        inside[rows] ^= at < meets[:, None]
    share = inside.reshape(_WINDOW, _SAMPLES, _WINDOW, _SAMPLES).mean((1, 3))
    return np.rint(255 * share).astype(np.uint8)
