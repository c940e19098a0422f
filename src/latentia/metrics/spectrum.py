"""How the energy of pictures and of latents on a grid is divided among frequencies."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

BANDS = 8
"""Bands of frequencies at the most, of equal width."""


def spectrum(x: np.ndarray) -> np.ndarray:
    """Divide the energy around each channel's mean by frequency.

    Of the orthonormal cosine transform (DCT-II) along both sides, whose squares sum to those of x. The
    frequency is (u / (h - 1) + v / (w - 1)) / 2, from 0 for what is the same at all places to 1. Channels
    count alike, however large they are.

    Args:
        x: maps, shape `(N, C, h, w)`.

    Returns:
        The share of the energy in each of some bands of equal width, `(bands,)`, summing to 1; NaN where
        nothing varies.

    References:
        Ivan Skorokhodov et al., "Improving the Diffusability of Autoencoders", 2025, who look at latents so.
    """
    count, channels, height, width = x.shape
    apart = x.astype(np.float64) - x.mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    down, across = cosines(height), cosines(width)
    energy = np.zeros((channels, height, width))
    for start in range(0, count, 64):
        energy += ((down @ apart[start : start + 64] @ across.T) ** 2).sum(axis=0)
    whole = energy.sum(axis=(1, 2), keepdims=True)
    varies = whole[:, 0, 0] > 0
    each = energy[varies] / whole[varies] if varies.any() else np.full((1, height, width), np.nan)
    return _by_band(each.mean(axis=0))


def noise_spectrum(height: int, width: int) -> np.ndarray:
    """Give the `spectrum` of noise without structure: the share of the coefficients in each band.

    Args:
        height: places along a map's height.
        width: along its width.

    Returns:
        Shape `(bands,)`, summing to 1.
    """
    return _by_band(np.full((height, width), 1 / (height * width)))


def _by_band(share: np.ndarray) -> np.ndarray:
    height, width = share.shape
    bands = min(BANDS, max(height, width))
    frequency = (_steps(height)[:, None] + _steps(width)[None, :]) / 2
    band = np.minimum((frequency * bands).astype(int), bands - 1)
    return np.bincount(band.ravel(), share.ravel(), minlength=bands)


def cosines(size: int) -> np.ndarray:
    """Give the orthonormal matrix of the cosine transform (DCT-II).

    Args:
        size: points.

    Returns:
        Shape `(size, size)`, a frequency in each row.
    """
    places, frequencies = np.arange(size) + 0.5, np.arange(size)
    matrix = np.sqrt(2 / size) * np.cos(np.pi * np.outer(frequencies, places) / size)
    matrix[0] /= np.sqrt(2)
    return matrix


def _steps(size: int) -> np.ndarray:
    return np.arange(size) / max(1, size - 1)


def band_names(bands: int) -> tuple[str, ...]:
    """Name the bands of `spectrum`.

    Args:
        bands: how many.

    Returns:
        Such as "0-25 %", in percent of the highest frequency.
    """
    ends = [f"{100 * place / bands:.3g}" for place in range(bands + 1)]
    return tuple(f"{low}-{high} %" for low, high in pairwise(ends))
