"""Traversals: one latent dimension moves, the others stay."""

from __future__ import annotations

from torch import Tensor

from latentia.core.errors import ConfigError


def traverse(z: Tensor, dims: list[int], values: Tensor) -> Tensor:
    """Set each of some dimensions to each of some values, one at a time.

    Args:
        z: the latent to start from, shape `(D,)`.
        dims: which dimensions.
        values: what to set them to, shape `(T,)`, or `(len(dims), T)` for values of their own.

    Returns:
        Shape `(len(dims), T, D)`.

    Raises:
        ConfigError: if there is no such dimension.
    """
    if z.dim() != 1:
        raise ConfigError(f"a traversal needs a flat latent, not one of shape {tuple(z.shape)}")
    for dim in dims:
        if not 0 <= dim < len(z):
            raise ConfigError(f"there is no latent dimension {dim}; they run from 0 to {len(z) - 1}")
    rows = values.expand(len(dims), -1) if values.dim() == 1 else values
    path = z.expand(len(dims), rows.shape[1], -1).clone()
    for row, dim in enumerate(dims):
        path[row, :, dim] = rows[row]
    return path
