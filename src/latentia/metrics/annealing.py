"""log p(x) by annealed importance sampling: the check on the importance-weighted estimate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.core.errors import ConfigError
from latentia.core.noise import seeded
from latentia.core.types import Batch, LatentModel
from latentia.data.loader import Loader
from latentia.metrics.likelihood import Estimates, groups
from latentia.metrics.terms import blocks

LEAPS = 10
"""Leapfrog steps of one proposal."""
ACCEPTED = 0.65
"""The share of proposals that the step size is steered towards."""
GAIN = 0.1
"""How much the logarithm of a step size follows what was accepted."""
GROUP = 32
"""Examples whose chains run together."""


def annealed(
    model: LatentModel,
    loader: Loader,
    chains: int = 16,
    temperatures: int = 500,
    *,
    limit: int | None = None,
    seed: int = 0,
    tick: Callable[[np.ndarray, np.ndarray], None] | None = None,
) -> Estimates:
    r"""Estimate log p(x) without the encoder: latents of the prior, led to the posterior by degrees.

    Each chain starts at z ~ p(z) and passes the densities p(z) p(x|z)^t for t from 0 to 1, with one
    Hamiltonian proposal at each; its weight is the product of p(x|z)^(t' - t) on the way. The mean of
    the weights is unbiased for p(x) however well the chains mix, so the logarithm is a lower bound in
    expectation, as the importance-weighted one is; a posterior that misses part of p(z|x) shows as a
    gap between the two. The temperatures follow a sigmoid, dense at both ends. Step sizes are found by a
    first run of as many chains with other noise, for each example and temperature: steps that followed the
    weighted chains' own acceptances would leave their densities, and bias the weights upwards.

    Args:
        model: in evaluation mode; its prior has a density.
        loader: the split; the noise of its transform is the same that `importance_weighted` draws.
        chains: weights for each example.
        temperatures: densities on the way.
        limit: how many examples at most.
        seed: seed of the noise in data and chains.
        tick: called after each group with its estimates and effective sample sizes, to show progress.

    Returns:
        The estimates; `samples` is the number of chains, all classes together where labels are summed out.

    Raises:
        ConfigError: if there are no chains or fewer than two temperatures.

    References:
        Radford Neal, "Annealed Importance Sampling", 2001.
        Yuhuai Wu, Yuri Burda, Ruslan Salakhutdinov, Roger Grosse, "On the Quantitative Analysis of
        Decoder-Based Generative Models", 2017.
    """
    if chains < 1 or temperatures < 2:
        raise ConfigError(
            f"annealing needs at least 1 chain and 2 temperatures, not {chains} and {temperatures}"
        )
    limit = min(limit or len(loader), len(loader))
    schedule = _schedule(temperatures)
    values, effective = np.empty(0), np.empty(0)
    for noise, positions in blocks(loader, seed, limit):
        with seeded(noise):
            for group in groups(loader.batch(positions), GROUP):
                if len(values) >= limit:
                    break
                weights = _weights(model, group, chains, schedule)
                first, second = weights.logsumexp(dim=0), (2 * weights).logsumexp(dim=0)
                one, two = (first - math.log(chains)).numpy(), (2 * first - second).exp().numpy()
                values, effective = np.append(values, one), np.append(effective, two)
                if tick:
                    tick(one, two)
    every = chains * (model.condition if model.classifies else 1)
    return Estimates(values[:limit], effective[:limit], every, np.full(limit, np.nan))


def _weights(model: LatentModel, group: Batch, chains: int, schedule: Tensor) -> Tensor:
    """Give the logarithms of all chains' weights, over all classes where p(x) is a sum over such."""
    found = []
    for c, log_p in model.readings(group.x, group.c):
        conditioned = replace(group, c=c)
        steps, _ = _anneal(model, conditioned, chains, schedule, None)
        found.append(log_p + _anneal(model, conditioned, chains, schedule, steps)[1])
    return torch.cat(found).double().cpu()


def _schedule(count: int) -> Tensor:
    ends = torch.sigmoid(torch.linspace(-4, 4, count, dtype=torch.float64))
    return ((ends - ends[0]) / (ends[-1] - ends[0])).float()


def _anneal(
    model: LatentModel, batch: Batch, chains: int, temperatures: Tensor, steps: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Run all chains of all examples side by side, at given step sizes or looking for them.

    Gives the step sizes, `(T, B)`, and the log weights, `(chains, B)`, which count only where the step sizes
    were given.
    """
    x, c = batch.x, batch.c
    with torch.no_grad():
        prior = model.prior(c)  # once: some priors run the encoder
        z = prior.sample(torch.Size((chains,) if prior.batch_shape else (chains, len(x))))
        log_weights = torch.zeros(chains, len(x), device=z.device)
        step = torch.full((len(x),), 0.1, device=z.device)
    used = []
    for place, (before, now) in enumerate(pairwise(temperatures.tolist())):
        with torch.no_grad():
            log_weights += (now - before) * model.decode(z, c).log_prob(x)
        if steps is not None:
            step = steps[place]
        used.append(step)
        if now < 1:
            z, accepted = _hamiltonian(
                lambda z, t=now: _energy(model, prior, z, batch, t), z, step.expand(chains, len(x))
            )
            drift = (accepted.float().mean(dim=0) - ACCEPTED) * GAIN
            step = (step * drift.exp()).clamp(1e-4, 1.0)
    return torch.stack(used), log_weights


def _energy(model: LatentModel, prior: Distribution, z: Tensor, batch: Batch, t: float) -> Tensor:
    return -(prior.log_prob(z) + t * model.decode(z, batch.c).log_prob(batch.x))


def _hamiltonian(energy: Callable[[Tensor], Tensor], z: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Propose once for each chain and accept or stay, which leaves exp(-energy) invariant."""

    def slope(at: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            at = at.detach().requires_grad_()
            level = energy(at)
            (gradient,) = torch.autograd.grad(level.sum(), at)
        return level.detach(), gradient

    size = step.reshape(*step.shape, *(1,) * (z.dim() - step.dim()))
    momentum = torch.randn_like(z)
    start, gradient = slope(z)
    kinetic = 0.5 * momentum.square().flatten(2).sum(-1)
    proposal, momentum = z, momentum - 0.5 * size * gradient
    level = start
    for leap in range(LEAPS):
        proposal = proposal + size * momentum
        level, gradient = slope(proposal)
        momentum = momentum - (0.5 if leap == LEAPS - 1 else 1.0) * size * gradient
    change = start + kinetic - level - 0.5 * momentum.square().flatten(2).sum(-1)
    accepted = torch.rand_like(change).log() < change  # a proposal that is not a number is refused
    keep = accepted.reshape(size.shape)
    return torch.where(keep, proposal, z).detach(), accepted
