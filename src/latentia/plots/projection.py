"""From many latent dimensions to a plane."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentia.core import progress
from latentia.core.extras import installed

PERPLEXITY = 30
ITERATIONS = (200, 400)
"""With and without early exaggeration: beyond these the map of some thousand points hardly changes."""
FEWEST = 20
"""t-SNE and UMAP of fewer points than this say nothing."""
FITTED = 3000
"""t-SNE arranges this many points; further ones are put among them, which is far quicker."""
PLACING = 260
"""Iterations that put them there."""
EVERY = 20
"""Iterations between two signs of progress."""
NEIGHBOURS = 15
"""UMAP's neighbours of a point."""
WAYS = ("itself", "pca", "tsne", "umap")
"""Ways to bring codes to the plane; see `ways`."""
EXACT = 600
"""Examples or dimensions, whichever are fewer, up to which principal components are computed exactly."""
SLOW = {"tsne": "openTSNE", "umap": "umap"}
"""Ways that take their time, and the packages that they need."""

TOLD = " Each is encoded under its own condition, which alone may tell its class."
"""What to say of the map of a model that is told something of what it encodes."""

Tick = Callable[[float], None]
"""Is told the share of a map that was done since it was last told."""

_numba = threading.Lock()
"""Numba's thread pool ends the process if two threads use it at once."""


@dataclass(frozen=True)
class Flattened:
    """Codes brought to the plane.

    Attributes:
        points: shape `(N, 2)`.
        axes: what the two axes are.
        method: how it was done, as a sentence.
        title: how it was done, in a word.
        remark: how much of the latents' variance the plane shows, if that is known.
    """

    points: np.ndarray
    axes: tuple[str, str]
    method: str
    title: str
    remark: str = ""


def _silent(share: float) -> None:
    """Show nothing."""


def best(codes: np.ndarray) -> str:
    """Choose the way to bring codes to the plane where one map has to do.

    Args:
        codes: shape `(N, D)`.

    Returns:
        "tsne" where it can be had; else "pca", or "itself" for up to two dimensions.
    """
    able = ways(codes)
    return "tsne" if "tsne" in able else able[0]


def ways(codes: np.ndarray) -> tuple[str, ...]:
    """List the ways in which codes can be brought to the plane.

    Args:
        codes: shape `(N, D)`.

    Returns:
        "itself" for up to two dimensions; else "pca", and "tsne" and "umap" where their packages are
        installed and the points are enough.
    """
    if codes.shape[1] <= 2:
        return ("itself",)
    enough = _distinct(codes) >= FEWEST
    return ("pca", *(way for way, package in SLOW.items() if enough and installed(package)))


def missing(codes: np.ndarray) -> str:
    """Say what would bring t-SNE, where it could be had and is not installed.

    Args:
        codes: shape `(N, D)`.

    Returns:
        A sentence, or nothing.
    """
    could = codes.shape[1] > 2 and _distinct(codes) >= FEWEST
    return (
        "t‑SNE needs the extra maps: pip install 'latentia[maps]'."
        if could and not installed("openTSNE")
        else ""
    )


def itself(codes: np.ndarray, seed: int) -> Flattened:
    """Take codes of one or two dimensions as they are.

    Args:
        codes: shape `(N, 1)` or `(N, 2)`.
        seed: seed of the spread that a line is given.

    Returns:
        The plane.
    """
    if codes.shape[1] == 2:
        method = "The two axes are the two latent dimensions."
        return Flattened(codes, ("latent 0", "latent 1"), method, "The latent plane")
    spread = np.random.default_rng(seed).uniform(-0.5, 0.5, len(codes)) * (np.ptp(codes) or 1) / 4
    method = "The horizontal axis is the one latent dimension; the vertical one only spreads the points."
    return Flattened(np.column_stack([codes[:, 0], spread]), ("latent 0", ""), method, "The latent line")


def pca(codes: np.ndarray) -> Flattened:
    """Project codes onto their first two principal components.

    Args:
        codes: shape `(N, D)`.

    Returns:
        The plane.
    """
    centre, directions, shares = principal(codes)
    return described((codes - centre) @ directions.T, shares)


