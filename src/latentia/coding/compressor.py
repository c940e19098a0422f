"""A trained model as a coder: networks in whole numbers, functions as tables, and a name of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from latentia.coding import bitsback
from latentia.coding.bitsback import Block, Model, Walk
from latentia.coding.coder import Compressor
from latentia.coding.columns import TableSymbols
from latentia.coding.curves import (
    COARSE,
    FULL,
    GRID_BITS,
    VALUE_BITS,
    Curve,
    Powers,
    activation,
    activation_table,
    curve,
    normal,
    powers,
)
from latentia.coding.descent import (
    LATENT_BITS,
    LOG_VARIANCES,
    Steps,
    activations_in,
    check_parts,
    descent_of,
)
from latentia.coding.exact import OUT_BITS, WEIGHT_BITS, check_layers
from latentia.coding.levels import levels_of
from latentia.coding.masses import RARE, Located, Masses, Table
from latentia.coding.stages import Stage, fixed
from latentia.coding.symbols import Symbols, check_unconditional
from latentia.core.errors import ConfigError
from latentia.core.threads import using
from latentia.data.schema import Schema
from latentia.networks.ladder import TopDown
from latentia.probability import Columns, DiagonalGaussian, StandardNormal

FORMAT = 1
"""Of the coder: what its numbers are and how they are used. It changes with whatever changes a file."""
NORMAL_REACH = 6
"""Beyond plus and minus this the normal distribution function counts as 0 and 1."""
INVERSE_BITS = 20
"""1 / sigma is a multiple of 2^-20."""
CELL_BITS = (3, 9)
"""The grid of the latents is 2^-3 at the coarsest, and 2^-9 at the finest."""
SHOWN = 500
"""Training examples that say how fine the latents' grid has to be."""
PROBES = 4
"""Examples whose coding is compared when a coder is opened."""


