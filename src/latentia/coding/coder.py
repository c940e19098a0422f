"""What a coder of examples is to a file of blocks, however it codes them."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from latentia.coding.bitsback import Block
from latentia.coding.stamp import Stamped


class Compressor(Stamped):
    """Codes blocks of examples, each of which is read by itself.

    Attributes:
        event: shape of one example.
        prior_rounds: by how many binary choices a latent is coded, at the most.
        loss: why examples come back with loss; empty where they come back value by value.
        costs: what the bits of a file are compared with, for messages.
    """

    event: tuple[int, ...]
    prior_rounds: int
    loss: str = ""
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
