"""The entropy coder: a stack of bits on which binary symbols are pushed and from which they are popped."""

from __future__ import annotations

import numpy as np

from latentia.core.extras import optional

PRECISION = 24
"""Probabilities are multiples of 2^-24, as constriction has them."""
LEAST = 32
"""A stack with fewer bits gives no more that are as good as random."""


class Stack:
    """Asymmetric numeral systems: what was pushed last is popped first, and popping is sampling.

    References:
        Jarek Duda, "Asymmetric numeral systems: entropy coding combining speed of Huffman coding with
        compression rate of arithmetic coding", 2013.
        Robert Bamler, "Understanding Entropy Coding With Asymmetric Numeral Systems (ANS): a Statistician's
        Perspective", 2022.
    """

    def __init__(self, content: bytes = b"") -> None:
        """Begin with some content.

        Args:
            content: what `content` gave; nothing for an empty stack.

        Raises:
            ValueError: if no stack has this content.
        """
        stream = optional("constriction", "compression", "compressing without loss").stream
        self._bits = stream.model.Bernoulli(perfect=False)
        words = np.frombuffer(content, "<u4").astype(np.uint32)
        self._coder = stream.stack.AnsCoder(words)

    def push(self, bits: np.ndarray, p: np.ndarray) -> None:
        """Push bits, of which the first will be popped first.

        Args:
            bits: zeros and ones, shape `(N,)`, int32.
            p: the probability of a one, multiples of 2^-24 within (0, 1), float64.
        """
        self._coder.encode_reverse(bits, self._bits, p)

    def pop(self, p: np.ndarray) -> np.ndarray:
        """Pop bits.

        Args:
            p: the probability of a one, shape `(N,)`.

        Returns:
            Zeros and ones, int32.
        """
        return self._coder.decode(self._bits, p)

    @property
    def size(self) -> int:
        """How many bits it holds."""
        return self._coder.num_valid_bits()

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        return self._coder.is_empty()

    @property
    def content(self) -> bytes:
        """All that it holds, in words of 32 bits, the least byte first."""
        return self._coder.get_compressed().astype("<u4").tobytes()

    def copy(self) -> Stack:
        """Give a stack with the same content."""
        made = object.__new__(Stack)
        made._bits, made._coder = self._bits, self._coder.clone()
        return made
