"""Counts of a table in whole numbers: the cells of a negative binomial, and log(1 + c) as an encoder sees it.

Of a known r the negative binomials are an exponential family: P(k) is exp(c_k + k theta) but for a factor
that all k share, c_k = log(Gamma(k + r) / (k! Gamma(r))) and theta = log(mu / (r + mu)). So a column needs
c_k of each cell, and theta as a function of log mu, whatever the mean: two tables of a few hundred numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latentia.coding.curves import GRID_BITS, Powers
from latentia.coding.exact import OUT_BITS
from latentia.probability.columns import HIGHEST

CELLS = 256
"""Cells of a column of counts."""
SINGLE = 64
"""Counts below this have a cell each, whatever the others need."""
BEYOND = 4.0
"""Cells go on to so many times the largest count of the training split."""
FURTHEST = 2.0**31
"""They need go no further."""
STEP_BITS = 5
"""theta has a value at every 2^-5 of log mu, and is straight in between."""
NATURAL_BITS = 40
"""theta is a multiple of 2^-40: it is multiplied by counts of up to 2^32."""
SHARE_BITS = 10
"""Products of two numbers of 20 bits keep 30, so that the masses of a column stay below 2^40."""
LOG_BITS = 20
"""Logarithms of counts are multiples of 2^-20 until they are put together."""
MANTISSA_BITS = 13
"""1 + c is a power of two times a number from 1/2 to 1, whose first 13 bits are looked up."""


@dataclass(frozen=True)
class Count:
    """Where a column of counts stands in what the decoder gives.

    Attributes:
        mean: the place of log mu.
        inflation: the place of the logit of pi; -1 without one.
        log_dispersion: log r.
    """

    mean: int
    inflation: int
    log_dispersion: float


class Counts:
    """The columns of counts."""

    def __init__(self, counts: Sequence[Count]) -> None:
        """Take the columns.

        Args:
            counts: where each stands; at least one.
        """
        self._counts = counts
        self._means = [count.mean for count in counts]
        self._inflated = [number for number, count in enumerate(counts) if count.inflation >= 0]
        self._inflations = [counts[number].inflation for number in self._inflated]

    def compute(self, highest: Sequence[float]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Choose cells, and make the tables of their masses.

        Args:
            highest: the largest count that each column had in training.

        Returns:
            The first count of each cell, and of what is behind, shape `(n, CELLS + 1)`; and whole numbers by
            name.
        """
        from scipy.special import betaln

        log_r = np.clip([[count.log_dispersion] for count in self._counts], -HIGHEST, HIGHEST)
        r = np.exp(log_r)
        edges = np.stack([_edges(high, *own) for high, own in zip(highest, r, strict=True)])
        k = (edges[:, 1:] + edges[:, :-1] - 1) / 2  # the middle of a cell stands for all of it
        # Gamma(k + r) / (k! Gamma(r)) is 1 / ((k + r) B(r, k + 1)), whose logarithm loses no digits.
        masses = np.log(np.diff(edges)) - betaln(r, k + 1) - np.log(k + r)
        ends = int(HIGHEST) << STEP_BITS
        natural = -np.logaddexp(0.0, log_r - np.arange(-ends, ends + 1) / (1 << STEP_BITS))
        mantissas = np.arange(1 << (MANTISSA_BITS - 1), 1 << MANTISSA_BITS) / (1 << MANTISSA_BITS)
        tables = {
            "count.masses": masses * 2.0**OUT_BITS,
            "count.natural": natural * 2.0**NATURAL_BITS,
            "count.logs": np.log(mantissas) * 2.0**LOG_BITS,
        }
        return edges, {name: np.rint(table).astype(np.int64) for name, table in tables.items()}

    def weights(
        self, h: np.ndarray, edges: np.ndarray, tables: Mapping[str, np.ndarray], exponential: Powers
    ) -> np.ndarray:
        """Give the masses of cells.

        Args:
            h: what the decoder gives, whole numbers in units of 2^-14, shape `(B, features)`.
            edges: the first count of each cell, and of what is behind, shape `(n, CELLS + 1)`.
            tables: those of `compute`.
            exponential: exp(x), in units of 2^-20, for x from -16 to 0.

        Returns:
            Whole numbers in float64, shape `(B, n, CELLS)`.
        """
        theta = _natural(h[:, self._means], tables["count.natural"].astype(np.float64))
        twice = (edges[:, 1:] + edges[:, :-1] - 1).astype(np.float64)  # the middle of a cell
        # A single product of whole numbers, which IEEE 754 rounds the same way everywhere.
        logits = np.floor(theta[..., None] * twice * 2.0 ** (OUT_BITS - NATURAL_BITS - 1))
        logits += tables["count.masses"]
        weights = exponential(logits - logits.max(axis=-1, keepdims=True))
        if self._inflated:
            logit = h[:, self._inflations][..., None]
            zero, other = exponential(-np.maximum(-logit, 0)), exponential(-np.maximum(logit, 0))
            own = weights[:, self._inflated]
            # With pi = B / (A + B): A w_k for all counts, and B times the sum of all w_k more for zero.
            more = own.sum(axis=-1, keepdims=True) * zero
            own *= other
            own[..., :1] += more
            weights[:, self._inflated] = np.floor(own * 2.0**-SHARE_BITS)
        return weights


def _natural(log_mean: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Give theta in units of 2^-40, `(B, n)`, from log mu in units of 2^-14 and the tables, `(n, S)`."""
    ends, step = HIGHEST * 2.0**OUT_BITS, 2.0 ** (OUT_BITS - STEP_BITS)
    t = np.clip(log_mean, -ends, ends) + ends
    whole = np.minimum(np.floor(t / step), table.shape[1] - 2)
    columns, at = np.arange(len(table)), whole.astype(np.intp)
    low = table[columns, at]
    return low + np.floor((table[columns, at + 1] - low) * (t - whole * step) / step)


def _edges(highest: float, dispersion: float) -> np.ndarray:
    """Give the first count of each cell, and of what is behind, `(CELLS + 1,)`.

    Cells are single counts as far as they reach that way; else the width of those at k is a share, as small
    as may be, of the standard deviation that a negative binomial of mean k has.
    """
    end = min(BEYOND * highest, FURTHEST)
    found, share = list(range(CELLS + 1)), 2.0**-6
    while found[-1] <= end:
        del found[SINGLE + 1 :]
        while len(found) <= CELLS:
            k = found[-1]
            found.append(k + max(1, int(share * math.sqrt(k + k * k / max(dispersion, 1.0)))))
        share *= 2.0**0.25
    return np.array(found)


def logs_of(counts: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Give log(1 + c), the same on every machine.

    Args:
        counts: c, whole numbers from 0 on in float64, NaN for holes; any shape.
        table: the table `count.logs` of `Counts.compute`.

    Returns:
        Whole numbers in float64, in units of 2^-12, same shape; 0 for holes.
    """
    mantissas, exponents = np.frexp(np.nan_to_num(counts) + 1)
    at = np.floor(mantissas * 2.0**MANTISSA_BITS).astype(np.intp) - (1 << (MANTISSA_BITS - 1))
    fine = exponents * float(round(math.log(2) * 2.0**LOG_BITS)) + table.take(at)
    return np.floor(fine * 2.0 ** (GRID_BITS - LOG_BITS) + 0.5)
