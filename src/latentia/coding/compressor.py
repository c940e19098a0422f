"""A trained model as a coder: networks in whole numbers, functions as tables, and a name of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from latentia.coding import bitsback, cells
from latentia.coding.bitsback import Block, Model
from latentia.coding.cells import LevelWalk
from latentia.coding.chain import Upper, exponents_of, grids_of, uppers_of
from latentia.coding.coder import Compressor
from latentia.coding.columns import TableSymbols
from latentia.coding.curves import GRID_BITS, VALUE_BITS, activation, activation_table
from latentia.coding.descent import (
    LATENT_BITS,
    LOG_VARIANCES,
    activations_in,
    chain_of,
    check_parts,
    descent_of,
)
from latentia.coding.exact import OUT_BITS, WEIGHT_BITS, check_layers
from latentia.coding.levels import levels_of
from latentia.coding.masses import RARE, Masses
from latentia.coding.stages import Stage, fixed
from latentia.coding.symbols import Symbols, check_unconditional
from latentia.core.errors import ConfigError
from latentia.core.threads import using
from latentia.data.schema import Schema
from latentia.networks.ladder import TopDown
from latentia.probability import Columns, DiagonalGaussian, StandardNormal

FORMAT = 1
"""Of the coder: what its numbers are and how they are used. It changes with whatever changes a file."""
CELL_BITS = (3, 9)
"""The grid of the latents is 2^-3 at the coarsest, and 2^-9 at the finest."""
SHOWN = 500
"""Training examples that say how fine the latents' grid has to be."""
PROBES = 4
"""Examples whose coding is compared when a coder is opened."""


class BitsBackCompressor(Model, Compressor):
    """Codes the examples of a VAE with Gaussian posteriors and a standard normal prior, in any levels.

    Attributes:
        symbols: what examples are in a file.
        tables: whole numbers by name, computed once.
        cell_bits: how fine the grids of the latents are.
        cells: the grid of the latents, in a chain of the lowest level's.
        event: shape of one example.
    """

    def __init__(
        self, model: Any, symbols: Symbols, cell_bits: int, tables: Mapping[str, np.ndarray]
    ) -> None:
        """Round a model.

        Args:
            model: the trained model.
            symbols: what `symbols_of` gave.
            cell_bits: how fine the grid of the latents is.
            tables: the symbols' own, and what `tables_of` gave.

        Raises:
            ConfigError: naming a layer that cannot be computed exactly.
        """
        self.symbols, self.cell_bits = symbols, cell_bits
        # They are stored as narrow as may be, and computed with as wide as they come.
        self.tables = {name: table.astype(np.int64) for name, table in tables.items()}
        symbols.tables = self.tables
        self.event, self._entrance = tuple(model.event), tuple(model.entrance)

        def tabled(name: str) -> Any:
            return activation(name, self.tables[f"activation.{name}"])

        grids = grids_of(model, cell_bits, self.tables)
        self.cells, self.prior_rounds = grids[0], grids[0].rounds
        self._networks = descent_of(model, tabled, symbols.reach, self.cells.reach)
        self._uppers = uppers_of(model, tabled, grids)

    @property
    def links(self) -> tuple[BitsBackCompressor | Upper, ...]:
        """Give this one, and in a chain those of the levels above; see `Model`."""
        return (self, *self._uppers)

    @classmethod
    def make(cls, model: Any, symbols: Symbols, x: np.ndarray | None = None) -> BitsBackCompressor:
        """Make the coder of a trained model.

        Args:
            model: the trained model.
            symbols: what `symbols_of` gave.
            x: training examples, shape `(N, *event)`, which say how fine the latents' grid has to be.

        Returns:
            The coder.

        Raises:
            ConfigError: naming a layer that cannot be computed exactly.
        """
        flat = None if x is None or not len(x) else x.reshape(len(x), -1)
        own, bits = symbols.compute(flat), CELL_BITS[1]
        found = cls(model, symbols, bits, {**own, **tables_of(model, bits)})
        if flat is None:
            return found
        numbers = found.numbers(symbols.of(flat[:SHOWN]))
        exponents = exponents_of(model, numbers)
        grids = grids_of(model, bits, {**found.tables, **exponents})
        pairs = zip(grids, numbers, strict=True)
        spread = np.concatenate([grid.log_variances(part) for grid, part in pairs], axis=1)
        narrow = float(np.quantile(np.exp(0.5 * np.clip(spread, *LOG_VARIANCES)), 0.01))
        bits = int(np.clip(np.ceil(-np.log2(narrow)), *CELL_BITS))
        return cls(model, symbols, bits, {**own, **tables_of(model, bits), **exponents})

    def of(self, raw: np.ndarray, first: int = 0) -> np.ndarray:
        """Give the symbols of data; see `Compressor`."""
        return self.symbols.of(raw, first)

    def values(self, symbols: np.ndarray, dtype: Any) -> np.ndarray:
        """Give the data of symbols; see `Compressor`."""
        return self.symbols.values(symbols, dtype)

    def encode(
        self, blocks: Sequence[np.ndarray], advance: Callable[[int], object] | None = None
    ) -> list[Block]:
        """Code blocks side by side; see `Compressor`."""
        with using(1):  # matrices of a few rows are too small for threads, which would wait for each other
            return bitsback.encode(self, blocks, advance)

    def decode(
        self,
        blocks: Sequence[Block],
        counts: Sequence[int],
        advance: Callable[[int], object] | None = None,
    ) -> list[np.ndarray | None]:
        """Give blocks back, side by side; see `Compressor`."""
        with using(1):
            return bitsback.decode(self, blocks, counts, advance)

    def posterior(self, x: np.ndarray) -> np.ndarray:
        """Give the encoder's features; see `Model`."""
        seen = torch.from_numpy(np.ascontiguousarray(self.symbols.seen(x), np.float64))
        return self._networks.features(seen.reshape(len(x), *self._entrance)).numpy()

    def walk(self, rows: np.ndarray) -> LevelWalk:
        """Begin at the top level; see `Model`."""
        return LevelWalk(self.cells, self._networks.start(torch.from_numpy(rows)))

    def numbers(self, x: np.ndarray) -> list[np.ndarray]:
        """Give mean and log variance of q along the means, in units of 2^-14.

        Args:
            x: symbols of examples.

        Returns:
            Of each link, `(B, 2, D)`.
        """
        found = []
        for link in self.links:
            walk, levels = link.walk(link.posterior(x)), []
            while (numbers := walk.numbers) is not None:
                levels.append(numbers)
                walk.take(walk.mean())
            found.append(np.concatenate(levels, axis=2))
            x = walk.z
        return found

    def prior(self, count: int) -> Masses:
        """Give N(0, I) on the grid; see `Model`."""
        return self.cells.prior(count)

    def p(self, z: np.ndarray) -> list[Stage]:
        """Decode the middles of cells; see `Model`."""
        return self.symbols.stages(self._networks.outputs(self.cells.middle(z)).numpy())

    def header(self) -> dict[str, Any]:
        """Say what the coder's numbers are, of plain values."""
        return {
            "format": FORMAT,
            "cell_bits": self.cell_bits,
            "bits": [WEIGHT_BITS, GRID_BITS, OUT_BITS, VALUE_BITS, RARE, LATENT_BITS],
            "event": list(self.event),
            **self.symbols.header(),
        }

    def networks(self) -> list[nn.Module]:
        """Give the exact networks; see `Stamped`."""
        links = [part for upper in self._uppers for part in (upper.up, upper.down)]
        return [*self._networks.modules(), *links]

    def probed(self) -> Iterator[np.ndarray]:
        """Code fixed examples; see `Stamped`."""
        for link in self.links:
            size, half = link.prior(1).shape[1], self.cells.count // 2
            z = np.arange(PROBES * size).reshape(PROBES, size) * 104729 % half + half // 2
            x, taken = fixed(link.p(z), PROBES)
            rows = link.posterior(x)
            walk, start = link.walk(rows), 0
            yield rows
            while (drawn := walk.q()) is not None:
                own = z[:, start : start + drawn.shape[1]]
                yield from drawn.choices(own)
                walk.take(own)
                start += own.shape[1]
            yield from taken
            yield from link.prior(PROBES).choices(z)


