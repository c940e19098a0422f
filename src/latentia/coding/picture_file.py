"""The file of pictures: what it was made with, and one picture after the other.

```
"LAT", 2              magic, and the version of the format
name                  8 bytes: the coder's, which any weight, table or setting changes
channels, step        of a picture; the step of its latents in units of 2^-12
count                 how many pictures there are
CRC-32                of all this
and for each picture
height, width, words  its sides, and how many words of 32 bits its content has
CRC-32                of its latents and sides
content               words, the least byte first
```

Numbers without a size are of 7 bits a byte, the least first, the highest bit saying that another follows.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from latentia.coding.container import NAME, PICTURES, Ended, Fields, crc, sealed, varint, writer_of
from latentia.core.errors import DataError

LARGEST = 1 << 16
"""Pixels along a side at the most."""
MOST_PIXELS = 1 << 28
"""Pixels of a picture at the most, so that a damaged file does not ask for all memory."""


@dataclass(frozen=True)
class PictureHeader:
    """What stands before the pictures.

    Attributes:
        name: the coder's.
        channels: of each picture.
        step: of the latents, in units of 2^-12.
        count: how many pictures there are.
    """

    name: bytes
    channels: int
    step: int
    count: int

    def packed(self) -> bytes:
        """Write the header."""
        return sealed(PICTURES, self.name, (self.channels, self.step, self.count))


@dataclass(frozen=True)
class Coded:
    """One picture of a file.

    Attributes:
        height: in pixels.
        width: in pixels.
        check: the CRC-32 of its latents and sides.
        content: what they became.
    """

    height: int
    width: int
    check: int
    content: bytes

    def packed(self) -> bytes:
        """Write it."""
        numbers = (self.height, self.width, len(self.content) // 4)
        return b"".join(map(varint, numbers)) + self.check.to_bytes(4, "little") + self.content


def check_of(k: np.ndarray, height: int, width: int) -> int:
    """Give the CRC-32 of latents, multiples of a step, and of the picture's sides behind them."""
    return crc(np.append(k & 0xFFFFFFFF, (height, width)))


class PictureReader(Fields):
    """A file that is read picture by picture.

    Attributes:
        header: what stands before them.
    """

    def __init__(self, handle: BinaryIO, where: str) -> None:
        """Read the header.

        Args:
            handle: an open file.
            where: what messages call it.

        Raises:
            DataError: if it is no such file, of a later version, or damaged.
        """
        if writer_of(handle, where)[0] != PICTURES:
            raise DataError(f"{where} holds examples without loss, and the run codes pictures with loss")
        super().__init__(handle, where)
        try:
            name = self.take(NAME)
            self.header = PictureHeader(name, self.number(), self.number(), self.number())
            check = zlib.crc32(self._seen)
            if check != int.from_bytes(self.take(4), "little"):
                raise Ended
        except Ended as error:
            raise DataError(f"{where} is damaged or cut off in its header") from error
        self._places = [handle.tell()]

    def picture(self, number: int) -> Coded:
        """Read a picture.

        Args:
            number: which.

        Returns:
            The picture.

        Raises:
            DataError: if it is damaged, or the file ends before it does.
        """
        try:
            while len(self._places) <= number:
                self._handle.seek(self._places[-1])
                words = self._before()[2]
                self._places.append(self._handle.seek(4 * words, os.SEEK_CUR))
            self._handle.seek(self._places[number])
            height, width, words, check = self._before()
            content = self._handle.read(4 * words)
            if len(self._places) == number + 1:
                self._places.append(self._handle.tell())
        except Ended as error:
            raise self.damaged(number) from error
        return Coded(height, width, check, content)

    def _before(self) -> tuple[int, int, int, int]:
        """Read what stands before the content of a picture."""
        self._seen = b""
        height, width, words = self.number(), self.number(), self.number()
        check = int.from_bytes(self.take(4), "little")
        self.check_room(words)
        if not (1 <= height <= LARGEST and 1 <= width <= LARGEST and height * width <= MOST_PIXELS):
            raise Ended
        return height, width, words, check

    def damaged(self, number: int) -> DataError:
        """Say that a picture is damaged.

        Args:
            number: which.

        Returns:
            The error to raise.
        """
        others = "; the others can be read with --rows" * (self.header.count > 1)
        return DataError(
            f"{self._where}: picture {number + 1} of {self.header.count} is damaged or cut off{others}"
        )

    def check_end(self) -> None:
        """Refuse a file that ends before its last picture, or goes on behind it.

        Raises:
            DataError: if it does.
        """
        if self.header.count:
            self.picture(self.header.count - 1)
            self._handle.seek(self._places[self.header.count])
        if self._handle.read(1):
            raise DataError(f"{self._where} is damaged: it goes on behind its last picture")
