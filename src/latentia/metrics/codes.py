"""The use that is made of codes: how many of them, and how evenly."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from latentia.core.types import Coder


def code_counts(codes: Tensor, coder: Coder) -> np.ndarray:
    """Count how often each code was chosen.

    Args:
        codes: shape `(N, *code_shape)`.
        coder: what they are codes of.

    Returns:
        Shape `(levels, K)`.
    """
    levels = codes.reshape(-1, coder.levels).T
    return np.stack([torch.bincount(level, minlength=coder.size).cpu().numpy() for level in levels])


def code_use(counts: np.ndarray) -> tuple[float, float]:
    """Measure how many codes are in use, and how evenly.

    Args:
        counts: how often each was chosen, shape `(levels, K)`.

    Returns:
        The share of the codes that were chosen at all, and the perplexity exp H of their frequencies, from 1
        to K; with several levels, the means over levels.
    """
    frequencies = counts / counts.sum(axis=1, keepdims=True)
    entropies = -(frequencies * np.log(np.where(frequencies > 0, frequencies, 1.0))).sum(axis=1)
    return float((counts > 0).mean()), float(np.exp(entropies).mean())
