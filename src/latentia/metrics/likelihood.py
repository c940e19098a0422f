"""The marginal likelihood log p(x) by importance sampling, in memory that does not grow with K."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.core.needs import PRIOR_DENSITY
from latentia.core.noise import seeded
from latentia.core.types import Batch, LatentModel
from latentia.data.loader import Loader
from latentia.data.transforms import Binarise, Transform
from latentia.metrics.tails import HEAVY, pareto_k, tail_length
from latentia.metrics.terms import blocks

GROUP = 8
"""Examples whose latents are drawn together."""
DRAWS = 2500
"""Latents drawn for an example at a time."""
DECODED = 2_000_000
"""Values decoded at a time: of fewer, calls cost more than arithmetic."""
Score = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""log p(x|z) of an example: from latents `(n, *latent)`, the example `(*event,)`, its condition `(1, C)`."""
FEW = 10.0
"""Fewer effective samples than this behind an estimate are too few to trust it."""

CERTAIN = "which code or rounded value is taken is certain: each importance weight would be the bound itself"
"""Why a model whose posterior leaves no choice among codes or steps has no importance-weighted likelihood."""


@dataclass(frozen=True)
class Estimates:
    """Importance-weighted estimates, one for each example.

    Attributes:
        log_likelihood: log (1/K) sum_k w_k in nats, shape `(N,)`.
        effective: effective sample size (sum w)^2 / sum w^2, at least 1, shape `(N,)`.
        samples: how many weights there are for each example.
        tail: Pareto k of the largest weights, shape `(N,)`; NaN where there are too few for a tail.
        mean_log_weight: (1/K) sum_k log w_k in nats, shape `(N,)`: the ELBO of the same draws, never above
            `log_likelihood`; None where weights are of several classes or of no encoder.
    """

    log_likelihood: np.ndarray
    effective: np.ndarray
    samples: int
    tail: np.ndarray
    mean_log_weight: np.ndarray | None = None

    @property
    def few(self) -> float:
        """The share of examples whose estimate rests on fewer than ten effective samples."""
        return float((self.effective < FEW).mean())

    @property
    def heavy(self) -> float:
        """The share of examples with a Pareto k above 0.7; NaN where there are too few weights for a tail."""
        return float((self.tail > HEAVY).mean()) if np.isfinite(self.tail).any() else math.nan

    @property
    def untrusted(self) -> float:
        """The share of examples with one of the two: of the weights that matter too few were drawn.

        The effective sample size counts the weights that were drawn, so it cannot know of larger ones that
        were not; the shape of the tail tells of those.
        """
        return float(((self.effective < FEW) | (self.tail > HEAVY)).mean())

    @property
    def sampling_error(self) -> float:
        """Standard error of the mean that the finite K causes, in nats.

        By the delta method the variance of log (1/K) sum w_k is 1 / ESS - 1 / K, and less than that where as
        many weights belong to each of several classes; NaN for K = 1.
        """
        if self.samples == 1:
            return math.nan  # one weight says nothing of its spread
        variance = np.maximum(1 / self.effective - 1 / self.samples, 0.0)
        return float(np.sqrt(variance.sum()) / len(variance))


class _Sums:
    """log sum_k w_k, log sum_k w_k^2, sum_k log w_k and the largest weights, taken up piece by piece."""

    def __init__(self, examples: int, tail: int) -> None:
        self.first = torch.full((examples,), -math.inf, dtype=torch.float64)
        self.second = self.first.clone()
        self.logs = torch.zeros_like(self.first)
        self.tail = tail
        self.largest = self.first.new_empty(0, examples)

    def add(self, log_weights: Tensor) -> None:
        """Take up weights of shape `(n, examples)`."""
        log_weights = log_weights.double().cpu()
        self.first = torch.logaddexp(self.first, log_weights.logsumexp(dim=0))
        self.second = torch.logaddexp(self.second, (2 * log_weights).logsumexp(dim=0))
        self.logs += log_weights.sum(dim=0)
        if self.tail:
            known = torch.cat([self.largest, log_weights])
            self.largest = known.topk(min(len(known), self.tail + 1), dim=0).values


