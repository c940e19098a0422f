"""The file: what it was made with, and blocks of examples that are read each by itself.

```
"LAT", 1              magic, and the version of the format
name                  8 bytes: the coder's, which any weight, table or setting changes
event                 the count of its dimensions, and each of them
count, block          how many examples there are, and how many a block holds
CRC-32                of all this
and for each block
words                 how many words of 32 bits its content has
rounds, chosen        by how many choices a chosen latent is coded; how many were, beside the first, and the
                      distances of their numbers, which are those of examples, times the levels of a chain
CRC-32                of the symbols that it decodes to
content               words, the least byte first
```

Numbers without a size are of 7 bits a byte, the least first, the highest bit saying that another follows.
"""

from __future__ import annotations

import abc
import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import numpy as np

from latentia.coding.bitsback import Block
from latentia.core.errors import DataError

MAGIC = b"LAT"
VERSION = 1
PICTURES = 2
"""The format of pictures of any sizes, with loss; see `picture_file`."""
NAME = 8
MOST = 1 << 16
"""Examples of a block, and numbers of an example times 2^-8, at the most."""


@dataclass(frozen=True)
class Header:
    """What stands before the blocks.

    Attributes:
        name: the coder's.
        event: shape of one example.
        count: how many examples there are.
        block: how many of them a block holds; the last one holds what is left.
    """

    name: bytes
    event: tuple[int, ...]
    count: int
    block: int

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.count // self.block)

    def rows(self, number: int) -> tuple[int, int]:
        """Give the first example of a block, and the one after its last."""
        return number * self.block, min(self.count, (number + 1) * self.block)

    def packed(self) -> bytes:
        """Write the header."""
        return sealed(VERSION, self.name, (len(self.event), *self.event, self.count, self.block))


def sealed(version: int, name: bytes, numbers: Iterable[int]) -> bytes:
    """Write what every header has: the format, the coder's name, some numbers, and the CRC-32 of all this."""
    body = MAGIC + bytes([version]) + name + b"".join(map(varint, numbers))
    return body + zlib.crc32(body).to_bytes(4, "little")


def crc(symbols: np.ndarray) -> int:
    """Give the CRC-32 of symbols, as numbers of 32 bits."""
    return zlib.crc32(np.ascontiguousarray(symbols, "<u4").tobytes())


