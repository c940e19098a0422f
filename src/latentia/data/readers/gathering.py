"""Where decoded images are put together: one array of one size, or one after the other, each of its own."""

from __future__ import annotations

import numpy as np

from latentia.core.errors import DataError
from latentia.core.memory import available
from latentia.data.pictures import Crops, Pictures
from latentia.data.raw import Options
from latentia.data.readers.depths import depth_of, kept_as, refuse_unlike

_LOOKED_AT = 256  # pictures of different sizes after each of which the memory for all of them is estimated


class Array:
    """Images of one size, in an array that is allocated once."""

    def __init__(self, count: int, where: str) -> None:
        """Expect images.

        Args:
            count: how many at most.
            where: the source, for messages.
        """
        self.count, self.where = count, where
        self.x: np.ndarray | None = None
        self.first, self.depth = "", ""

    def add(self, place: int, name: str, pixels: np.ndarray) -> None:
        """Put an image into its place.

        Args:
            place: which one it is among all.
            name: what it is called.
            pixels: `(C, H, W)`.

        Raises:
            DataError: if it is of another size or depth than the others, or there is no memory.
        """
        if self.x is None:
            self.x = self._allocate((self.count, *pixels.shape), kept_as(pixels.dtype))
            self.first, self.depth = name, depth_of(pixels.dtype)
        refuse_unlike(self.where, (self.first, self.x.shape[1:], self.depth), name, pixels)
        if len(pixels) > self.x.shape[1]:  # the first colour image among grey ones
            grey = self.x
            self.x = self._allocate((self.count, *pixels.shape), grey.dtype)
            self.x[:] = grey
        self.x[place] = pixels

    def those(self, good: np.ndarray, options: Options) -> np.ndarray:
        """Move the images that could be read together, in place.

        Args:
            good: which ones are there, `(count,)`.
            options: crop is used, where images keep their sizes.

        Returns:
            Shape `(n, C, H, W)`.
        """
        if self.x is None:
            raise DataError(f"{self.where}: holds no image that can be read")
        kept = np.flatnonzero(good)
        if len(kept) < len(self.x):
            for target, origin in enumerate(kept):
                self.x[target] = self.x[origin]
        return self.x[: len(kept)]

    def _allocate(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        try:
            return np.empty(shape, dtype=dtype)
        except MemoryError as error:
            gigabytes = float(np.prod(shape, dtype=np.float64)) * dtype.itemsize / 1e9
            raise DataError(
                f"{self.where}: {shape[0]:,} images of {shape[2]}x{shape[3]} need {gigabytes:.1f} GB of "
                "memory; give a smaller --size, or use latentia pack first"
            ) from error


class Flat:
    """Images of different sizes, one after the other in memory that grows."""

    def __init__(self, count: int, where: str) -> None:
        """Expect images; see `Array`."""
        self.count, self.where = count, where
        self.values = bytearray()
        self.sizes = np.ones((count, 2), np.int64)
        self.starts = np.zeros(count, np.int64)
        self.there: list[int] = []
        self.first, self.channels, self.depth = "", 0, ""
        self.dtype = np.dtype(np.uint8)

    def add(self, place: int, name: str, pixels: np.ndarray) -> None:
        """Put an image behind the others; see `Array`."""
        if not self.there:
            self.dtype, self.depth = kept_as(pixels.dtype), depth_of(pixels.dtype)
            self.first, self.channels = name, len(pixels)
        refuse_unlike(self.where, (self.first, (self.channels, *pixels.shape[1:]), self.depth), name, pixels)
        if len(pixels) > self.channels:  # the first colour image among grey ones
            self._colour(len(pixels))
        self._append(place, pixels)
        if len(self.there) % _LOOKED_AT == 0:
            free = available()
            if free is not None and self._expected() - len(self.values) > free:
                raise self._too_many()

    def _append(self, place: int, pixels: np.ndarray) -> None:
        if len(pixels) < self.channels:
            pixels = np.repeat(pixels, self.channels, axis=0)
        self.starts[place] = len(self.values) // self.dtype.itemsize
        self.sizes[place] = pixels.shape[1:]
        try:
            self.values += np.ascontiguousarray(pixels, self.dtype).data.cast("B")
        except MemoryError as error:
            raise self._too_many() from error
        self.there.append(place)

    def _colour(self, channels: int) -> None:
        """Repeat the channel of the images that are there."""
        grey, there = self._pictures(np.array(self.there)), self.there
        self.values, self.there, self.channels = bytearray(), [], channels
        for place, picture in zip(there, grey, strict=True):
            self._append(place, picture)

    def _expected(self) -> float:
        return len(self.values) / max(1, len(self.there)) * self.count

    def _too_many(self) -> DataError:
        return DataError(
            f"{self.where}: {self.count:,} pictures need about {self._expected() / 1e9:.1f} GB of memory at "
            "their sizes; give a shorter side, such as --size 256 --fit short, or use latentia pack first"
        )

    def _pictures(self, there: np.ndarray) -> Pictures:
        values = np.frombuffer(self.values, self.dtype)
        return Pictures(values, self.channels, self.sizes[there], self.starts[there])

    def those(self, good: np.ndarray, options: Options) -> Crops:
        """Give the crops of the images that could be read; see `Array`."""
        return Crops(self._pictures(good), options.crop or (1, 1))