@torch.no_grad()
def importance_weighted(
    model: LatentModel,
    loader: Loader,
    samples: int,
    *,
    limit: int | None = None,
    seed: int = 0,
    rows: int | None = None,
    score: Score | None = None,
    tick: Callable[[np.ndarray, np.ndarray], None] | None = None,
) -> Estimates:
    r"""Estimate log p(x) for each example of a split.

    log p(x) >= E log (1/K) sum_k w_k, w_k = p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x): a lower bound that
    rises with K to log p(x). Where its latents are codes that are chosen by chance, densities are
    probabilities. Of a model that infers labels p(x) is the sum over those that are not known,
    each with K latents of its own. Sums are kept as they grow, and 3 sqrt(K) of the weights, so K may be
    large; the noise of an example depends on the seed and its place in the split alone, so the result
    depends neither on `rows` nor on `limit`.

    Args:
        model: in evaluation mode, with a posterior that has a density, or codes that are not certain.
        loader: the split; its transform's noise is drawn once for each example.
        samples: K.
        limit: how many examples at most.
        seed: seed of the noise in data and latents.
        rows: latents decoded at a time; about two million values by default.
        score: gives log p(x|z), as `scorer` of the model does, which it is by default; compiled, say.
        tick: called after each group with its estimates and effective sample sizes, to show progress.

    Returns:
        The estimates.

    Raises:
        ConfigError: if K is not positive.

    References:
        Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, "Importance Weighted Autoencoders", 2016.
        Augustine Kong, "A Note on Importance Sampling using Standardized Weights", 1992 (effective
        sample size).
    """
    if samples < 1:
        raise ConfigError(f"'samples' must be at least 1, not {samples}")
    rows = rows or max(16, DECODED // model.decoded)
    score = score or scorer(model)
    limit = min(limit or len(loader), len(loader))
    every = samples * (model.condition if model.classifies else 1)
    found, done = [], 0
    for noise, positions in blocks(loader, seed, limit):
        with seeded(noise):
            for group in groups(loader.batch(positions), GROUP):
                if done >= limit:
                    break
                done += len(group.x)
                sums = _weigh(model, group, samples, rows, score, tail_length(every))
                found.append(_estimates(sums, samples))
                if tick:
                    tick(*found[-1][:2])
    values, effective, tail, logs = np.concatenate(found, axis=1)[:, :limit]
    return Estimates(values, effective, every, tail, None if model.classifies else logs)


def _estimates(sums: _Sums, samples: int) -> np.ndarray:
    """Give log p(x), the effective sample size, the tail's shape and the mean log weight, `(4, N)`."""
    log_p = (sums.first - math.log(samples)).numpy()
    effective = (2 * sums.first - sums.second).exp().numpy()
    return np.stack([log_p, effective, pareto_k(sums.largest), sums.logs.numpy() / samples])


def unweighted(model: LatentModel) -> str:
    """Say why latents of a model cannot be weighed by p(x|z) p(z) / q(z|x), if that is so.

    Args:
        model: the model.

    Returns:
        The reason; empty where they can.
    """
    if getattr(model.coder or getattr(model, "posterior", None), "certain", False):
        return CERTAIN
    if model.copies:
        return "the latent is the example itself: log p(x) is that of the prior alone, and the ELBO bounds it"
    if PRIOR_DENSITY not in getattr(model.prior, "gives", frozenset({PRIOR_DENSITY})):
        return "of log p(z) this prior knows a lower bound alone, which gives no weights; the ELBO is a bound"
    return ""


def unsound(model: LatentModel, transform: Transform, given: np.ndarray) -> str:
    """Say why a model's likelihood is none of some data, if it is not.

    Args:
        model: the model.
        transform: what prepares its data.
        given: the data in the model's units without noise, shape `(N, *event)`.

    Returns:
        The reason; nothing where there is none.
    """
    drawn = isinstance(transform, Binarise)
    if not model.discrete:
        return "a density of values that are only 0 and 1 has no bound" if drawn else ""
    if not model.binary or drawn or np.isin(given, (0.0, 1.0)).all():
        return ""
    return (
        "the cross-entropy of grey values is no likelihood: train with transform=binarise, or with "
        "likelihood=continuous_bernoulli"
    )


def groups(batch: Batch, size: int) -> Iterator[Batch]:
    """Divide a batch.

    Args:
        batch: some examples.
        size: how many in a group.

    Yields:
        The groups in order; the last one may be smaller.
    """
    for start in range(0, len(batch.x), size):
        part = slice(start, start + size)
        c = None if batch.c is None else batch.c[part]
        yield Batch(batch.x[part], batch.index[part], c)


def _weigh(model: LatentModel, batch: Batch, samples: int, rows: int, score: Score, tail: int) -> _Sums:
    """Draw latents for a few examples and sum their weights."""
    sums = _Sums(len(batch.x), tail)
    for c, log_p in model.readings(batch.x, batch.c):
        q, p, told = model.encode(batch.x, c), model.prior(c), replace(batch, c=c)
        for done in range(0, samples, DRAWS):
            z = q.sample(torch.Size((min(DRAWS, samples - done),)))
            log_weights = log_p + p.log_prob(z) - q.log_prob(z)
            for position, example in enumerate(groups(told, 1)):
                log_weights[:, position] += log_likelihoods(score, z[:, position], example, rows)
            sums.add(log_weights)
    return sums


def scorer(model: LatentModel) -> Score:
    """Make the function in which importance sampling spends its time.

    Args:
        model: in evaluation mode.

    Returns:
        Decodes latents, and gives log p(x|z) of one example for each of them, in nats.
    """

    def score(z: Tensor, x: Tensor, c: Tensor | None) -> Tensor:
        return model.decode(z, c).log_prob(x)

    return score


def log_likelihoods(score: Score, z: Tensor, example: Batch, rows: int) -> Tensor:
    """Give log p(x|z) of one example for many latents, some at a time.

    Args:
        score: what gives it.
        z: latents, shape `(n, *latent)`.
        example: the example, alone in its batch.
        rows: latents at a time.

    Returns:
        Shape `(n,)`, in nats.
    """
    return torch.cat([score(part, example.x[0], example.c) for part in z.split(rows)])
