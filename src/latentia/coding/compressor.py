"""A trained model as a coder: networks in whole numbers, functions as tables, and a name of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentia.coding.bitsback import Model
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
from latentia.coding.exact import OUT_BITS, WEIGHT_BITS, ExactNetwork, activations_of
from latentia.coding.likelihoods import symbols_of
from latentia.coding.masses import RARE, Located, Masses, Table
from latentia.core.errors import ConfigError, DataError, RunError
from latentia.data.transforms import Binarise, Identity, Scale
from latentia.probability import DiagonalGaussian, StandardNormal

FORMAT = 1
"""Of the coder: what its numbers are and how they are used. It changes with whatever changes a file."""
REACH_BITS = 3
"""Latents lie on a grid from -2^3 to 2^3."""
NORMAL_REACH = 6
"""Beyond plus and minus this the normal distribution function counts as 0 and 1."""
LOG_VARIANCES = (-16.0, 8.0)
"""Range of log sigma^2 of the posterior."""
INVERSE_BITS = 20
"""1 / sigma is a multiple of 2^-20."""
CELL_BITS = (3, 9)
"""The grid of the latents is 2^-3 at the coarsest, and 2^-9 at the finest."""
PROBES = 4
"""Examples whose coding is compared when a coder is opened."""


class Compressor(Model):
    """Codes the examples of a VAE with a Gaussian posterior and a standard normal prior.

    Attributes:
        tables: whole numbers by name, computed once.
        cell_bits: latents are on a grid of 2^-cell_bits.
        n: how many values an entry may have.
        event: shape of one example.
    """

    def __init__(self, model: Any, transform: Any, cell_bits: int, tables: Mapping[str, np.ndarray]) -> None:
        """Round a model.

        Args:
            model: the trained model.
            transform: between stored data and the model.
            cell_bits: how fine the grid of the latents is.
            tables: what `tables_of` gave.

        Raises:
            ConfigError: if it cannot be coded by, naming the part and the setting to change.
        """
        check_model(model, transform)
        self.tables, self.cell_bits = dict(tables), cell_bits
        self.event, self._latent = tuple(model.event), tuple(model.latent)
        self._symbols = symbols_of(model.likelihood)
        self.n = self._symbols.n
        self._low, self._high = float(transform.low), float(transform.high)
        self.cells = 1 << (cell_bits + REACH_BITS + 1)
        self.prior_rounds = cell_bits + REACH_BITS + 1

        def tabled(name: str) -> Any:
            return activation(name, self.tables[f"activation.{name}"])

        unit = 1 << GRID_BITS
        self._encoder = ExactNetwork(model.encoder, tabled, "encoder", unit)
        self._decoder = ExactNetwork(model.decoder, tabled, "decoder", unit << REACH_BITS)
        level = np.arange(self.n, dtype=np.int64)
        self._seen = ((2 * level * unit + self.n - 1) // (2 * (self.n - 1))).astype(np.float64)
        self._prior = self.tables["prior"]
        self._normal = Curve(self.tables["normal"])
        self._inverse = Powers(self.tables["inverse_sigma"], int(LOG_VARIANCES[0] * COARSE))

    @classmethod
    def make(cls, model: Any, transform: Any, x: np.ndarray | None = None) -> Compressor:
        """Make the coder of a trained model.

        Args:
            model: the trained model.
            transform: between stored data and the model.
            x: training examples, which say how fine the latents' grid has to be.

        Returns:
            The coder.

        Raises:
            ConfigError: if it cannot be coded by, naming the part and the setting to change.
        """
        check_model(model, transform)
        found = cls(model, transform, 6, tables_of(model, 6))
        if x is None or not len(x):
            return found
        log_variance = found.posterior(found.symbols(x)).reshape(len(x), 2, -1)[:, 1] / 2.0**OUT_BITS
        narrow = float(np.quantile(np.exp(0.5 * log_variance), 0.01))
        bits = int(np.clip(np.ceil(-np.log2(narrow)), *CELL_BITS))
        return cls(model, transform, bits, tables_of(model, bits))

    def symbols(self, raw: np.ndarray, first: int = 0) -> np.ndarray:
        """Write examples as symbols.

        Args:
            raw: data in their own units, shape `(N, *event)`.
            first: the number of the first one, for messages.

        Returns:
            Whole numbers from 0 to n - 1, shape `(N, entries)`, int64.

        Raises:
            DataError: if a value is none of those that the likelihood gives a probability.
        """
        flat = np.asarray(raw).reshape(len(raw), -1)
        scaled = (flat.astype(np.float64) - self._low) / (self._high - self._low) * (self.n - 1)
        found = np.clip(np.rint(np.nan_to_num(scaled)), 0, self.n - 1).astype(np.int64)
        wrong = self.values(found, flat.dtype) != flat
        if wrong.any():
            row, entry = np.argwhere(wrong)[0]
            known = f"{self.n} values from {self._low:g} to {self._high:g} alone"
            raise DataError(
                f"example {first + row} holds {flat[row, entry]:g}, and the run's likelihood has "
                "probabilities of "
                + (f"{self._low:g} and {self._high:g} alone" if self.n == 2 else known)
                + "; bring the data to these values"
                + ", or train with --likelihood discretised_logistic_mixture" * (self.n == 2)
            )
        return found

    def values(self, symbols: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
        """Give the values that symbols stand for, in the data's units; see `symbols`.

        Args:
            symbols: whole numbers from 0 to n - 1.
            dtype: the type to give them in.

        Returns:
            Same shape.
        """
        return (self._low + symbols * (self._high - self._low) / (self.n - 1)).astype(dtype)

    def posterior(self, x: np.ndarray) -> np.ndarray:
        """Give means and log variances side by side, in units of 2^-14; see `Model`."""
        seen = self._seen.take(np.minimum(x, self.n - 1))
        return self._through(self._encoder, seen, self.event)

    def q(self, rows: np.ndarray) -> Masses:
        """Give N(mu, sigma^2) on the grid; see `Model`."""
        mean, log_variance = rows.reshape(len(rows), 2, -1).swapaxes(0, 1)
        spacing = 1 << (OUT_BITS - self.cell_bits)
        ends = 2.0 ** (OUT_BITS + REACH_BITS)
        centre = np.clip(mean, -ends, ends) + (self.cells / 2 - 1) * spacing
        shift = OUT_BITS + INVERSE_BITS - 20
        return Located(self._normal, centre, self._inverse(log_variance), self.cells, spacing, shift)

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Give the cells that the means are in; see `Model`."""
        mean = rows.reshape(len(rows), 2, -1)[:, 0]
        at = np.floor(mean * 2.0 ** (self.cell_bits - OUT_BITS)) + self.cells // 2
        return np.clip(at, 0, self.cells - 1).astype(np.int64)

    def prior(self, count: int) -> Masses:
        """Give N(0, I) on the grid; see `Model`."""
        return Table(self._prior, (count, int(np.prod(self._latent))))

    def p(self, z: np.ndarray) -> Masses:
        """Decode the middles of cells; see `Model`."""
        middle = (2 * z + 1 - self.cells) * 2.0 ** (GRID_BITS - self.cell_bits - 1)
        return self._symbols.masses(self._through(self._decoder, middle, self._latent), self.tables)

    @staticmethod
    def _through(network: ExactNetwork, x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        inputs: Tensor = torch.from_numpy(np.ascontiguousarray(x, np.float64)).reshape(len(x), *shape)
        return network(inputs).flatten(1).numpy()

    def header(self) -> dict[str, Any]:
        """Say what the coder's numbers are, of plain values."""
        return {
            "format": FORMAT,
            "cell_bits": self.cell_bits,
            "bits": [WEIGHT_BITS, GRID_BITS, OUT_BITS, VALUE_BITS, RARE, REACH_BITS],
            "event": list(self.event),
            "values": [self._low, self._high, self.n],
            "symbols": type(self._symbols).__name__.strip("_").lower(),
        }

    @cached_property
    def name(self) -> bytes:
        """Eight bytes that change with any weight, table or setting."""
        found = hashlib.sha256(json.dumps(self.header(), sort_keys=True).encode())
        for key in sorted(self.tables):
            found.update(key.encode() + self.tables[key].astype("<i8").tobytes())
        for network in (self._encoder, self._decoder):
            for key, value in sorted(network.state_dict().items()):
                found.update(key.encode() + value.numpy().astype("<i8").tobytes())
        return found.digest()[:8]

    def probe(self) -> str:
        """Code fixed examples, and give a checksum of all probabilities that it takes.

        Returns:
            The SHA-256 in hexadecimal digits.
        """
        entries, size = int(np.prod(self.event)), int(np.prod(self._latent))
        x = np.arange(PROBES * entries).reshape(PROBES, entries) * 7919 % self.n
        z = np.arange(PROBES * size).reshape(PROBES, size) * 104729 % (self.cells // 2) + self.cells // 4
        found = hashlib.sha256()
        rows = self.posterior(x)
        for part in (rows, *self.q(rows).choices(z), *self.p(z).choices(x), *self.prior(PROBES).choices(z)):
            found.update(np.ascontiguousarray(part).astype("<f8").tobytes())
        return found.hexdigest()

    def check(self, probe: str) -> None:
        """Refuse a machine that computes otherwise.

        Args:
            probe: what `probe` gave where the coder was made.

        Raises:
            RunError: if it is another here.
        """
        if self.probe() != probe:
            raise RunError(
                "this machine computes a fixed example otherwise than the one that made the coder: its "
                "arithmetic is not that of IEEE 754 doubles, or the run's compressor.safetensors is another "
                "version's; use the version of latentia that wrote it"
            )


def tables_of(model: Any, cell_bits: int) -> dict[str, np.ndarray]:
    """Compute the tables of a coder.

    Args:
        model: the trained model.
        cell_bits: how fine the grid of the latents is.

    Returns:
        Whole numbers by name.
    """
    cells = 1 << (cell_bits + REACH_BITS + 1)
    borders = normal((np.arange(cells + 1) - cells // 2) / (1 << cell_bits))
    borders[0], borders[-1] = 0.0, 1.0
    rare = np.arange(cells + 1) * 2.0 ** (VALUE_BITS - RARE)
    names = activations_of(model.encoder) | activations_of(model.decoder)
    return {
        **symbols_of(model.likelihood).tables(),
        "normal": curve(normal, NORMAL_REACH).values,
        "prior": (np.rint(borders * FULL) + rare).astype(np.int64),
        "inverse_sigma": powers(-0.5, *LOG_VARIANCES, INVERSE_BITS).values,
        **{f"activation.{name}": activation_table(name) for name in sorted(names)},
    }


def check_model(model: Any, transform: Any) -> None:
    """Refuse what no file without loss can be made of.

    Args:
        model: the trained model.
        transform: between stored data and the model.

    Raises:
        ConfigError: naming the part and the setting to change.
    """
    if model.coder is not None or not isinstance(getattr(model, "posterior", None), DiagonalGaussian):
        raise ConfigError(
            "files without loss need a VAE with a Gaussian posterior; train with --model vae "
            "posterior.name=diagonal_gaussian"
        )
    if type(model.prior) is not StandardNormal:
        name = type(model.prior).__name__
        raise ConfigError(f"prior '{name}' cannot be coded; train with --prior standard_normal")
    if model.condition:
        raise ConfigError(
            "a conditional model cannot be coded by: its files would need the conditions as well"
        )
    symbols_of(model.likelihood)
    if getattr(model, "inputs", None) is not None or getattr(model, "fill", None) is not None:
        raise ConfigError(
            "data with holes, and tables of several types, cannot be coded yet; train on examples without "
            "missing values, or columns of one kind"
        )
    if type(transform) not in (Scale, Binarise, Identity):
        name = type(transform).__name__.lower()
        raise ConfigError(f"transform '{name}' has no levels to code; train with --transform scale")
