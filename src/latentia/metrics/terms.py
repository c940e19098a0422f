"""The objective's terms, averaged over a split: one definition for validation, selection and test."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch import nn

from latentia.core.noise import seeded
from latentia.core.processes import Processes
from latentia.core.types import LatentModel
from latentia.data.loader import Loader
from latentia.objectives import BOUND, Objective


@dataclass(frozen=True)
class Averages:
    """Means over the examples of a split.

    Attributes:
        loss: what training minimises, in nats.
        distortion: E_q[-log p(x|z)], in nats.
        rate: KL(q(z|x) || p(z)), in nats.
        penalty: the rest of the loss, in nats.
        mse: squared error per dimension of the decoded posterior mean, in the model's units; None of a model
            whose latent is the example itself.
        bits_per_dim: -ELBO in bits per dimension of the stored data; None without a bound.
        kl: KL of each latent dimension, in nats; empty without a rate.
        rate_by_level: the rate of each level of a hierarchy, in nats; empty for a model without levels.
        examples: how many examples the means are over.
        score: what weights are chosen by, in nats: the loss without an adversary's term.
        iwae_bound: the bound of as many samples as the objective has, where it is trained on that; in nats.
    """

    loss: float
    distortion: float
    rate: float
    penalty: float
    mse: float | None
    bits_per_dim: float | None
    kl: tuple[float, ...]
    rate_by_level: tuple[float, ...]
    examples: int
    score: float
    iwae_bound: float | None = None

    @property
    def negative_elbo(self) -> float:
        """Distortion plus rate, in nats, whatever else the objective minimises."""
        return self.distortion + self.rate

    def row(self) -> dict[str, Any]:
        """Give the figures as plain values, for a log; the score, where it is not the loss."""
        same = {"score"} if self.score == self.loss else set()
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if name not in same and (name not in ("mse", BOUND) or value is not None)
        }


def stream(seed: int, purpose: str) -> int:
    """Give the seed of a stream of noise of its own: equal seeds for two purposes would draw equal noise.

    Args:
        seed: the user's seed.
        purpose: what is drawn.

    Returns:
        Another seed.
    """
    return zlib.crc32(f"{purpose} {seed}".encode())


MEANS = ("loss", "score", "distortion", "rate", "penalty", "mse", BOUND)
"""What is averaged beside the KL."""
BLOCK = 512
"""Examples that share one stream of noise; fewer where they are large."""
LARGE = 2**21
"""Values in a block at the most."""


def blocks(
    loader: Loader, seed: int, limit: int | None = None, *, samples: int = 1
) -> Iterator[tuple[int, torch.Tensor]]:
    """Divide a split into blocks, each with a seed of its own for all that is drawn for it.

    The noise of an example then depends on its place in the split alone: not on what was
    evaluated before, nor on how many examples are looked at.

    Args:
        loader: the split.
        seed: seed of the evaluation.
        limit: stop after the block that holds the last of so many examples; blocks are never cut.
        samples: latents that are decoded for each example; many make blocks smaller.

    Yields:
        The seed of the block, and the positions of its examples in the data.
    """
    size = max(
        2, min(BLOCK, LARGE // (math.prod(loader.event) * samples) // 2 * 2)
    )  # even: health halves them
    rows = loader.rows.to(loader.device)
    for number, start in enumerate(range(0, min(len(rows), limit or len(rows)), size)):
        yield seed * 1_000_003 + number, rows[start : start + size]


def bits_per_dim(nats: float, dimensions: int, log2_unit: float) -> float:
    """Turn -log p(x) in nats into bits per dimension of the stored data.

    Args:
        nats: -log p(x) or a bound, summed over dimensions.
        dimensions: how many there are.
        log2_unit: the transform's change of unit.

    Returns:
        nats / (D log 2) + log2_unit.
    """
    return nats / (dimensions * math.log(2)) + log2_unit


def stored_bits(nats: float, model: LatentModel, loader: Loader) -> float:
    """Turn a model's -log p(x) into bits per dimension of the data that a loader stores.

    Args:
        nats: -log p(x) or a bound, summed over dimensions.
        model: whose figure it is; a probability needs no change of unit, a density does.
        loader: the data, with their transform.

    Returns:
        Bits per dimension, or per observed value where some are missing. Values of a discrete kind, such as
        categories, are probabilities already. Moments of latents are as many dimensions as the latents.
    """
    if model.copies:
        return bits_per_dim(nats, math.prod(model.latent), loader.transform.log2_unit)
    unit, share, there = (
        0.0 if model.discrete else loader.transform.log2_unit,
        model.densities,
        loader.observed,
    )
    if share is None and there is None:
        return bits_per_dim(nats, math.prod(loader.event), unit)
    there = torch.ones(loader.event, dtype=torch.float64) if there is None else there
    share = float(not model.discrete) if share is None else share.cpu().double()
    unit = float((there * share * loader.transform.log2_units).sum() / there.sum().clamp(min=1e-12))
    return nats / (max(1e-12, float(there.sum())) * math.log(2)) + unit


def squared_error(
    decoded: torch.Tensor, x: torch.Tensor, nominal: torch.Tensor | None = None
) -> torch.Tensor:
    """Measure how far what was decoded is from what was encoded.

    Args:
        decoded: means of p(x|z), shape `(B, *event)`.
        x: the examples, same shape; NaN where a value is missing, which counts for nothing.
        nominal: entries that are codes of names, shape `(*event,)`: their error is 1 where the name is
            another, else 0.

    Returns:
        Mean squared error over the observed entries of each example, shape `(B,)`, in the units of `x`
        squared; 0 where none was observed.
    """
    missing = x.isnan()
    error = decoded - x
    error = error.square() if nominal is None else torch.where(nominal, (error != 0).to(x), error.square())
    observed = (~missing).flatten(start_dim=1).sum(dim=1).clamp(min=1)
    return error.masked_fill(missing, 0.0).flatten(start_dim=1).sum(dim=1) / observed


@torch.no_grad()
def per_example(
    model: LatentModel,
    objective: Objective,
    loader: Loader,
    *,
    samples: int | None = None,
    progress: float = 1.0,
    seed: int = 0,
    processes: Processes = Processes(),  # noqa: B008 - immutable
) -> Iterator[dict[str, torch.Tensor]]:
    """Score a split block by block, always with the same noise.

    The penalty of a batchwise objective is that of the block an example is in.

    Args:
        model: maps a `Batch` to a `Pass`; in evaluation mode.
        objective: maps a `Pass` to `Terms`.
        loader: the split.
        samples: latent samples for each example; by default as many as the objective has.
        progress: share of the run that is done, for weights on a schedule.
        seed: seed of the noise in data and latents.
        processes: who shares the blocks.

    Yields:
        For each block that is this process's, figures by name, each `(B,)`: loss, score, distortion, rate and
        penalty in nats, mse in the model's units squared; `iwae_bound` in nats, NaN where the objective has
        none; and `kl`, in nats, `(B, D)`, with no D where there is no rate.
    """
    samples = samples or objective.samples
    every = blocks(loader, seed, samples=samples)
    for noise, rows in islice(every, processes.rank, None, processes.count):
        with seeded(noise):
            batch = loader.batch(rows)
            state = model(batch, samples)
            terms = objective(state, progress)  # it may draw from the prior
        c = model.complete(batch.x, batch.c)
        q = state.q if state.q_y is None else model.encode(batch.x, c)
        mean = model.decode(q.mean.unsqueeze(0), c).mean[0]
        yield {
            "loss": terms.loss,
            "score": terms.score,
            "distortion": terms.distortion,
            "rate": terms.rate,
            "penalty": terms.penalty,
            "mse": squared_error(mean, batch.x, model.nominal),
            BOUND: terms.diagnostics.get(BOUND, terms.rate.new_full(terms.rate.shape, math.nan)),
            "kl": terms.diagnostics.get("kl", terms.rate.new_zeros(len(batch.x), 0)).flatten(start_dim=1),
        }


LOSSES = ("loss", "score", "distortion", "rate", "penalty")
"""What a model without latents is scored by, too."""


@torch.no_grad()
def average_losses(
    model: nn.Module,
    objective: Objective,
    loader: Loader,
    *,
    progress: float = 1.0,
    processes: Processes = Processes(),  # noqa: B008 - immutable
) -> dict[str, float]:
    """Average an objective's losses over a split, in evaluation mode, always with the same noise.

    Args:
        model: maps a `Batch` to what the objective reads, whatever that is.
        objective: maps that to `Terms`.
        loader: the split.
        progress: share of the run that is done, for weights on a schedule.
        processes: who shares the work; each of them gets the means.

    Returns:
        The means of loss, score, distortion, rate and penalty, by name.
    """
    total = torch.zeros(1 + len(LOSSES), dtype=torch.float64)
    was_training = model.training
    model.eval()
    every = blocks(loader, 0, samples=objective.samples)
    for noise, rows in islice(every, processes.rank, None, processes.count):
        with seeded(noise):
            terms = objective(model(loader.batch(rows), objective.samples), progress)
        each = torch.stack([torch.ones_like(terms.loss), *(getattr(terms, name) for name in LOSSES)])
        summed = each.double().sum(dim=1)
        total = total.to(summed) + summed
    model.train(was_training)
    count, *sums = processes.sum(total).tolist()
    return {name: value / count for name, value in zip(LOSSES, sums, strict=True)}


@torch.no_grad()
def average_terms(
    model: LatentModel,
    objective: Objective,
    loader: Loader,
    *,
    progress: float = 1.0,
    processes: Processes = Processes(),  # noqa: B008 - immutable
) -> Averages:
    """Average an objective's terms over a split, in evaluation mode, always with the same noise.

    For a batchwise objective the split is shuffled first, in one order for ever, so that the blocks of
    a sorted split stand for the whole.

    Args:
        model: maps a `Batch` to a `Pass`.
        objective: maps a `Pass` to `Terms`.
        loader: the split.
        progress: share of the run that is done, for weights on a schedule.
        processes: who shares the work; each of them gets the means.

    Returns:
        The means.
    """
    total = torch.zeros(1, dtype=torch.float64)
    was_training = model.training
    model.eval()
    if objective.batchwise:
        loader = loader.shuffled(0)
    scored = per_example(model, objective, loader, progress=progress, processes=processes)
    for figures in scored:
        single = torch.stack([torch.ones_like(figures["loss"]), *(figures[name] for name in MEANS)], dim=1)
        summed = torch.cat([single, figures["kl"]], dim=1).double().sum(dim=0)
        total = total.to(summed) + summed
    model.train(was_training)
    total = processes.sum(total)
    count = int(total[0])
    values, kl = (total[1:] / count).split([len(MEANS), len(total) - len(MEANS) - 1])
    levels = tuple(by_level(kl, model.levels).tolist())
    means = dict(zip(MEANS, values.tolist(), strict=True))
    bits = stored_bits(means["distortion"] + means["rate"], model, loader) if objective.bound else None
    tighter, mse = means.pop(BOUND), means.pop("mse")
    return Averages(
        **means, mse=None if model.copies else mse, kl=tuple(kl.tolist()), rate_by_level=levels,
        bits_per_dim=bits, examples=count, iwae_bound=None if math.isnan(tighter) else tighter,
    )  # fmt: skip


def by_level(kl: torch.Tensor, levels: tuple[int, ...]) -> torch.Tensor:
    """Sum the KL of latent dimensions within each level of a hierarchy.

    Args:
        kl: in nats, shape `(*batch, D)`.
        levels: how many dimensions each level has.

    Returns:
        Shape `(*batch, L)`, with L = 0 where there are no levels or no KL for each dimension.
    """
    if sum(levels) != kl.shape[-1]:
        levels = ()
    parts = [part.sum(dim=-1) for part in kl.split(levels, dim=-1)] if levels else []
    return torch.stack(parts, dim=-1) if parts else kl.new_zeros(*kl.shape[:-1], 0)
