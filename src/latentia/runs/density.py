"""-log p(x) of examples and what it is made of, by draws that are the same for all of them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.core.noise import seeded
from latentia.metrics.terms import stream
from latentia.probability import entries
from latentia.probability.observed import weighted
from latentia.runs.blocks import padded, shared_draws
from latentia.runs.model import Trained

DRAWS = 16
"""Latents of each example."""
_DRAWING = threading.Lock()
"""torch's generator is the process's, and blocks are computed in several threads."""


@torch.no_grad()
def nats(
    model: Trained,
    x: Any,
    c: np.ndarray | None,
    score: str,
    aggregate: Callable[[Tensor], Tensor] | None = None,
    draws: int = DRAWS,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give what entries and latent add to -log p(x), or to a bound on it, block by block.

    Args:
        model: the model.
        x: examples, shape `(N, *event)`.
        c: their conditions, shape `(N, C)`, or None.
        score: `reconstruction`, `elbo`, `likelihood` or `density`; see `AnomalyScorer`.
        aggregate: log density of the aggregate posterior, for `density`.
        draws: latents of each example.

    Yields:
        Shapes `(B, *event)` and `(B,)`, in nats.
    """
    for part, told, count in blocks_of(model, x, c):
        q = model.model.encode(part, told)
        if score == "reconstruction":
            own = -entries(model.model.decode(q.mean, told), part)
            yield own[:count], own.new_zeros(count)
            continue
        with _DRAWING, seeded(stream(0, "anomaly")):
            z = shared_draws(q, draws)
        fit = entries(model.model.decode(z, told), part)
        prior = aggregate if score == "density" and aggregate else model.model.prior(told).log_prob
        rate = q.log_prob(z) - prior(z)
        log_w = fit.flatten(2).sum(dim=2) - rate
        share = torch.full_like(log_w, 1 / draws) if score == "elbo" else log_w.softmax(dim=0)
        divergence = (share * (share.clamp(min=1e-30) * draws).log()).sum(dim=0)
        own, latent = -weighted(fit, share), (share * rate).sum(dim=0) + divergence
        yield own[:count], latent[:count]


def totals(parts: Iterator[tuple[Tensor, Tensor]]) -> np.ndarray:
    """Sum what `nats` gives over entries and latent.

    Args:
        parts: what it yields.

    Returns:
        In nats, shape `(N,)`, float64.
    """
    found = [own.double().flatten(1).sum(dim=1) + latent.double() for own, latent in parts]
    return torch.cat(found).cpu().numpy()


def log_density(
    model: Trained,
    x: Any,
    c: np.ndarray | None = None,
    *,
    draws: int = 64,
    prior: Callable[[Tensor], Tensor] | None = None,
) -> np.ndarray:
    """Estimate log p(x) of examples, importance-weighted over the same draws for all; a lower bound.

    Args:
        model: the model.
        x: examples, shape `(N, *event)`.
        c: their conditions, shape `(N, C)`, or None.
        draws: importance samples.
        prior: log density of what the latents are drawn from, where it is not the model's prior.

    Returns:
        In nats, shape `(N,)`: of what was observed, of a probability where values are discrete, of a density
        over the data's own units where they are not. A column of numbers with frequent values of their own
        changes its unit by the share of its values that have a density.

    Raises:
        ConfigError: if the objective has no bound.
    """
    if not model.objective.bound:
        name = model.recipe["objective"]["name"]
        raise ConfigError(f"objective '{name}' has no bound on log p(x)")
    score = "likelihood" if prior is None else "density"
    return -totals(nats(model, x, c, score, prior, draws=draws)) - _units(model, x)


def _units(model: Trained, x: Any) -> np.ndarray | float:
    """Give by how many nats each example is denser in the model's units than in the data's."""
    if model.model.discrete:
        return 0.0
    share = model.model.densities
    each = (1.0 if share is None else share.cpu().double()) * model.transform.log2_units.cpu() * math.log(2)
    each = np.broadcast_to(np.asarray(each, np.float64), model.event)
    values = np.asarray(x)
    if values.dtype.kind != "f" or not np.isnan(values).any():
        return float(each.sum())
    return (~np.isnan(values) * each).reshape(len(values), -1).sum(axis=1)


def blocks_of(model: Trained, x: Any, c: np.ndarray | None) -> Iterator[tuple[Tensor, Tensor | None, int]]:
    """Give examples in blocks of one size; see `padded`.

    Args:
        model: the model.
        x: examples, shape `(N, *event)`.
        c: their conditions, shape `(N, C)`, or None.

    Yields:
        A block in the model's units, its conditions, and how many of it count.
    """
    inner = model.inference
    told = inner.conditions(inner.complete(x, c), len(x))
    size = inner.chunk
    for start in range(0, len(x), size):
        block = np.asarray(x[start : start + size])
        (part,) = inner.prepare(padded(block, size))
        c_part = None if told is None else inner.tensor(padded(told[start : start + size], size))
        yield part, c_part, len(block)
