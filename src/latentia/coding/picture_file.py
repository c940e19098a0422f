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

from dataclasses import dataclass

import numpy as np

from latentia.coding.container import PICTURES, Ended, Parts, crc, sealed, varint

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


class PictureReader(Parts):
    """A file that is read picture by picture."""

    version = PICTURES
    unlike = "holds examples without loss, and the run codes pictures with loss"
    what = "picture"
    holds = "pictures"
    header: PictureHeader

    def _header(self, name: bytes) -> PictureHeader:
        return PictureHeader(name, self.number(), self.number(), self.number())

    @property
    def parts(self) -> int:
        """How many pictures there are."""
        return self.header.count

    def picture(self, number: int) -> Coded:
        """Read a picture.

        Args:
            number: which.

        Returns:
            The picture.

        Raises:
            DataError: if it is damaged, or the file ends before it does.
        """
        (height, width, check), content = self._part(number)
        return Coded(height, width, check, content)

    def check(self, number: int) -> int:
        """Give the CRC-32 of a picture's latents and sides; see `Parts`."""
        return self.picture(number).check

    def _before(self) -> tuple[int, tuple[int, int, int]]:
        self._seen = b""
        height, width, words = self.number(), self.number(), self.number()
        check = int.from_bytes(self.take(4), "little")
        if not (1 <= height <= LARGEST and 1 <= width <= LARGEST and height * width <= MOST_PIXELS):
            raise Ended
        return words, (height, width, check)

    def _damaged(self, number: int) -> str:
        return f"picture {number + 1} of {self.header.count}"
