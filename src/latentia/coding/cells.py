"""The grid of the latents: what coders have for real numbers, of which a file can hold none."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from latentia.coding.bitsback import Walk
from latentia.coding.curves import COARSE, FULL, GRID_BITS, VALUE_BITS, Curve, Powers, curve, normal, powers
from latentia.coding.descent import LATENT_BITS, LOG_VARIANCES, Steps
from latentia.coding.exact import OUT_BITS
from latentia.coding.masses import RARE, Located, Masses, Table

NORMAL_REACH = 6
"""Beyond plus and minus this the normal distribution function counts as 0 and 1."""
INVERSE_BITS = 20
"""1 / sigma is a multiple of 2^-20."""


class Cells:
    """The cells of width 2^(e - bits) within plus and minus 2^(e + 3), with an e for each number of a latent.

    Attributes:
        count: how many there are, a power of two.
        rounds: by how many binary choices one is found.
        size: how many numbers a latent has.
        reach: how far the middles of cells reach, in units of 2^-12.
    """

    def __init__(
        self, bits: int, size: int, tables: Mapping[str, np.ndarray], exponents: np.ndarray | None = None
    ) -> None:
        """Lay the grid.

        Args:
            bits: how fine it is.
            size: how many numbers a latent has.
            tables: what `tables_of` gave.
            exponents: e of each number, whole numbers, shape `(size,)`; 0 by default.
        """
        self.size = size
        exponents = np.zeros(1, np.int64) if exponents is None else exponents
        self.reach = 2.0 ** (GRID_BITS + LATENT_BITS + int(exponents.max()))
        self.rounds = bits + LATENT_BITS + 1
        self.count = 1 << self.rounds
        self._bits, self._unit = bits, 2.0**exponents
        self._narrower = np.rint(exponents * (2 * math.log(2) * 2.0**OUT_BITS))
        self._prior = tables["prior"]
        self._normal = Curve(tables["normal"])
        self._inverse = Powers(tables["inverse_sigma"], int(LOG_VARIANCES[0] * COARSE))

    def masses(self, numbers: np.ndarray) -> Masses:
        """Give N(mu, sigma^2) on the grid.

        Args:
            numbers: mean and log variance in units of 2^-14, shape `(B, 2, D)`.

        Returns:
            Masses of shape `(B, D)`.
        """
        spacing = 1 << (OUT_BITS - self._bits)
        ends = 2.0 ** (OUT_BITS + LATENT_BITS)
        mean, log_variance = np.floor(numbers[:, 0] / self._unit), numbers[:, 1] - self._narrower
        centre = np.clip(mean, -ends, ends) + (self.count / 2 - 1) * spacing
        shift = OUT_BITS + INVERSE_BITS - 20
        return Located(self._normal, centre, self._inverse(log_variance), self.count, spacing, shift)

    def log_variances(self, numbers: np.ndarray) -> np.ndarray:
        """Give log sigma^2 - e log 4, of a sigma in the units of the grid, `(B, D)`; see `masses`."""
        return (numbers[:, 1] - self._narrower) * 2.0**-OUT_BITS

    def of(self, mean: np.ndarray) -> np.ndarray:
        """Give the cells that means are in, int64, from units of 2^-14."""
        at = np.floor(mean / self._unit * 2.0 ** (self._bits - OUT_BITS)) + self.count // 2
        return np.clip(at, 0, self.count - 1).astype(np.int64)

    def middle(self, z: np.ndarray) -> torch.Tensor:
        """Give the middles of cells, in units of 2^-12."""
        middles = (2 * z + 1 - self.count) * 2.0 ** (GRID_BITS - self._bits - 1)
        return torch.from_numpy(np.floor(middles * self._unit))

    def prior(self, count: int) -> Masses:
        """Give N(0, 4^e) on the grid, of shape `(count, D)`."""
        return Table(self._prior, (count, self.size))


def tables_of(bits: int) -> dict[str, np.ndarray]:
    """Compute what grids need.

    Args:
        bits: how fine they are.

    Returns:
        Whole numbers by name.
    """
    cells = 1 << (bits + LATENT_BITS + 1)
    borders = normal((np.arange(cells + 1) - cells // 2) / (1 << bits))
    borders[0], borders[-1] = 0.0, 1.0
    rare = np.arange(cells + 1) * 2.0 ** (VALUE_BITS - RARE)
    return {
        "normal": curve(normal, NORMAL_REACH).values,
        "prior": (np.rint(borders * FULL) + rare).astype(np.int64),
        "inverse_sigma": powers(-0.5, *LOG_VARIANCES, INVERSE_BITS).values,
    }


class LevelWalk(Walk):
    """The way through levels that lie on one grid.

    Attributes:
        numbers: mean and log variance of the next level in units of 2^-14, `(B, 2, D_l)`; None behind all.
    """

    def __init__(self, cells: Cells, steps: Steps) -> None:
        """Begin before the first level.

        Args:
            cells: the grid.
            steps: what gives each level's mean and log variance.
        """
        self._cells, self._steps = cells, steps
        self._arrive()
        self.z = np.empty((0 if self.numbers is None else len(self.numbers), 0), np.int64)

    def _arrive(self) -> None:
        numbers = self._steps.numbers()
        self.numbers = None if numbers is None else numbers.numpy()

    def q(self) -> Masses | None:
        """Give the level's masses; see `Walk`."""
        return None if self.numbers is None else self._cells.masses(self.numbers)

    def mean(self) -> np.ndarray:
        """Give the cells of the level's means; see `Walk`."""
        if self.numbers is None:
            raise TypeError("there is no level behind the last one")
        return self._cells.of(self.numbers[:, 0])

    def take(self, z: np.ndarray) -> None:
        """Go on with cells; see `Walk`."""
        self.z = np.concatenate([self.z, z], axis=1)
        self._steps.take(self._cells.middle(z))
        self._arrive()
