"""From many latent dimensions to a plane."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import numpy as np

PERPLEXITY = 30
ITERATIONS = (200, 400)
"""With and without early exaggeration: beyond these the map of some thousand points hardly changes."""
FEWEST = 20
"""t-SNE of fewer points than this says nothing."""


@dataclass(frozen=True)
class Flattened:
    """Codes brought to the plane.

    Attributes:
        points: shape `(N, 2)`.
        axes: what the two axes are.
        method: how it was done, as a sentence.
        title: how it was done, in a word.
    """

    points: np.ndarray
    axes: tuple[str, str]
    method: str
    title: str


def flatten(codes: np.ndarray, seed: int) -> Flattened:
    """Bring codes to the plane: as they are if they have two dimensions, else by t-SNE or PCA.

    Args:
        codes: shape `(N, D)`.
        seed: seed of t-SNE.

    Returns:
        The plane. t-SNE needs the optional package openTSNE; without it, it is PCA.
    """
    if codes.shape[1] == 2:
        method = "The two axes are the two latent dimensions."
        return Flattened(codes, ("latent 0", "latent 1"), method, "The latent plane")
    if codes.shape[1] == 1:
        spread = np.random.default_rng(seed).uniform(-0.5, 0.5, len(codes)) * (np.ptp(codes) or 1) / 4
        method = "The horizontal axis is the one latent dimension; the vertical one only spreads the points."
        return Flattened(np.column_stack([codes[:, 0], spread]), ("latent 0", ""), method, "The latent line")
    distinct = len(np.unique(codes, axis=0))
    if distinct >= FEWEST and importlib.util.find_spec("openTSNE"):
        return _tsne(codes, seed)
    return _pca(codes)


def _tsne(codes: np.ndarray, seed: int) -> Flattened:
    import openTSNE

    perplexity = min(PERPLEXITY, (len(codes) - 1) // 3)
    early, late = ITERATIONS
    tsne = openTSNE.TSNE(
        perplexity=perplexity,
        early_exaggeration_iter=early,
        n_iter=late,
        neighbors="exact",
        negative_gradient_method="bh",
        n_jobs=1,  # the same map every time; for so few points threads cost more than they bring
        random_state=seed,
    )
    points = np.asarray(tsne.fit(codes.astype(np.float64)))
    method = (
        f"t‑SNE with perplexity {perplexity}: neighbours stay neighbours, "
        "but distances between groups, and their sizes, mean little."
    )
    return Flattened(points, ("t-SNE 1", "t-SNE 2"), method, "t-SNE of the latents")


def _pca(codes: np.ndarray) -> Flattened:
    centred = codes - codes.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    total = float((singular**2).sum())
    shares = 100 * singular[:2] ** 2 / total if total > 0 else np.zeros(2)
    method = (
        f"The first two principal components, which explain {shares.sum():.0f} % of the latents' variance."
    )
    axes = tuple(f"component {index + 1} ({share:.0f} %)" for index, share in enumerate(shares))
    return Flattened(centred @ directions[:2].T, (axes[0], axes[1]), method, "PCA of the latents")
