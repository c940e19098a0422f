"""Statistics of the latents of some examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LatentStatistics:
    """Mean, spread and extremes over all entries of the codes of some examples."""

    examples: int
    mean: float
    std: float
    minimum: float
    maximum: float


def latent_statistics(codes: np.ndarray) -> LatentStatistics:
    """Summarise latent codes.

    Args:
        codes: one code per example, shape `(N, *latent)`.

    Returns:
        Statistics over all entries of all codes.
    """
    return LatentStatistics(
        len(codes), float(codes.mean()), float(codes.std()), float(codes.min()), float(codes.max())
    )