def packed(block: Block, check: int) -> bytes:
    """Write a block.

    Args:
        block: what the examples became.
        check: their CRC-32.

    Returns:
        Its bytes.
    """
    chosen = block.chosen[1:]
    gaps = [after - before for before, after in zip(block.chosen, chosen)]
    numbers = (len(block.content) // 4, block.rounds, len(gaps), *gaps)
    return b"".join(map(varint, numbers)) + check.to_bytes(4, "little") + block.content


def varint(number: int) -> bytes:
    """Write a whole number in bytes of 7 bits, the least first."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def writer_of(handle: BinaryIO, where: str) -> tuple[int, bytes]:
    """Read what format a file has, and the name of the coder that wrote it.

    Args:
        handle: an open file.
        where: what messages call it.

    Returns:
        The version of the format, and the name.

    Raises:
        DataError: if it is no such file, of a later version, or cut off.
    """
    handle.seek(0)
    start = handle.read(len(MAGIC) + 1 + NAME)
    if not start.startswith(MAGIC) or len(start) <= len(MAGIC):
        raise DataError(f"{where} is no file that 'latentia compress' wrote")
    version = start[len(MAGIC)]
    if version < VERSION:
        raise DataError(f"{where} is damaged: it says format {version}, which there has never been")
    if version > PICTURES:
        raise DataError(
            f"{where} is of format {version}, and this version reads up to {PICTURES}; use a later latentia"
        )
    if len(start) < len(MAGIC) + 1 + NAME:
        raise DataError(f"{where} is damaged or cut off in its header")
    return version, start[-NAME:]


class Ended(Exception):
    """A file that ends too early, or holds what it cannot hold."""


class Fields:
    """The bytes of an open file, read one field after the other."""

    def __init__(self, handle: BinaryIO, where: str) -> None:
        """Begin behind what says that it is such a file.

        Args:
            handle: an open file.
            where: what messages call it.
        """
        self._handle, self._where = handle, where
        self._size = handle.seek(0, os.SEEK_END)
        handle.seek(0)
        self._seen = handle.read(len(MAGIC) + 1)

    def take(self, count: int) -> bytes:
        """Read bytes, or say that the file has ended."""
        found = self._handle.read(count)
        if len(found) < count:
            raise Ended
        self._seen += found
        return found

    def check_room(self, words: int) -> None:
        """Refuse a content that is longer than the file, before memory is taken for it."""
        if self._handle.tell() + 4 * words > self._size:
            raise Ended

    def number(self) -> int:
        """Read a number of 7 bits a byte."""
        found = 0
        for place in range(9):
            byte = self.take(1)[0]
            found |= (byte & 127) << 7 * place
            if byte < 128:
                return found
        raise Ended


class Parts(Fields, abc.ABC):
    """A file of parts, one behind the other, each of which is read by itself.

    Attributes:
        header: what stands before them.
    """

    version: ClassVar[int]
    """The first number of such files; see `writer_of`."""
    unlike: ClassVar[str]
    """What is said of a file of the other kind."""
    what: ClassVar[str]
    """What messages call a part."""
    holds: ClassVar[str] = "examples"
    """What messages call what is in it."""
    header: Any

    def __init__(self, handle: BinaryIO, where: str) -> None:
        """Read the header.

        Args:
            handle: an open file.
            where: what messages call it.

        Raises:
            DataError: if it is no such file, of a later version, or damaged.
        """
        if writer_of(handle, where)[0] != self.version:
            raise DataError(f"{where} {self.unlike}")
        super().__init__(handle, where)
        try:
            self.header = self._header(self.take(NAME))
            check = zlib.crc32(self._seen)
            if check != int.from_bytes(self.take(4), "little"):
                raise Ended
        except Ended as error:
            raise DataError(f"{where} is damaged or cut off in its header") from error
        self._places = [handle.tell()]

    @property
    @abc.abstractmethod
    def parts(self) -> int:
        """How many there are."""

    @abc.abstractmethod
    def check(self, number: int) -> int:
        """Give the CRC-32 of what a part decodes to.

        Args:
            number: which.

        Returns:
            The checksum.

        Raises:
            DataError: if the part is damaged, or the file ends before it does.
        """

    @abc.abstractmethod
    def _header(self, name: bytes) -> Any:
        """Read what follows the coder's name and stands before the parts."""

    @abc.abstractmethod
    def _before(self) -> tuple[int, Any]:
        """Read what stands before the content of a part: its words, and the rest."""

    @abc.abstractmethod
    def _damaged(self, number: int) -> str:
        """Say which part is damaged."""

    def damaged(self, number: int) -> DataError:
        """Say that a part is damaged.

        Args:
            number: which.

        Returns:
            The error to raise.
        """
        others = "; others may be whole: read them with --rows" * (self.parts > 1)
        return DataError(f"{self._where}: {self._damaged(number)} is damaged or cut off{others}")

    def check_range(self, first: int, end: int) -> None:
        """Refuse to read what the file does not hold.

        Args:
            first: the first of its examples.
            end: the one after the last.

        Raises:
            DataError: if one of them is not there, or none is asked for.
        """
        count = self.header.count
        if not 0 <= first < end <= count:
            raise DataError(
                f"{self._where} holds {self.holds} 0 to {count - 1}; there are none from {first} to {end - 1}"
            )

    def _part(self, number: int) -> tuple[Any, bytes]:
        """Read a part: what stands before its content, and that."""
        try:
            while len(self._places) <= number:
                self._handle.seek(self._places[-1])
                words = self._before()[0]
                self.check_room(words)
                self._places.append(self._handle.seek(4 * words, os.SEEK_CUR))
            self._handle.seek(self._places[number])
            words, before = self._before()
            self.check_room(words)
        except Ended as error:
            raise self.damaged(number) from error
        content = self._handle.read(4 * words)
        if len(self._places) == number + 1:
            self._places.append(self._handle.tell())
        return before, content

    def check_end(self) -> None:
        """Refuse a file that ends before its last part, or goes on behind it.

        Raises:
            DataError: if it does.
        """
        if self.parts:
            self.check(self.parts - 1)
            self._handle.seek(self._places[self.parts])
        if self._handle.read(1):
            raise DataError(f"{self._where} is damaged: it goes on behind its last {self.what}")

    def whole(self, same: Callable[[int, int], bool]) -> tuple[int, int]:
        """Count the parts that are there and may stay, of a file that may not be finished.

        Args:
            same: says of a part's number and its CRC-32 whether it may stay.

        Returns:
            How many there are from the first one on, and where the last of them ends.
        """
        for number in range(self.parts):
            try:
                check = self.check(number)
            except DataError:
                return number, self._places[number]
            if not same(number, check):
                return number, self._places[number]
        return self.parts, self._places[self.parts]


class Reader(Parts):
    """A file that is read block by block."""

    version = VERSION
    unlike = "holds pictures with loss, and the run codes examples without"
    what = "block"
    header: Header

    def _header(self, name: bytes) -> Header:
        event = tuple(self.number() for _ in range(min(self.number(), 8)))
        count, block = self.number(), self.number()
        if not 1 <= block <= MOST or not event or not 1 <= int(np.prod(event, dtype=object)) <= MOST << 8:
            raise Ended
        return Header(name, event, count, block)

    @property
    def parts(self) -> int:
        """How many blocks there are."""
        return self.header.blocks

    def block(self, number: int) -> tuple[Block, int]:
        """Read a block.

        Args:
            number: which.

        Returns:
            The block, and the CRC-32 of its symbols.

        Raises:
            DataError: if it is damaged, or the file ends before it does.
        """
        (rounds, chosen, check), content = self._part(number)
        return Block(content, rounds, chosen), check

    def check(self, number: int) -> int:
        """Give the CRC-32 of a block's symbols; see `Parts`."""
        return self.block(number)[1]

    def _before(self) -> tuple[int, tuple[int, list[int], int]]:
        self._seen = b""
        words, rounds, gaps = self.number(), self.number(), self.number()
        chosen = [0]
        for _ in range(gaps):
            chosen.append(chosen[-1] + self.number())
        return words, (rounds, chosen, int.from_bytes(self.take(4), "little"))

    def _damaged(self, number: int) -> str:
        first, end = self.header.rows(number)
        return f"block {number + 1} of {self.header.blocks} (examples {first} to {end - 1})"
