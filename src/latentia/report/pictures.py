"""Images, shown pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from latentia.plots.exhibits import Exhibit, Words, blocked, pictured
from latentia.plots.images import below, beside, grid
from latentia.report.views import IN_ROW, Made, View

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset

LARGEST = 128
"""Pixels of the longer side of one image in the report; larger ones are shrunk."""
SHEET = 64
"""The same for the many images of a sheet."""


class Pictures(View):
    """Grids of images."""

    def __init__(self, dataset: Dataset) -> None:
        """Take the range from the data.

        Args:
            dataset: the data of the report.
        """
        super().__init__(dataset)
        self.low, self.high = (0.0, dataset.high) if dataset.x.dtype.kind == "u" else dataset.observed

    @property
    def remark(self) -> str:
        """Say that large images are shrunk."""
        large = max(self.dataset.event[1:]) > LARGEST
        return f"Images are shown at {LARGEST} pixels on the longer side." if large else ""

    def _grid(self, x: np.ndarray, columns: int, largest: int = LARGEST) -> Image.Image:
        if max(x.shape[2:]) <= largest:
            return grid(x, self.high, columns, low=self.low, background=None)
        small = np.stack([self._shrunk(image, largest) for image in x])
        return grid(small, 255.0, columns, background=None)

    def _shrunk(self, image: np.ndarray, largest: int) -> np.ndarray:
        whole = grid(image[None], self.high, low=self.low, pad=0, background=None)
        whole = whole.convert({1: "L", 3: "RGB", 4: "RGBA"}[len(image)])
        whole.thumbnail((largest, largest), Image.Resampling.LANCZOS)
        pixels = np.asarray(whole)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

    def gallery(self, words: Words, x: np.ndarray, columns: int) -> Exhibit:
        """Show a grid; see `View`."""
        return pictured(words, [self._grid(x, columns)])

    def compare(self, words: Words, given: np.ndarray, made: Sequence[Made]) -> list[Exhibit]:
        """Show rows of originals over one row for each run; see `View`."""
        if len(made) > 1:
            return [self._rows(words, [Made("originals", given, ""), *made])]
        blocks = [
            self._grid(np.concatenate([given[part], made[0].x[part]]), len(given[part]))
            for part in _parts(len(given))
        ]
        return [pictured(words, [below(blocks, gap=8, background=None)], wide=True)]

    def unusual(
        self, words: Words, given: np.ndarray, expected: np.ndarray, parts: np.ndarray, scale: float
    ) -> list[Exhibit]:
        """Show originals over what was expected and over where they are strange; see `View`."""
        share = (parts.sum(axis=1, keepdims=True) / (scale or 1)).clip(0, 1)  # of all channels
        where = self.low + (self.high - self.low) * share
        rows = [self._grid(given, IN_ROW), self._grid(expected, IN_ROW), self._grid(where, IN_ROW)]
        return [pictured(words, rows, ["original", "expected", "adds to the score"], wide=True)]

    def samples(self, drawn: Mapping[str, tuple[Words, Sequence[Made]]], data: np.ndarray) -> list[Exhibit]:
        """Show for each sampler a row for each run, or a grid of one run; see `View`."""
        return [
            self._rows(words, made) if len(made) > 1 else pictured(words, [self._grid(made[0].x, 8)])
            for words, made in drawn.values()
        ]

    def paths(
        self, words: Words, made: Sequence[Made], ends: np.ndarray, labels: Sequence[str]
    ) -> list[Exhibit]:
        """Show a row for each pair, of several runs a block; the originals at its ends; see `View`."""
        pairs = [[self._walk(each.x[pair], *ends[pair]) for each in made] for pair in range(len(labels))]
        if len(made) == 1:
            return [pictured(words, [rows[0] for rows in pairs], labels, wide=True)]
        return [blocked(words, list(zip(labels, pairs, strict=True)), [each.label for each in made])]

    def _walk(self, walk: np.ndarray, first: np.ndarray, last: np.ndarray) -> Image.Image:
        pieces = [self._grid(part, len(part)) for part in (first[None], walk, last[None])]
        return beside(pieces, gap=6, background=None)

    def _rows(self, words: Words, made: Sequence[Made]) -> Exhibit:
        """Show one row for each of several arrays, ten examples in a block."""
        parts = _parts(len(made[0].x))
        blocks = [("", [self._grid(each.x[part], IN_ROW) for each in made]) for part in parts]
        return blocked(words, blocks, [each.label for each in made])

    def traversal(self, words: Words, walks: np.ndarray, labels: Sequence[str]) -> Exhibit:
        """Show one row for each dimension; see `View`."""
        return pictured(words, [self._grid(walk, len(walk)) for walk in walks], labels, wide=True)

    def sheet(self, words: Words, decoded: np.ndarray, side: int) -> Exhibit:
        """Show the plane as a grid; see `View`."""
        return pictured(words, [self._grid(decoded, side, SHEET)])


def _parts(count: int) -> list[slice]:
    return [slice(start, start + IN_ROW) for start in range(0, count, IN_ROW)]