def tables_of(model: Any, cell_bits: int) -> dict[str, np.ndarray]:
    """Compute the tables of a coder.

    Args:
        model: the trained model.
        cell_bits: how fine the grid of the latents is.

    Returns:
        Whole numbers by name.
    """
    return {
        **cells.tables_of(cell_bits),
        **exponents_of(model),
        **{f"activation.{name}": activation_table(name) for name in activations_in(model)},
    }


def symbols_of(model: Any, transform: Any, schema: Schema | None = None) -> Symbols:
    """Find what examples of a model are in a file, and refuse what no file without loss can be made of.

    Of a model with codes the decoder alone has to be exact; see `latentia.coding.codes`.

    Args:
        model: the trained model.
        transform: between stored data and the model.
        schema: what the columns of a table hold.

    Returns:
        The symbols, without their tables.

    Raises:
        ConfigError: naming the part and the setting to change.
    """
    levels = isinstance(getattr(model, "decoder", None), TopDown) or chain_of(model) is not None
    if model.coder is None and not levels:
        if not isinstance(getattr(model, "posterior", None), DiagonalGaussian):
            raise ConfigError(
                "files without loss need a VAE with a Gaussian posterior; train with --model vae "
                "posterior.name=diagonal_gaussian"
            )
        if type(model.prior) is not StandardNormal:
            name = type(model.prior).__name__
            raise ConfigError(f"prior '{name}' cannot be coded; train with --prior standard_normal")
    check_unconditional(model)
    if model.coder is None:
        check_parts(model)
    else:
        check_layers(model.decoder, "decoder")
    if isinstance(model.likelihood, Columns):
        return TableSymbols(model, transform, schema)
    found = levels_of(model.likelihood, transform)
    if model.inputs is not None:
        raise ConfigError(
            "arrays and pictures with holes cannot be coded; train on examples without missing values"
        )
    return found
