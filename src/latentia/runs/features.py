"""Examples as scores of what is unusual see them: latents, values and residual, as points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from latentia.core.families import CATEGORICAL, COUNTS
from latentia.runs.model import Trained


@dataclass(frozen=True, eq=False)
class View:
    """Examples as the scores see them.

    Attributes:
        latents: posterior means, shape `(N, D)`.
        values: the examples in the model's units, flat, missing entries 0, shape `(N, P)`.
        residual: by how much the decoded mean differs from them, shape `(N, P)`.
    """

    latents: np.ndarray
    values: np.ndarray
    residual: np.ndarray

    @property
    def joint(self) -> np.ndarray:
        """Latents and residual side by side, shape `(N, D + P)`."""
        return np.concatenate([self.latents, self.residual], axis=1)


@torch.no_grad()
def seen(model: Trained, x: Tensor, z: Tensor, c: Tensor | None) -> tuple[np.ndarray, ...]:
    """Give latents, values and residual of a block as arrays, one row for each example."""
    decoded = model.model.decode(z, c).mean
    values, guess = features(model, x), features(model, torch.where(x.isnan(), x, decoded))
    return tuple(part.flatten(1).float().cpu().numpy() for part in (z, values, values - guess))


def features(model: Trained, x: Tensor) -> Tensor:
    """Give examples as distances are taken of them, `(B, P)`: missing entries are 0.

    Numbers are as the model has them, a count c is log(1 + c), a category a one in a place of its own, so
    scaled that two rows that differ in it alone are at distance 1.
    """
    families, sizes = _table(model)
    if not set(families) & {CATEGORICAL, *COUNTS}:
        return x.nan_to_num().flatten(1)
    parts = []
    for place, (family, size) in enumerate(zip(families, sizes, strict=True)):
        value = x[:, place]
        if family == CATEGORICAL:
            code = torch.where(value.isnan(), size + 1, value.clamp(max=size)).long()
            parts.append(functional.one_hot(code, size + 2)[:, : size + 1] * math.sqrt(0.5))
        else:
            value = value.nan_to_num()
            parts.append((value.log1p() if family in COUNTS else value)[:, None])
    return torch.cat(parts, dim=1).to(x.dtype)


def owner_of(model: Trained) -> np.ndarray | None:
    """Give to which column each of the features belongs; None where they are the entries themselves."""
    families, sizes = _table(model)
    if CATEGORICAL not in families:
        return None
    pairs = enumerate(zip(families, sizes, strict=True))
    counts = [(place, size + 1 if family == CATEGORICAL else 1) for place, (family, size) in pairs]
    return np.concatenate([np.full(count, place) for place, count in counts])


def _table(model: Trained) -> tuple[list[str], list[int]]:
    """Give the families and sizes of a table's columns; nothing for other data."""
    likelihood = model.recipe["likelihood"]
    return list(likelihood.get("families", [])), list(likelihood.get("sizes", []))


def deviation_of(q: Any) -> Tensor:
    """Give the posterior's standard deviation; that of points is small."""
    try:
        return q.stddev.clamp(min=1e-3)
    except NotImplementedError:
        return torch.full_like(q.mean, 1.0)
