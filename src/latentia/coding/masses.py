"""Distributions over the symbols 0..n-1 as cumulative masses in whole numbers, and how they are coded.

A symbol is coded by bisection: each of log2(n) binary choices halves the range that it lies in. So any
distribution needs to know nothing but its cumulative mass at a border, in a whole number below 2^53;
quotients of two of these are rounded the same way on every machine, by IEEE 754.
"""

from __future__ import annotations

import abc
import math
from typing import Any

import numpy as np

from latentia.coding.curves import FULL, VALUE_BITS, Curve
from latentia.coding.exact import OUT_BITS
from latentia.coding.stack import PRECISION

MIXTURE_BITS = 17
"""The largest weight of a mixture is 2^17."""
RARE = 22
"""Every symbol of data has a mass of 2^-22 of the whole at the least, so that none is impossible."""


class Masses(abc.ABC):
    """The distributions of some entries, each over n symbols.

    Attributes:
        n: how many symbols there are.
        shape: the shape of the entries.
        total: the mass of all symbols, whole numbers, broadcastable to the shape.
    """

    n: int
    shape: tuple[int, ...]
    total: Any

    @abc.abstractmethod
    def below(self, k: np.ndarray) -> np.ndarray:
        """Give the mass of the symbols below others.

        Args:
            k: symbols from 1 to n - 1, whole numbers in float64, of the entries' shape.

        Returns:
            Whole numbers from 0 to `total` that do not fall with k, same shape.
        """

    @property
    def rounds(self) -> int:
        """How many binary choices a symbol is coded by."""
        return max(1, (self.n - 1).bit_length())

    def _border(self, k: np.ndarray) -> np.ndarray:
        """Give the mass below symbols of which some may lie beyond the last."""
        beyond = k >= self.n
        if not beyond.any():
            return self.below(k)
        return np.where(beyond, self.total, self.below(np.minimum(k, self.n - 1)))

    def mass(self, k: np.ndarray) -> np.ndarray:
        """Give the mass of symbols, whole numbers in float64 from 0 to n - 1, of the entries' shape."""
        return self._border(k + 1) - np.where(k > 0, self.below(np.maximum(k, 1)), 0)

    def choices(self, symbols: np.ndarray, rounds: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Give the binary choices that symbols are coded by, the first one first.

        Args:
            symbols: whole numbers from 0 to n - 1, of the entries' shape.
            rounds: how many of them; all by default.

        Returns:
            The choices, int32, and the probability of a one, each of shape `(rounds, *shape)`.
        """
        every = self.rounds
        rounds = every if rounds is None else rounds
        bits = np.empty((rounds, *self.shape), np.int32)
        chances = np.empty((rounds, *self.shape))
        search = Bisection(self)
        whole = symbols.astype(np.int64)
        for turn in range(rounds):
            chances[turn] = search.chance()
            bits[turn] = (whole >> (every - 1 - turn)) & 1
            search.choose(bits[turn])
        return bits, chances


class Bisection:
    """The search for symbols by binary choices, all entries at once.

    Attributes:
        start: the least symbol of the range that is left, in float64.
    """

    def __init__(self, masses: Masses) -> None:
        """Begin with all symbols.

        Args:
            masses: their distributions.
        """
        self._masses = masses
        self._width = 1 << masses.rounds
        self.start = np.zeros(masses.shape)
        self._low = np.zeros(masses.shape)
        self._high = np.broadcast_to(masses.total, masses.shape)

    def chance(self) -> np.ndarray:
        """Give the probability that a symbol lies in the upper half of its range."""
        self._width >>= 1
        self._middle = self._masses._border(self.start + self._width)
        mass = self._high - self._low
        p = np.divide(self._high - self._middle, mass, out=np.full(mass.shape, 0.5), where=mass > 0)
        p *= 2.0**PRECISION
        np.floor(p, out=p)
        np.clip(p, 1, 2.0**PRECISION - 1, out=p)
        p *= 2.0**-PRECISION
        return p

    def choose(self, upper: np.ndarray) -> None:
        """Go on with one half of each range.

        Args:
            upper: 1 where a symbol lies in the upper half, of the entries' shape.
        """
        high = upper.astype(bool)
        self.start += float(self._width) * upper
        self._low = np.where(high, self._middle, self._low)
        self._high = np.where(high, self._high, self._middle)


def cost(bits: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Give the length of binary choices.

    Args:
        bits: the choices, shape `(rounds, B, ...)`.
        chances: the probability of a one.

    Returns:
        In bits, shape `(B,)`.
    """
    lengths = -np.log2(np.where(bits, chances, 1 - chances))
    return lengths.sum(axis=(0, *range(2, lengths.ndim)))


def cheaper(masses: Masses, z: np.ndarray, least: int) -> np.ndarray:
    """Choose one of the two whole numbers around each of some numbers, by error and length.

    Args:
        masses: of whole numbers from `least` on.
        z: within their range, of the entries' shape.
        least: which number the symbol 0 is.

    Returns:
        The k whose 6 (z - k)^2 - log p(k) is less, int64.
    """
    low = np.minimum(np.floor(z), least + masses.n - 2)
    costs = [6 * (z - k) ** 2 - np.log(np.maximum(masses.mass(k - least), 1)) for k in (low, low + 1)]
    return (low + (costs[1] < costs[0])).astype(np.int64)


class Table(Masses):
    """The same distribution for all entries, by a table."""

    def __init__(self, borders: np.ndarray, shape: tuple[int, ...]) -> None:
        """Take the table.

        Args:
            borders: the mass below each of the symbols 0..n, whole numbers, shape `(n + 1,)`.
            shape: the shape of the entries.
        """
        self.n, self.shape = len(borders) - 1, shape
        self._borders = borders.astype(np.float64)
        self.total = self._borders[-1]

    def below(self, k: np.ndarray) -> np.ndarray:
        """Look it up; see `Masses`."""
        return self._borders.take(k.astype(np.intp))


class Located(Masses):
    """A distribution with a location and a scale, on a grid: all that lies beyond it belongs to its ends."""

    def __init__(
        self, curve: Curve, centre: np.ndarray, inverse: np.ndarray, n: int, spacing: int, shift: int
    ) -> None:
        """Place it.

        Args:
            curve: the cumulative distribution function at location 0 and scale 1.
            centre: the location, in units of 2^-14 from the first border below which there is a symbol.
            inverse: 1 / scale, whole numbers.
            n: how many symbols there are.
            spacing: distance of neighbouring borders in units of 2^-14.
            shift: a distance times an inverse scale is in units of 2^-(20 + shift).
        """
        self.n, self.shape = n, centre.shape
        self._curve, self._centre, self._inverse = curve, centre, inverse
        self._spacing, self._scale = float(spacing), 2.0**-shift
        self.total = np.float64(FULL)

    def below(self, k: np.ndarray) -> np.ndarray:
        """Read it off the curve; see `Masses`."""
        t = k * self._spacing
        t -= self._spacing
        t -= self._centre
        t *= self._inverse
        t *= self._scale
        return self._curve(np.floor(t, out=t))


class Truths(Masses):
    """0 and 1, from logits."""

    def __init__(self, curve: Curve, logits: np.ndarray) -> None:
        """Take logits.

        Args:
            curve: the sigmoid.
            logits: of a one, whole numbers in units of 2^-14.
        """
        self.n, self.shape = 2, logits.shape
        self._zero = curve(logits * -(2.0 ** (20 - OUT_BITS))) + 2.0 ** (VALUE_BITS - RARE)
        self.total = np.float64(FULL + 2.0 ** (VALUE_BITS - RARE + 1))

    def below(self, k: np.ndarray) -> np.ndarray:
        """Give the mass of 0; see `Masses`."""
        return self._zero


class Mixed(Masses):
    """A mixture of distributions, and a small mass for every symbol."""

    def __init__(self, parts: Located, weights: np.ndarray | None) -> None:
        """Take the components.

        Args:
            parts: shape `(*shape, K)`.
            weights: theirs, whole numbers of the same shape; None for a single one.
        """
        self.n, self.shape = parts.n, parts.shape[:-1]
        self._parts, self._weights = parts, weights
        inner = np.float64(FULL) if weights is None else weights.sum(axis=-1) * FULL
        self._rare = np.floor(inner * 2.0**-RARE)
        self.total = inner + self.n * self._rare

    def below(self, k: np.ndarray) -> np.ndarray:
        """Add up the components; see `Masses`."""
        found = self._parts.below(np.broadcast_to(k[..., None], self._parts.shape))
        inner = found[..., 0] if self._weights is None else (found * self._weights).sum(axis=-1)
        return inner + k * self._rare

    def posterior(self, k: np.ndarray) -> np.ndarray:
        """Give the weights of the components once a symbol is known, by Bayes' rule.

        Args:
            k: whole numbers in float64 from 0 to n - 1, shape `shape`.

        Returns:
            Whole numbers in float64 from 1 to 2^17, shape `(*shape, K)`.
        """
        # One more for all, so that components which are all too far away keep the weights that they had.
        joint = self._parts.mass(np.broadcast_to(k[..., None], self._parts.shape)) + 1
        joint *= 1 if self._weights is None else self._weights
        joint /= joint.max(axis=-1, keepdims=True)
        return np.maximum(np.floor(joint * 2.0**MIXTURE_BITS), 1)


class Listed(Masses):
    """A mass of its own for every symbol, and a small one more."""

    def __init__(self, weights: np.ndarray) -> None:
        """Take the masses.

        Args:
            weights: whole numbers, shape `(*shape, n)`.
        """
        self.n, self.shape = weights.shape[-1], weights.shape[:-1]
        sums = weights.cumsum(axis=-1)
        rare = np.floor(sums[..., -1:] * 2.0**-RARE) + 1
        self._borders = np.concatenate([np.zeros_like(rare), sums + rare * np.arange(1, self.n + 1)], axis=-1)
        self.total = self._borders[..., -1]

    def below(self, k: np.ndarray) -> np.ndarray:
        """Look it up; see `Masses`."""
        return np.take_along_axis(self._borders, k[..., None].astype(np.intp), axis=-1)[..., 0]


class Even(Masses):
    """The same mass for the first symbols, of which each entry has as many as it says."""

    def __init__(self, counts: np.ndarray, n: int) -> None:
        """Take the counts.

        Args:
            counts: whole numbers of the entries' shape, from 1 to n.
            n: how many symbols an entry may have.
        """
        self.n, self.shape, self.total = n, counts.shape, counts.astype(np.float64)

    def below(self, k: np.ndarray) -> np.ndarray:
        """Count them; see `Masses`."""
        return np.minimum(k, self.total)


class Row(Masses):
    """Others in one row, of shape `(1, N)`."""

    def __init__(self, masses: Masses) -> None:
        """Take them.

        Args:
            masses: N of any shape.
        """
        self._masses, self._inner = masses, masses.shape
        self.n, self.shape = masses.n, (1, math.prod(masses.shape))
        self.total = np.broadcast_to(masses.total, masses.shape).reshape(self.shape)

    def below(self, k: np.ndarray) -> np.ndarray:
        """Ask them; see `Masses`."""
        return self._masses.below(k.reshape(self._inner)).reshape(self.shape)
