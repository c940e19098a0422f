"""Missing values filled in: by importance sampling where the model has densities, else by going round."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.core.memory import kept_memory
from latentia.core.noise import seeded
from latentia.metrics.terms import stream
from latentia.probability import blended, entries
from latentia.runs.blocks import padded, shared_draws
from latentia.runs.inputs import CHUNK
from latentia.runs.model import Trained

SAMPLES = 500
"""Latents of each example that its holes are averaged over."""
DECODED = 4_000_000
"""Values decoded at a time."""
ROUNDS = 10
"""How often a model that knows no holes sees its own guesses in their place."""


@dataclass(frozen=True, eq=False)
class Imputation:
    """Examples without holes.

    Attributes:
        best: the single best values, shape `(N, *event)`: means of numbers, the likeliest categories.
        draws: M fillings drawn from p(x_missing | x_observed), shape `(M, N, *event)`; None without any.
        effective: effective sample size behind each example, `(N,)`; NaN for a model without densities.
    """

    best: np.ndarray
    draws: np.ndarray | None
    effective: np.ndarray

    @property
    def fillings(self) -> list[np.ndarray]:
        """What was asked for: the draws, or the single best values alone."""
        return [self.best] if self.draws is None else list(self.draws)


def impute(
    model: Trained,
    x: np.ndarray,
    c: np.ndarray | None = None,
    *,
    draws: int = 0,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Imputation:
    r"""Fill in missing values; observed ones stay to the bit.

    With latents z_k of q(z|x_obs) and weights v_k proportional to p(x_obs|z_k) p(z_k) / q(z_k|x_obs), the
    mean of a missing value is sum_k v_k E[x|z_k], and a draw of all that an example lacks is one of p(x|z_k),
    with k drawn by v. A model that was trained without holes proposes latents for its own guesses in their
    place, which leaves the weights right. One without densities guesses, looks at its guess, and guesses
    again.

    Args:
        model: the model.
        x: examples, shape `(N, *event)`, in the data's units, NaN where a value is missing.
        c: their conditions, shape `(N, C)`, for a conditional model.
        draws: how many fillings to draw.
        samples: latents of each example.
        seed: seed of the draws; single best values do not depend on it.

    Returns:
        The examples, in the data's units.

    Raises:
        ConfigError: if a number is out of range.

    References:
        Pierre-Alexandre Mattei, Jes Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete
        Data Sets", 2019.
        Danilo Rezende, Shakir Mohamed, Daan Wierstra, "Stochastic Backpropagation and Approximate Inference
        in Deep Generative Models", 2014 (pseudo-Gibbs sampling).
    """
    for name, value, least in (("draws", draws, 0), ("samples", samples, 1)):
        if value < least:
            raise ConfigError(f"'{name}' must be at least {least}, not {value}")
    inner = model.inference
    told = inner.conditions(inner.complete(x, c), len(x))
    rows = max(1, min(CHUNK, DECODED // (samples * math.prod(model.event))))
    best, drawn, effective = [], [], []
    with kept_memory(model.device), seeded(stream(seed, "fillings")):
        for start in range(0, len(x), rows):
            block = np.asarray(x[start : start + rows])
            block = block.astype(np.float64 if block.dtype == np.float64 else np.float32, copy=False)
            given = inner.tensor(padded(block, rows))
            part = model.transform.expected(given)
            part_c = None if told is None else inner.tensor(padded(told[start : start + rows], rows))
            mean, several, size = _filled(model, part, part_c, draws, samples)
            best.append(_into(model, given, mean)[: len(block)])
            if draws:
                drawn.append(np.stack([_into(model, given, one)[: len(block)] for one in several]))
            effective.append(size[: len(block)].cpu().numpy())
    many = np.concatenate(drawn, axis=1) if draws else None
    return Imputation(np.concatenate(best), many, np.concatenate(effective))


def _into(model: Trained, given: Tensor, filled: Tensor) -> np.ndarray:
    """Put values in the model's units into the holes of examples in the data's."""
    values = model.transform.invert(filled)
    kept = given.to(values.dtype) if given.dtype != torch.float64 else given
    return torch.where(given.isnan(), values.to(kept.dtype), kept).cpu().numpy()


@torch.no_grad()
def _filled(
    model: Trained, x: Tensor, c: Tensor | None, draws: int, samples: int
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Give means for the holes, draws for them, and effective sample sizes."""
    net, missing = model.model, x.isnan()
    seen = x
    inputs: Any = getattr(net, "inputs", None)
    if inputs is None or not inputs.holes:
        z = net.prior(c).mean.expand(len(x), *net.latent)
        for _ in range(ROUNDS):
            guess = net.decode(z, c).mean
            seen = torch.where(missing, guess, x)
            z = net.encode(seen, c).mean
    if not model.objective.bound:
        guess = net.decode(net.encode(seen, c).mean, c)
        several = []
        for _ in range(draws):
            one = seen
            for _ in range(ROUNDS):
                one = torch.where(missing, net.decode(net.encode(one, c).sample(), c).sample(), x)
            several.append(one)
        return guess.mean, several, torch.full((len(x),), math.nan)
    q = net.encode(seen, c)
    with seeded(stream(0, "imputation")):  # the same for every block
        z = shared_draws(q, samples)
    p = net.decode(z, c)
    log_w = entries(p, x).flatten(2).sum(dim=2) + net.prior(c).log_prob(z) - q.log_prob(z)
    weights = log_w.softmax(dim=0)
    chosen = torch.multinomial(weights.T, max(1, draws), replacement=True).T  # (M, B)
    several = []
    for number in range(draws):
        at = chosen[number].view(1, -1, *[1] * len(net.latent)).expand(1, -1, *net.latent)
        several.append(net.decode(z.gather(0, at)[0], c).sample())
    return blended(p, weights), several, 1 / weights.square().sum(dim=0)
