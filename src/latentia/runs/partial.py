"""Rows of which some columns are given: the others are drawn to go with them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from latentia.core.errors import ConfigError, Note, nearest
from latentia.core.noise import seeded
from latentia.data.column import Column
from latentia.data.schema import Schema
from latentia.metrics.terms import stream
from latentia.probability import entries
from latentia.runs.inputs import CHUNK
from latentia.runs.model import Trained

CANDIDATES = 100
"""Latents that are drawn for each row, of which one is chosen."""
LEAST, MOST = 5_000, 200_000
"""Latents that are drawn at the least, and at the most."""
FEW = 10.0
"""Fewer effective latents than this are too few to be various."""


def given_row(model: Trained, given: Mapping[str, Any]) -> np.ndarray:
    """Write given values of some columns as a row.

    Args:
        model: one of a table.
        given: values by the names of their columns.

    Returns:
        Codes, shape `(F,)`, NaN where nothing is given.

    Raises:
        ConfigError: if there is no such column, or it never has this value.
    """
    schema = model.record.schema
    if schema is None:
        raise ConfigError("columns can be given to a run of a table, and this one is of other data")
    row = np.full(len(schema), np.nan)
    for name, value in given.items():
        if name not in schema.names:
            raise ConfigError(f"there is no column '{name}'{nearest(name, schema.names)}")
        at = schema.names.index(name)
        row[at] = _code(schema.columns[at], value)
    return row


def _code(column: Column, value: Any) -> float:
    """Write one value as a number."""
    code = float(Schema((column,)).codes(_OneCell(column.name, value), f"'{column.name}={value}'")[0, 0])
    if np.isnan(code) or (column.categories and code >= len(column.categories)):
        known = nearest(str(value), map(str, column.categories))
        raise ConfigError(f"column '{column.name}' never has the value {value!r}{known}")
    return code


class _OneCell:
    """A table of one cell."""

    def __init__(self, name: str, value: Any) -> None:
        self.columns = [name]
        self.value = value

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array([self.value], dtype=object if isinstance(self.value, str) else None)


def rows_given(
    model: Trained,
    draw: Callable[[int], np.ndarray],
    row: np.ndarray,
    n: int,
    *,
    noise: bool = True,
    seed: int = 0,
) -> np.ndarray:
    """Draw rows that have given values, the others going with them; see `latents_for`.

    Args:
        model: the model.
        draw: gives so many latents of p(z), shape `(N, *latent)`.
        row: the given columns in the data's units, shape `(F,)`, NaN where nothing is given.
        n: how many.
        noise: draw from p(x|z) instead of taking its mean.
        seed: seed of the draws.

    Returns:
        Codes, shape `(n, F)`.
    """
    z = latents_for(model, draw, row, n, seed=seed)
    return np.where(np.isnan(row), model.inference.decode(z, noise=noise, seed=seed), row)


@torch.no_grad()
def latents_for(
    model: Trained, draw: Callable[[int], np.ndarray], row: np.ndarray, n: int, *, seed: int = 0
) -> np.ndarray:
    """Draw latents of p(z | given columns), by sampling importance resampling: no row is rejected.

    Args:
        model: the model.
        draw: gives so many latents of p(z), shape `(N, *latent)`.
        row: the given columns in the data's units, shape `(F,)`, NaN where nothing is given.
        n: how many.
        seed: seed of the choice.

    Returns:
        Shape `(n, *latent)`, chosen by weights proportional to p(given | z).

    References:
        Donald Rubin, "Using the SIR Algorithm to Simulate Posterior Distributions", 1988.
    """
    z = draw(min(MOST, max(LEAST, CANDIDATES * n)))
    wanted = model.transform.expected(model.inference.tensor(row[None].astype(np.float64)))
    logs = []
    for start in range(0, len(z), CHUNK):
        p = model.model.decode(model.inference.tensor(z[start : start + CHUNK]))
        logs.append(entries(p, wanted).flatten(1).sum(dim=1).double().cpu())
    weights = torch.cat(logs).softmax(dim=0)
    effective = float(1 / weights.square().sum())
    if effective < min(FEW, n):
        told = f"{effective:.0f} of {len(z):,} carry the weight, so that the rows are little various"
        warnings.warn(f"hardly any latents go with what is given: {told}", Note, stacklevel=2)
    with seeded(stream(seed, "given")):
        places = (torch.arange(n, dtype=torch.float64) + torch.rand(n, dtype=torch.float64)) / n
        chosen = torch.searchsorted(weights.cumsum(0), places.clamp(max=1 - 1e-12)).clamp(max=len(z) - 1)
        chosen = chosen[torch.randperm(n)]
    return z[chosen.numpy()]
