"""What is computed of an example depends on it alone, and not on the examples beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def padded(x: np.ndarray, size: int) -> np.ndarray:
    """Fill examples up to whole blocks with the last one.

    In blocks of one size products of matrices are the same to the bit. Those of another size differ in their
    last digits, and so would what is computed of one example alone.

    Args:
        x: examples, shape `(N, ...)`.
        size: examples in a block: a model's `chunk`, or what divides it.

    Returns:
        As many as the size divides.
    """
    whole = -(-len(x) // size) * size
    return x[np.minimum(np.arange(whole), len(x) - 1)]


def shared_draws(q: Any, count: int) -> Tensor:
    """Draw latents from torch's global generator; where q is a location and a scale, with one noise for all.

    Args:
        q: posteriors, batch shape `(B,)`.
        count: latents of each example.

    Returns:
        Shape `(count, B, *latent)`.
    """
    base = getattr(q, "base_dist", q)
    if isinstance(base, torch.distributions.Normal):
        noise = torch.randn(count, 1, *q.event_shape, device=base.loc.device)
        return base.loc + base.scale * noise
    return q.sample(torch.Size((count,)))
