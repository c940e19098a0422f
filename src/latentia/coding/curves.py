"""Functions as tables of whole numbers: what machines may round differently is computed once, and kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

GRID_BITS = 12
"""Activations are multiples of 2^-12."""
FINE = 20
"""Arguments of a curve are in units of 2^-20."""
STEP = 14
"""A curve has a value every 2^14 of these units, 1/64, and is straight in between."""
VALUE_BITS = 30
"""A curve's values run from 0 to 2^30."""
FULL = 2.0**VALUE_BITS
COARSE = 1 << 8
"""Exponential functions have a value every 1/256: what is off by a thousandth is a scale, or a weight."""


@dataclass(frozen=True)
class Curve:
    """A cumulative distribution function from 0 to 2^30, piecewise linear.

    Attributes:
        values: at -R, -R + 1/64, ..., R, shape `(128 R + 1,)`; whole numbers that do not fall.
    """

    values: np.ndarray

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Give values.

        Args:
            t: arguments, whole numbers in float64, in units of 2^-20; any shape.

        Returns:
            Whole numbers from 0 to 2^30, same shape.
        """
        ends = float((len(self.values) - 1) << (STEP - 1))
        t = np.clip(t, -ends, ends - 1)
        t += ends
        whole = np.floor(t * 2.0**-STEP)
        t -= whole * 2.0**STEP
        at = whole.astype(np.intp)
        low, rise = self._parts
        t *= rise.take(at)
        t *= 2.0**-STEP
        np.floor(t, out=t)
        t += low.take(at)
        return t

    @cached_property
    def _parts(self) -> tuple[np.ndarray, np.ndarray]:
        values = self.values.astype(np.float64)
        return values[:-1].copy(), np.diff(values)


def curve(function: Callable[[np.ndarray], np.ndarray], reach: int) -> Curve:
    """Make the table of a cumulative distribution function.

    Args:
        function: from float64 to [0, 1].
        reach: R; beyond plus and minus this it is 0 and 1.

    Returns:
        The curve.
    """
    at = np.arange(-reach * 64, reach * 64 + 1) / 64
    values = np.rint(function(at) * FULL)
    values[0], values[-1] = 0.0, FULL
    return Curve(np.maximum.accumulate(values).astype(np.int64))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Give 1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def normal(x: np.ndarray) -> np.ndarray:
    """Give the cumulative distribution function of N(0, 1)."""
    from scipy.special import ndtr

    return ndtr(x)


@dataclass(frozen=True)
class Powers:
    """exp(a x) by its table, for x within two ends.

    Attributes:
        values: whole numbers, at every unit from the lower end on.
        low: the lower end, in units of 2^-8.
    """

    values: np.ndarray
    low: int

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Give values.

        Args:
            x: whole numbers in float64, in units of 2^-14; any shape.

        Returns:
            Whole numbers in float64, same shape; those at the ends beyond them.
        """
        at = np.floor(x * 2.0**-6) - self.low
        at = np.clip(at, 0, len(self.values) - 1).astype(np.intp)
        return self.values.take(at).astype(np.float64)


def powers(rate: float, low: float, high: float, bits: int, factor: float = 1.0) -> Powers:
    """Make the table of factor exp(rate x).

    Args:
        rate: a.
        low: the least x.
        high: the largest x.
        bits: values are in units of 2^-bits, and at least one unit.
        factor: what they are multiplied by.

    Returns:
        The table.
    """
    ends = (math.floor(low * COARSE), math.ceil(high * COARSE))
    at = (np.arange(ends[0], ends[1] + 1) + 0.5) / COARSE  # the middle of what floor brings together
    return Powers(np.maximum(1, np.rint(factor * np.exp(rate * at) * 2.0**bits)).astype(np.int64), ends[0])


def _silu(x: np.ndarray) -> np.ndarray:
    return x * sigmoid(x)


def _gelu(x: np.ndarray) -> np.ndarray:
    return x * normal(x)


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


ACTIVATIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int, int]] = {
    "silu": (_silu, 12, 1),
    "gelu": (_gelu, 5, 1),
    "elu": (_elu, 9, 1),
    "tanh": (np.tanh, 5, 0),
}
"""The function, how far its table reaches, and its slope beyond it to the right; to the left it is constant.

The name is that of torch's module, in small letters.
"""


@dataclass(frozen=True)
class Activation:
    """An activation by its table, beyond which it is constant, or to the right a straight line.

    Attributes:
        values: in units of 2^-12, at every unit from -R to R.
        right: the slope beyond R: 0 or 1.
    """

    values: Tensor
    right: int

    def __call__(self, x: Tensor) -> Tensor:
        """Give values.

        Args:
            x: whole numbers in float64, in units of 2^-12; any shape.

        Returns:
            Whole numbers in float64, in the same units.
        """
        reach = len(self.values) // 2
        inside = x.clamp(-reach, reach)
        found = self.values.take((inside + reach).long())
        return found.add_((x - inside).clamp_(min=0)) if self.right else found


def activation_table(name: str) -> np.ndarray:
    """Make the table of an activation.

    Args:
        name: a name of `ACTIVATIONS`.

    Returns:
        Whole numbers, in units of 2^-12.
    """
    function, reach, _ = ACTIVATIONS[name]
    unit = 1 << GRID_BITS
    at = np.arange(-reach * unit, reach * unit + 1) / unit
    return np.rint(function(at) * unit).astype(np.int64)


def activation(name: str, table: np.ndarray) -> Activation:
    """Take an activation from its table.

    Args:
        name: a name of `ACTIVATIONS`.
        table: what `activation_table` gave.

    Returns:
        The activation.
    """
    return Activation(torch.from_numpy(table.astype(np.float64)), ACTIVATIONS[name][2])