def principal(codes: np.ndarray, count: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the first principal components: exactly, or of large latents by random projections.

    Args:
        codes: shape `(N, D)`, with D at least 2.
        count: how many, K; fewer where there are fewer examples or dimensions.

    Returns:
        The mean, `(D,)`, the directions, `(K, D)`, and the share of the variance along each in percent,
        `(K,)`.
    """
    centre = codes.mean(axis=0)
    apart = (codes - centre).astype(np.float64)
    total = float((apart**2).sum())
    if min(apart.shape) <= EXACT:
        _, singular, directions = np.linalg.svd(apart, full_matrices=False)
    else:
        from sklearn.decomposition import PCA

        fitted: Any = PCA(count, svd_solver="randomized", random_state=0).fit(apart)
        singular, directions = fitted.singular_values_, fitted.components_
    shares = 100 * singular[:count] ** 2 / total if total > 0 else np.zeros(min(count, len(singular)))
    return centre, directions[:count], shares


def described(points: np.ndarray, shares: np.ndarray) -> Flattened:
    """Describe codes that were projected onto their first two principal components.

    Args:
        points: shape `(N, 2)`.
        shares: percent of the variance along each, shape `(2,)`.

    Returns:
        The plane.
    """
    method = (
        f"The first two principal components, which explain {shares.sum():.0f} % of the latents' variance."
    )
    axes = tuple(f"component {index + 1} ({share:.0f} %)" for index, share in enumerate(shares))
    return Flattened(
        points,
        (axes[0], axes[1]),
        method,
        "PCA of the latents",
        f"{shares.sum():.0f} %",
    )


def tsne(codes: np.ndarray, seed: int, tick: Tick = _silent) -> Flattened:
    """Arrange codes by t-SNE, which keeps neighbours together.

    Up to 3,000 codes are arranged; of more, 3,000 drawn at random are, and the others are put among them
    one by one, each near its neighbours.

    Args:
        codes: shape `(N, D)`.
        seed: seed of the choice and of t-SNE.
        tick: is told of progress.

    Returns:
        The plane.

    References:
        Laurens van der Maaten, Geoffrey Hinton, "Visualizing Data using t-SNE", 2008.
        Pavlin Poličar, Martin Stražar, Blaž Zupan, "Embedding to Reference t-SNE Space Addresses Batch
        Effects in Single-Cell Classification", 2023 (putting points into an existing map).
    """
    import openTSNE

    codes = codes.astype(np.float64)
    some = _some(len(codes), seed)
    early, late = ITERATIONS
    share = {"step": len(some) / len(codes) / ((early + late) // EVERY)}
    perplexity = min(PERPLEXITY, (len(some) - 1) // 3)
    fitted = openTSNE.TSNE(
        perplexity=perplexity,
        early_exaggeration_iter=early,
        n_iter=late,
        neighbors="exact",
        negative_gradient_method="bh",
        n_jobs=1,  # the same map every time; for so few points threads cost more than they bring
        random_state=seed,
        callbacks=lambda *_: tick(share["step"]),
        callbacks_every_iters=EVERY,
    ).fit(codes[some])
    points = np.empty((len(codes), 2))
    points[some] = np.asarray(fitted)
    others = np.setdiff1d(np.arange(len(codes)), some)
    if len(others):
        share["step"] = len(others) / len(codes) / (PLACING // EVERY)
        points[others] = np.asarray(fitted.transform(codes[others], n_iter=PLACING))
    method = (
        f"t‑SNE with perplexity {perplexity}: neighbours stay neighbours, "
        "but distances between groups, and their sizes, mean little."
    )
    if len(others):
        method += f" {len(some):,} points are arranged, the others put among them."
    return Flattened(points, ("t-SNE 1", "t-SNE 2"), method, "t-SNE of the latents")


def umap(codes: np.ndarray, seed: int, tick: Tick = _silent) -> Flattened:
    """Arrange codes by UMAP, which keeps neighbours together.

    Args:
        codes: shape `(N, D)`.
        seed: seed of UMAP.
        tick: is told of progress.

    Returns:
        The plane.

    References:
        Leland McInnes, John Healy, James Melville, "UMAP: Uniform Manifold Approximation and Projection
        for Dimension Reduction", 2018.
    """
    with _numba:
        from umap import UMAP  # pyright: ignore[reportMissingImports]

        neighbours = min(NEIGHBOURS, len(codes) - 1)
        found = UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(codes)
    tick(1.0)
    method = (
        f"UMAP with {neighbours} neighbours: neighbours stay neighbours, and so do near groups more often "
        "than not; distances mean little."
    )
    return Flattened(np.asarray(found, dtype=np.float64), ("UMAP 1", "UMAP 2"), method, "UMAP of the latents")


def bring(way: str, codes: np.ndarray, seed: int, tick: Tick = _silent) -> Flattened:
    """Bring codes to the plane in one of the ways that `ways` lists.

    Args:
        way: its name.
        codes: shape `(N, D)`.
        seed: seed of everything random.
        tick: is told of progress.

    Returns:
        The plane.
    """
    if way in SLOW:
        return {"tsne": tsne, "umap": umap}[way](codes, seed, tick)
    return pca(codes) if way == "pca" else itself(codes, seed)


@contextlib.contextmanager
def progress_of(count: int) -> Iterator[Tick]:
    """Show one bar for maps that are computed side by side; on a terminal alone.

    Args:
        count: how many maps take their time.

    Yields:
        What the maps tell of their progress.
    """
    lock = threading.Lock()
    layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}"
    with progress.bar(
        desc="latent maps", total=count, quiet=not count, bar_format=layout, leave=False
    ) as bar:

        def tick(share: float) -> None:
            with lock:
                bar.update(share)

        yield tick


def _distinct(codes: np.ndarray) -> int:
    return len(np.unique(codes, axis=0))


def _some(count: int, seed: int) -> np.ndarray:
    """Choose the points that t-SNE arranges, in order."""
    if count <= FITTED:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:FITTED])