class BitsBackCompressor(Model, Compressor):
    """Codes the examples of a VAE with a Gaussian posterior and a standard normal prior.

    Attributes:
        symbols: what examples are in a file.
        tables: whole numbers by name, computed once.
        cell_bits: latents are on a grid of 2^-cell_bits.
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
        self.event, self._latent = tuple(model.event), tuple(model.latent)
        self.cells = 1 << (cell_bits + LATENT_BITS + 1)
        self.prior_rounds = cell_bits + LATENT_BITS + 1

        def tabled(name: str) -> Any:
            return activation(name, self.tables[f"activation.{name}"])

        self._networks = descent_of(model, tabled, symbols.reach)
        self._entrance = tuple(model.entrance)
        self._prior = self.tables["prior"]
        self._normal = Curve(self.tables["normal"])
        self._inverse = Powers(self.tables["inverse_sigma"], int(LOG_VARIANCES[0] * COARSE))

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
        own = symbols.compute(flat)
        found = cls(model, symbols, 6, {**own, **tables_of(model, 6)})
        if flat is None:
            return found
        spread = np.clip(found.log_variances(symbols.of(flat[:SHOWN])), *LOG_VARIANCES)
        narrow = float(np.quantile(np.exp(0.5 * spread), 0.01))
        bits = int(np.clip(np.ceil(-np.log2(narrow)), *CELL_BITS))
        return cls(model, symbols, bits, {**own, **tables_of(model, bits)})

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

    def walk(self, rows: np.ndarray) -> Walk:
        """Begin at the top level; see `Model`."""
        return _Walk(self, self._networks.start(torch.from_numpy(rows)))

    def log_variances(self, x: np.ndarray) -> np.ndarray:
        """Give log sigma^2 of q(z|x) at the means, `(B, D)`, from symbols."""
        steps, found = self._networks.start(torch.from_numpy(self.posterior(x))), []
        while (numbers := steps.numbers()) is not None:
            found.append(numbers[:, 1].numpy() / 2.0**OUT_BITS)
            steps.take((numbers[:, 0] * 2.0 ** (GRID_BITS - OUT_BITS)).floor())
        return np.concatenate(found, axis=1)

    def masses(self, numbers: np.ndarray) -> Masses:
        """Give N(mu, sigma^2) on the grid.

        Args:
            numbers: mean and log variance in units of 2^-14, shape `(B, 2, D)`.

        Returns:
            Masses of shape `(B, D)`.
        """
        spacing = 1 << (OUT_BITS - self.cell_bits)
        ends = 2.0 ** (OUT_BITS + LATENT_BITS)
        centre = np.clip(numbers[:, 0], -ends, ends) + (self.cells / 2 - 1) * spacing
        shift = OUT_BITS + INVERSE_BITS - 20
        return Located(self._normal, centre, self._inverse(numbers[:, 1]), self.cells, spacing, shift)

    def cell(self, mean: np.ndarray) -> np.ndarray:
        """Give the cells that means are in, int64, from units of 2^-14."""
        at = np.floor(mean * 2.0 ** (self.cell_bits - OUT_BITS)) + self.cells // 2
        return np.clip(at, 0, self.cells - 1).astype(np.int64)

    def middle(self, z: np.ndarray) -> torch.Tensor:
        """Give the middles of cells, in units of 2^-12."""
        return torch.from_numpy((2 * z + 1 - self.cells) * 2.0 ** (GRID_BITS - self.cell_bits - 1))

    def prior(self, count: int) -> Masses:
        """Give N(0, I) on the grid; see `Model`."""
        return Table(self._prior, (count, int(np.prod(self._latent))))

    def p(self, z: np.ndarray) -> list[Stage]:
        """Decode the middles of cells; see `Model`."""
        return self.symbols.stages(self._networks.outputs(self.middle(z)).numpy())

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
        return self._networks.modules()

    def probed(self) -> Iterator[np.ndarray]:
        """Code fixed examples; see `Stamped`."""
        size = int(np.prod(self._latent))
        z = np.arange(PROBES * size).reshape(PROBES, size) * 104729 % (self.cells // 2) + self.cells // 4
        x, taken = fixed(self.p(z), PROBES)
        rows = self.posterior(x)
        walk, start = self.walk(rows), 0
        yield rows
        while (drawn := walk.q()) is not None:
            own = z[:, start : start + drawn.shape[1]]
            yield from drawn.choices(own)
            walk.take(own)
            start += own.shape[1]
        yield from taken
        yield from self.prior(PROBES).choices(z)


class _Walk(Walk):
    def __init__(self, coder: BitsBackCompressor, steps: Steps) -> None:
        self._coder, self._steps = coder, steps
        self._numbers = steps.numbers()
        self.z = np.empty((0 if self._numbers is None else len(self._numbers), 0), np.int64)

    def q(self) -> Masses | None:
        return None if self._numbers is None else self._coder.masses(self._numbers.numpy())

    def mean(self) -> np.ndarray:
        if self._numbers is None:
            raise TypeError("there is no level behind the last one")
        return self._coder.cell(self._numbers[:, 0].numpy())

    def take(self, z: np.ndarray) -> None:
        self.z = np.concatenate([self.z, z], axis=1)
        self._steps.take(self._coder.middle(z))
        self._numbers = self._steps.numbers()


def tables_of(model: Any, cell_bits: int) -> dict[str, np.ndarray]:
    """Compute the tables of a coder.

    Args:
        model: the trained model.
        cell_bits: how fine the grid of the latents is.

    Returns:
        Whole numbers by name.
    """
    cells = 1 << (cell_bits + LATENT_BITS + 1)
    borders = normal((np.arange(cells + 1) - cells // 2) / (1 << cell_bits))
    borders[0], borders[-1] = 0.0, 1.0
    rare = np.arange(cells + 1) * 2.0 ** (VALUE_BITS - RARE)
    return {
        "normal": curve(normal, NORMAL_REACH).values,
        "prior": (np.rint(borders * FULL) + rare).astype(np.int64),
        "inverse_sigma": powers(-0.5, *LOG_VARIANCES, INVERSE_BITS).values,
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
    ladder = isinstance(getattr(model, "decoder", None), TopDown)
    gaussian = ladder or isinstance(getattr(model, "posterior", None), DiagonalGaussian)
    if model.coder is None and not gaussian:
        raise ConfigError(
            "files without loss need a VAE with a Gaussian posterior; train with --model vae "
            "posterior.name=diagonal_gaussian"
        )
    if gaussian and not ladder and type(model.prior) is not StandardNormal:
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
