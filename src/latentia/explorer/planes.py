"""All encoded data on a plane: made once in each way, kept in the run folder, open to newcomers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latentia.core import storage
from latentia.core.errors import DataError, nearest
from latentia.data.splits import spread
from latentia.explorer.encoded import Encoded
from latentia.explorer.jobs import Tick
from latentia.plots import projection as maps

ARRANGED = 10_000
"""Points that t-SNE and UMAP arrange at most; they take minutes for more."""
FITTED = 20_000
"""Latents from which the principal components are found."""
MOVED = 16
"""Principal components along which a latent on a grid can be moved."""
NEAREST = 5
"""Neighbours among which a newcomer is put."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Encoded data on a plane.

    Attributes:
        points: shape `(n, 2)`, float32.
        rows: which examples they are, shape `(n,)`, or None for all in order.
        axes: what the two axes are.
        method: how it was done, as a sentence.
        title: how it was done, in a word.
        exact: whether the plane is the latent itself.
        centre: what is subtracted before projecting, shape `(D,)`; None where nothing is projected.
        directions: the principal directions, shape `(2, D)`.
    """

    points: np.ndarray
    rows: np.ndarray | None
    axes: tuple[str, str]
    method: str
    title: str
    exact: bool = False
    centre: np.ndarray | None = None
    directions: np.ndarray | None = None

    def place(self, z: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """Put a latent on the plane: exactly, or among its nearest neighbours where it was arranged.

        Args:
            z: shape `(D,)`.
            latents: those of all examples, shape `(N, D)`.

        Returns:
            Shape `(2,)`.
        """
        if self.exact:
            return np.array([z[0], z[1] if len(z) > 1 else 0.0], dtype=np.float32)
        if self.centre is not None and self.directions is not None:
            return (self.directions @ (z - self.centre)).astype(np.float32)
        known = latents if self.rows is None else latents[self.rows]
        square = ((known - z) ** 2).sum(axis=1)
        near = np.argsort(square)[:NEAREST]
        weight = 1 / (square[near] + 1e-9 + 1e-3 * square[near].mean())
        return (weight[:, None] * self.points[near]).sum(axis=0) / weight.sum()


def ways(latents: np.ndarray) -> tuple[str, ...]:
    """List the ways in which latents can be brought to the plane.

    Args:
        latents: shape `(N, D)`.

    Returns:
        As `plots.projection.ways` does.
    """
    return maps.ways(latents[spread(np.arange(len(latents)), 100)])


def plane(encoded: Encoded, way: str, folder: Path, label: dict[str, int | str], tick: Tick) -> Plane:
    """Bring encoded data to the plane, or read what is kept of the same weights.

    Args:
        encoded: the data.
        way: one of `ways`.
        folder: where results are kept; one that cannot be written is done without.
        label: what kept results must belong to.
        tick: is told of progress.

    Returns:
        The plane.

    Raises:
        DataError: if there is no such way.
    """
    known = ways(encoded.latents)
    if way not in known:
        raise DataError(f"unknown map '{way}'{nearest(way, known)}")
    if way == "itself":
        flat = maps.itself(encoded.latents, 0)
        return Plane(flat.points.astype(np.float32), None, flat.axes, flat.method, flat.title, exact=True)
    if way == "pca":
        return _projected(encoded.latents)
    path = folder / f"{way}.safetensors"
    kept = storage.kept(path, label)
    rows = _drawn(len(encoded.latents))
    if kept is None:
        flat = maps.bring(way, encoded.latents if rows is None else encoded.latents[rows], 0, tick)
        about = json.dumps([flat.axes, flat.method, flat.title]).encode()
        kept = {
            "points": torch.from_numpy(flat.points.astype(np.float32)),
            "about": torch.from_numpy(np.frombuffer(about, np.uint8).copy()),
        }
        storage.keep(path, kept, label)
    axes, method, title = json.loads(bytes(kept["about"].numpy()))
    if rows is not None:
        method += f" {len(rows):,} of {len(encoded.latents):,} examples, drawn at random."
    return Plane(kept["points"].numpy(), rows, (axes[0], axes[1]), method, title)


def _drawn(count: int) -> np.ndarray | None:
    if count <= ARRANGED:
        return None
    return np.sort(np.random.default_rng(0).permutation(count)[:ARRANGED]).astype(np.int32)


def _projected(latents: np.ndarray) -> Plane:
    centre, directions, shares = maps.principal(latents[spread(np.arange(len(latents)), FITTED)])
    points = ((latents - centre.astype(np.float32)) @ directions.T.astype(np.float32)).astype(np.float32)
    flat = maps.described(points, shares)
    return Plane(points, None, flat.axes, flat.method, flat.title, centre=centre, directions=directions)


def directions(latents: np.ndarray) -> dict[str, list[Any]]:
    """Say along what latents on a grid are moved: their first principal components.

    Args:
        latents: shape `(N, D)`.

    Returns:
        Plain values: their `mean`, and of each component its direction (`rows`), the latents' deviation along
        it (`std`) and its share of the variance in percent (`shares`).
    """
    some = latents[spread(np.arange(len(latents)), FITTED)]
    centre, rows, shares = maps.principal(some, MOVED)
    along = ((some - centre) @ rows.T).std(axis=0)
    return {
        "mean": _rounded(centre),
        "rows": [_rounded(row) for row in rows],
        "std": _rounded(along),
        "shares": _rounded(shares),
    }


def _rounded(values: np.ndarray) -> list[float]:
    """Give numbers to as many digits as a picture can tell apart."""
    return [float(f"{value:.5g}") for value in values]
