"""What a coder of examples is to a file of blocks, however it codes them."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import nn

from latentia.coding.bitsback import Block, popped, stack_of
from latentia.coding.masses import Masses, Row, cost
from latentia.coding.stack import Stack
from latentia.coding.stages import Choices
from latentia.coding.stamp import Stamped


class Compressor(Stamped):
    """Codes blocks of examples, each of which is read by itself.

    Attributes:
        event: shape of one example.
        prior_rounds: by how many binary choices a latent is coded, at the most.
        loss: why examples come back with loss; empty where they come back value by value.
        held: what a file with loss holds, for messages.
        costs: what the bits of a file are compared with, for messages.
    """

    event: tuple[int, ...]
    prior_rounds: int
    loss: str = ""
    held: str = "codes"
    costs: str = "-ELBO"

    @abc.abstractmethod
    def of(self, raw: np.ndarray, first: int = 0) -> np.ndarray:
        """Write examples as symbols.

        Args:
            raw: data in their own units, shape `(N, entries)`.
            first: the number of the first one, for messages.

        Returns:
            Whole numbers, int64, shape `(N, symbols)`.

        Raises:
            DataError: if a value is none that the likelihood gives a probability.
        """

    @abc.abstractmethod
    def values(self, symbols: np.ndarray, dtype: Any) -> np.ndarray:
        """Give the examples that symbols stand for, in the data's units.

        Args:
            symbols: what `of` gave.
            dtype: the type to give them in.

        Returns:
            Shape `(N, entries)`.
        """

    @abc.abstractmethod
    def encode(
        self, blocks: Sequence[np.ndarray], advance: Callable[[int], object] | None = None
    ) -> list[Block]:
        """Code blocks of examples.

        Args:
            blocks: their symbols, each of shape `(N, symbols)` with N at least 1.
            advance: told after each step how many examples it coded.

        Returns:
            What each became; it does not depend on the others.
        """

    @abc.abstractmethod
    def decode(
        self,
        blocks: Sequence[Block],
        counts: Sequence[int],
        advance: Callable[[int], object] | None = None,
    ) -> list[np.ndarray | None]:
        """Give back the symbols of blocks.

        Args:
            blocks: the blocks.
            counts: how many examples each holds.
            advance: told after each step how many examples it gave back.

        Returns:
            Symbols of each, `(N, symbols)`, int64; None for a block that is damaged.
        """


class InTurn(Compressor):
    """Codes blocks one after the other, without bits back: what is in a file is known for certain.

    Attributes:
        rows: examples of a block whose choices stand together.
    """

    rows: int = 128

    @abc.abstractmethod
    def choices(self, x: np.ndarray) -> list[Choices]:
        """Give the binary choices of some examples.

        Args:
            x: their symbols, shape `(N, symbols)`.

        Returns:
            Those of all of them, in the order in which a reader makes them.
        """

    @abc.abstractmethod
    def read(self, count: int, stack: Stack) -> np.ndarray:
        """Read some examples.

        Args:
            count: how many.
            stack: what is popped from.

        Returns:
            Their symbols, shape `(count, symbols)`.
        """

    def networks(self) -> list[nn.Module]:
        """Give no exact network; see `Stamped`."""
        return []

    def encode(
        self, blocks: Sequence[np.ndarray], advance: Callable[[int], object] | None = None
    ) -> list[Block]:
        """Code blocks; see `Compressor`."""
        return [self._encoded(x, advance) for x in blocks]

    def _encoded(self, x: np.ndarray, advance: Callable[[int], object] | None) -> Block:
        stack, bits = Stack(), 0.0
        for first in range((len(x) - 1) // self.rows * self.rows, -1, -self.rows):
            some = x[first : first + self.rows]
            for choices in reversed(self.choices(some)):  # what is pushed last is popped first
                stack.push(choices[0].ravel(), choices[1].ravel())
                bits += float(cost(*choices).sum())
            if advance is not None:
                advance(len(some))
        return Block(stack.content, self.prior_rounds, drawn=len(x), bound=bits)

    def decode(
        self,
        blocks: Sequence[Block],
        counts: Sequence[int],
        advance: Callable[[int], object] | None = None,
    ) -> list[np.ndarray | None]:
        """Give back blocks; see `Compressor`."""
        return [self._decoded(block, count, advance) for block, count in zip(blocks, counts, strict=True)]

    def _decoded(
        self, block: Block, count: int, advance: Callable[[int], object] | None
    ) -> np.ndarray | None:
        stack, found = stack_of(block.content), []
        for first in range(0, count, self.rows):
            found.append(self.read(some := min(self.rows, count - first), stack))
            if advance is not None:
                advance(some)
        return np.concatenate(found) if stack.empty else None


def popped_row(masses: Masses, stack: Stack) -> np.ndarray:
    """Pop symbols of any shape from one stack.

    Args:
        masses: their distributions.
        stack: the stack.

    Returns:
        The symbols, int64, of the masses' shape.
    """
    return popped(Row(masses), [stack])[0].reshape(masses.shape)
