"""A chain of levels as links, each of which codes the latents of the one before; see `bitsback`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from latentia.coding.bitsback import Model
from latentia.coding.cells import Cells, LevelWalk
from latentia.coding.descent import LATENT_BITS, LOG_VARIANCES, Once, Tabled, chain_of
from latentia.coding.exact import OUT_BITS, ExactNetwork
from latentia.coding.masses import Masses
from latentia.coding.stages import Stage

EXPONENTS = (-3, 8)
"""Range of e: a number of a lower level is within plus and minus 2^(e + 3)."""
UNKNOWN = 4
"""The e of every number before any examples were seen."""
DEVIATIONS = 4
"""How much of a posterior has to lie within, on both sides."""


class Upper(Model):
    """A link above the first: it has cells of the level below in the place of data."""

    def __init__(self, up: ExactNetwork, down: ExactNetwork, below: Cells, cells: Cells) -> None:
        """Take the link.

        Args:
            up: from the level below to what this level is inferred by.
            down: from this level to what the one below is given by.
            below: the grid of the level below.
            cells: the grid of this one.
        """
        self.prior_rounds = cells.rounds
        self.up, self.down = up, down
        self._below, self._cells = below, cells

    def posterior(self, x: np.ndarray) -> np.ndarray:
        """Give the numbers of q(z_l | z_l+1); see `Model`."""
        return self.up(self._below.middle(x)).flatten(1).numpy()

    def walk(self, rows: np.ndarray) -> LevelWalk:
        """Begin at the only level; see `Model`."""
        return LevelWalk(self._cells, Once(torch.from_numpy(rows)))

    def prior(self, count: int) -> Masses:
        """Give normal masses, which are those of the top level; see `Model`."""
        return self._cells.prior(count)

    def p(self, z: np.ndarray) -> list[Stage]:
        """Give the level below, by the middles of cells; see `Model`."""
        masses = self._below.masses(self.down(self._cells.middle(z)).reshape(len(z), 2, -1).numpy())
        return [lambda _: masses]


def grids_of(model: Any, bits: int, tables: Mapping[str, np.ndarray]) -> list[Cells]:
    """Lay the grids of a model's latents: one, or in a chain one for each level, the lowest first.

    Args:
        model: the trained model.
        bits: how fine they are.
        tables: what `cells.tables_of` gave, and `exponents` in a chain.

    Returns:
        The grids.
    """
    if chain_of(model) is None:
        return [Cells(bits, math.prod(model.latent), tables)]
    top, *lower = model.levels
    parts = np.split(tables["exponents"], np.cumsum(lower[::-1])[:-1]) if lower else []
    return [*(Cells(bits, len(part), tables, part) for part in parts), Cells(bits, top, tables)]


def exponents_of(model: Any, numbers: Sequence[np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Say how far the numbers of a chain's levels reach: of all but the top one, whose prior is N(0, I).

    Args:
        model: the trained model.
        numbers: mean and log variance of some examples' posteriors in units of 2^-14, each `(B, 2, D_l)`, the
            lowest level first.

    Returns:
        `exponents`, whole numbers, shape `(D - D_1,)`; nothing where there is no chain.
    """
    if chain_of(model) is None:
        return {}
    if numbers is None:
        return {"exponents": np.full(sum(model.levels[1:]), UNKNOWN)}
    whole = np.concatenate([numbers[0][:, :, :0], *numbers[:-1]], axis=2) * 2.0**-OUT_BITS
    deviation = np.exp(0.5 * np.clip(whole[:, 1], *LOG_VARIANCES))
    reach = (np.abs(whole[:, 0]) + DEVIATIONS * deviation).max(axis=0)
    found = np.ceil(np.log2(reach)) - LATENT_BITS
    return {"exponents": np.clip(found, *EXPONENTS).astype(np.int64)}


def uppers_of(model: Any, tabled: Tabled, grids: Sequence[Cells]) -> list[Upper]:
    """Make the links above the first, the lowest one first.

    Args:
        model: the trained model.
        tabled: gives the table of an activation.
        grids: what `grids_of` gave.

    Returns:
        The links; none where there is no chain.

    Raises:
        ConfigError: naming a layer that cannot be exact.
    """
    chain = chain_of(model)
    if chain is None:
        return []

    def exact(part: nn.Module, name: str, cells: Cells) -> ExactNetwork:
        return ExactNetwork(part, tabled, name, cells.reach)

    found = []
    for below, cells, level in zip(grids[:-1], grids[1:], range(len(chain.up))[::-1], strict=True):
        up = exact(chain.up[level], f"chain.up.{level}", below)
        down = exact(chain.down[level], f"chain.down.{level}", cells)
        found.append(Upper(up, down, below, cells))
    return found
