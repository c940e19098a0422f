"""Whole pictures of any sizes, and the crops of them that models see.

Training takes each picture from another place every time, and perhaps mirrored; everything else sees the crop
around its middle. The whole pictures lie one after the other, in memory or in files, each with its size.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from latentia.data.change import Change
from latentia.data.shards import Shards

DRAWS = 3
"""Uniform numbers in [0, 1) that a crop takes: for its top, its left, and whether it is mirrored."""


class Pictures:
    """Pictures of any sizes, `(C, H, W)` each, with as many channels."""

    def __init__(
        self,
        values: np.ndarray | Shards,
        channels: int,
        sizes: np.ndarray,
        starts: np.ndarray | None = None,
        frames: int | None = None,
    ) -> None:
        """Take pictures.

        Args:
            values: all of their values, shape `(total,)`; or pictures of one size in files,
                `(N, C, H, W)`, or clips, `(N, C, T, H, W)`.
            channels: C.
            sizes: their heights and widths, `(N, 2)`.
            starts: where in the values each begins, `(N,)`; they follow each other by default.
            frames: T, where they are clips, `(C, T, H, W)` each.
        """
        self.values = values
        self.channels = channels
        self.frames = frames
        self.planes = channels * (frames or 1)
        self.sizes = sizes.astype(np.int64, copy=False)
        counts = self.planes * self.sizes.prod(axis=1)
        self.starts = np.cumsum(counts) - counts if starts is None else starts.astype(np.int64, copy=False)

    @classmethod
    def even(cls, x: np.ndarray | Shards) -> Pictures:
        """Take pictures of one size.

        Args:
            x: shape `(N, C, H, W)`, or clips, `(N, C, T, H, W)`.

        Returns:
            The same pictures.
        """
        count, channels, *between, height, width = x.shape
        sizes = np.tile(np.array([[height, width]]), (count, 1))
        values = x if isinstance(x, Shards) else np.ascontiguousarray(x).reshape(-1)
        starts = np.arange(count) if isinstance(x, Shards) else None
        return cls(values, channels, sizes, starts, between[0] if between else None)

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.sizes)

    @property
    def dtype(self) -> np.dtype:
        """The type of the numbers."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """What all of them take in memory."""
        return int(self.planes * self.sizes.prod(axis=1).sum()) * self.dtype.itemsize

    @property
    def lead(self) -> tuple[int, ...]:
        """The shape of one before its height and width: channels, and frames where it is a clip."""
        return (self.channels,) if self.frames is None else (self.channels, self.frames)

    @property
    def state(self) -> str:
        """Another text means that the pictures may have changed."""
        if isinstance(self.values, Shards):
            return self.values.state
        return f"{zlib.crc32(self.values.data):08x} {zlib.crc32(self.sizes.tobytes()):08x}"

    def whole(self, position: int) -> np.ndarray:
        """Give one picture as it is.

        Args:
            position: which one.

        Returns:
            Shape `(C, H, W)`, or `(C, T, H, W)`.
        """
        start, (height, width) = int(self.starts[position]), self.sizes[position].tolist()
        if isinstance(self.values, Shards):
            if self.values.ndim > 1:
                return self.values[start]
            found = self.values.span(start, self.planes * height * width)
        else:
            found = self.values[start : start + self.planes * height * width]
        return found.reshape(*self.lead, height, width)

    def stacked(self) -> np.ndarray:
        """Give pictures of one size as one array.

        Returns:
            Shape `(N, C, H, W)`, or `(N, C, T, H, W)`.
        """
        return np.stack([self.whole(row) for row in range(len(self))])

    def over(self, rows: np.ndarray) -> Pictures:
        """Give some of the pictures.

        Args:
            rows: their positions.

        Returns:
            Pictures over the same values.
        """
        return Pictures(self.values, self.channels, self.sizes[rows], self.starts[rows], self.frames)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Give one whole picture after the other."""
        return (self.whole(position) for position in range(len(self)))


def corners(sizes: np.ndarray, crop: tuple[int, int], draws: np.ndarray | None = None) -> np.ndarray:
    """Choose where crops begin: around the middle, or each place with the same probability.

    Args:
        sizes: heights and widths of the pictures, none smaller than the crop, `(n, 2)`.
        crop: height and width of a crop.
        draws: numbers in [0, 1), `(n, DRAWS)`; None for the middle.

    Returns:
        Top and left of each, `(n, 2)`, int64.
    """
    room = sizes - np.array(crop)
    if draws is None:
        return room // 2
    return np.minimum((draws[:, :2] * (room + 1)).astype(np.int64), room)


class Crops(Shards):
    """Crops around the middle of pictures as one array, `(N, *lead, height, width)`, cut when it is read."""

    def __init__(
        self, pictures: Pictures, crop: tuple[int, int], observed: tuple[float, float] | None = None
    ) -> None:
        """Take pictures.

        Args:
            pictures: none smaller than the crop.
            crop: height and width in pixels.
            observed: the smallest and the largest value, where they are known.
        """
        super().__init__((), (*pictures.lead, *crop), pictures.dtype, observed=observed)
        self.pictures = pictures
        self.crop = crop
        self._rows = np.arange(len(pictures))

    @property
    def state(self) -> str:
        """See `Shards`; the size of the crop belongs to it."""
        return f"{self.crop} {self.pictures.state}"

    def read(self, positions: np.ndarray, found: np.ndarray, draws: np.ndarray | None = None) -> None:
        """Cut crops out of pictures, read in the order of their places; see `Shards`.

        Args:
            positions: which ones, `(n,)`.
            found: where they go, `(n, C, height, width)`.
            draws: numbers in [0, 1) that say where each is cut, `(n, DRAWS)`; None for the middle.
        """
        rows = self._places(positions)
        tops = corners(self.pictures.sizes[rows], self.crop, draws)
        height, width = self.crop
        block = found if self._plain else np.empty((len(rows), *self._stored), self._stored_dtype)
        for place in np.argsort(self.pictures.starts[rows], kind="stable").tolist():
            top, left = tops[place].tolist()
            whole = self.pictures.whole(int(rows[place]))
            block[place] = whole[..., top : top + height, left : left + width]
        if not self._plain:
            found[:] = self._convert(block)


def read_varied(
    files: Shards, positions: np.ndarray, found: np.ndarray, draws: np.ndarray, *, change: Change
) -> None:
    """Read examples as training sees them: crops from anywhere, mirrored, moved.

    Args:
        files: the examples.
        positions: which ones, `(n,)`.
        found: where they go, `(n, *event)`.
        draws: numbers in [0, 1), `(n, DRAWS)`.
        change: what becomes of each.
    """
    if isinstance(files, Crops):
        files.read(positions, found, draws)
    else:
        files.read(positions, found)
    if change:
        import torch

        found[:] = change(torch.from_numpy(found), torch.from_numpy(draws)).numpy()
