"""Latent health: what the latents carry, and whether the prior covers where they are."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent

from latentia.core.noise import seeded
from latentia.core.types import LatentModel
from latentia.data.loader import Loader
from latentia.metrics.aggregate import DRAWN, known_density, mixture_density, some, split_rate
from latentia.metrics.codes import code_counts, code_use
from latentia.metrics.encoded import Codes, encode_split, prior_draws
from latentia.metrics.figures import Unmeasurable
from latentia.metrics.terms import blocks, stream
from latentia.probability import discrepancy

ACTIVE = 0.01
"""A latent whose posterior mean varies by more than this over the data is active."""
LEAST = 1.0
"""Percentile of the data's own latents below which a place is called a hole."""
FEWEST = 200
"""Examples whose half can tell where the thinnest hundredth begins."""
RESAMPLED = 100
WATCHED = 500
"""Examples that are looked at during training."""
TRADED = 1000
"""Examples that are decoded from latents of others at the most."""


def active_units(codes: Codes) -> int:
    """Count the latent dimensions whose posterior mean varies by more than 0.01 over the data.

    Args:
        codes: the posteriors of some examples.

    Returns:
        How many.

    References:
        Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, "Importance Weighted Autoencoders", 2016.
    """
    return int((codes.mean.double().flatten(1).var(dim=0, unbiased=False) > ACTIVE).sum())


@torch.no_grad()
def prior_holes(model: LatentModel, codes: Codes, seed: int = 0) -> tuple[float, float, int]:
    """Measure how much of the prior lies where no data are encoded.

    Half of the posteriors make the aggregate q(z). A draw from the prior is in a hole if q(z) there is
    lower than at 99 % of the latents of the other half, which are as new to that mixture as the
    prior's draws are. Where prior and aggregate agree, the share is one in a hundred.

    Args:
        model: gives the prior.
        codes: the posteriors.
        seed: seed of the prior's draws.

    Returns:
        The share of prior draws in holes, its standard error over resamples of both, and the number of
        draws.

    Raises:
        Unmeasurable: as `split_rate`, or if there are few examples.
    """
    if len(codes) < FEWEST:
        raise Unmeasurable(f"holes need at least {FEWEST} examples, and there are {len(codes)}")
    mixture = tuple(_every_other(q) for q in codes.posteriors)
    chosen = torch.arange(1, len(codes), 2)  # blocks are of even size, so these are in no mixture
    count = min(len(chosen), len(some(codes, len(codes), seed)))
    chosen = chosen[torch.randperm(len(chosen), generator=torch.Generator().manual_seed(seed))[:count]]
    own, _ = mixture_density(mixture, codes.drawn[chosen.to(codes.drawn.device)])
    with seeded(stream(seed, "prior")):
        z = prior_draws(model, codes, count)
    drawn, _ = mixture_density(mixture, z)
    if not (torch.isfinite(own).all() and torch.isfinite(drawn).all()):
        raise Unmeasurable("the posterior's densities are not finite")
    resamples = torch.Generator().manual_seed(seed)
    found = [_share_below(own.cpu(), drawn.cpu())]
    for _ in range(RESAMPLED):
        pairs = [
            values[torch.randint(count, (count,), generator=resamples)] for values in (own.cpu(), drawn.cpu())
        ]
        found.append(_share_below(*pairs))
    return found[0], float(np.std(found[1:], ddof=1)), count


def _share_below(own: Tensor, drawn: Tensor) -> float:
    """Give the share of draws under the first percentile of the data's own densities.

    Where both are from one distribution, a draw is under the k-th smallest of n with probability k / (n + 1).
    """
    rank = max(1, int(LEAST / 100 * (len(own) + 1)))
    return float((drawn < own.sort().values[rank - 1]).double().mean())


def _every_other(q: Distribution) -> Distribution:
    """Give the posteriors of every other example of a block."""
    known = known_density(q)
    base = known.base_dist if isinstance(known, Independent) else known
    kept = {name: getattr(base, name)[::2] for name in base.arg_constraints if name in base.__dict__}
    half = type(base)(**kept, validate_args=False)
    return half if base is known else Independent(half, len(q.event_shape), validate_args=False)


@torch.no_grad()
def prior_distance(model: LatentModel, codes: Codes, seed: int = 0) -> tuple[float, float | None, int]:
    r"""Measure the distance of the aggregate posterior from the prior by samples of both.

    The squared maximum mean discrepancy with the inverse multiquadratic kernel
    k(a, b) = C / (C + |a - b|^2), C = 2 D times the prior's variance, without bias: 0 where the
    distributions are equal, at most 2. It needs no density, so it holds for autoencoders too.

    Args:
        model: gives the prior.
        codes: the posteriors and a latent drawn from each.
        seed: seed of the prior's draws.

    Returns:
        The mean over disjoint subsets of 200, its standard error over them, and the latents used.

    Raises:
        Unmeasurable: if there are fewer than 20 examples.

    References:
        Ilya Tolstikhin et al., "Wasserstein Auto-Encoders", 2018.
        Arthur Gretton et al., "A Kernel Two-Sample Test", 2012.
    """
    count = min(len(codes), DRAWN)
    if count < 20:
        raise Unmeasurable(f"the distance from the prior needs at least 20 examples, and there are {count}")
    size = min(200, count)
    order = torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))[:count]
    with seeded(stream(seed, "prior")):
        other = prior_draws(model, codes, count).double().flatten(1)
    own = codes.drawn[order.to(codes.drawn.device)].double().flatten(1)
    prior = model.prior(codes.c)  # one that depends on the condition has its mean variance over examples
    scale = 2 * float(prior.variance.double().flatten(len(prior.batch_shape)).sum(dim=-1).mean())
    pairs = [(own[i : i + size], other[i : i + size]) for i in range(0, count - size + 1, size)]
    values = np.array([float(discrepancy(a, b, [scale])) for a, b in pairs])
    error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
    return float(values.mean()), error, len(values) * size


@torch.no_grad()
def decoder_use(model: LatentModel, loader: Loader, codes: Codes, *, seed: int = 0) -> np.ndarray:
    """Measure how much worse the decoder explains an example with another example's latent.

    Args:
        model: in evaluation mode.
        loader: the split that was encoded.
        codes: its posteriors.
        seed: seed of the noise in the data.

    Returns:
        log p(x|z) - log p(x|z') in nats for each of up to 1,000 examples, z its own posterior mean and z'
        that of the example after it.

    Raises:
        Unmeasurable: if there is but one example.
    """
    if len(codes) < 2:
        raise Unmeasurable("the use that the decoder makes of z needs two examples")
    found, done = [], 0
    for noise, rows in blocks(loader, seed, TRADED):
        with seeded(noise):
            batch = loader.batch(rows)
        x = batch.x
        at = torch.arange(done, done + len(x), device=codes.mean.device)
        own = model.decode(codes.mean[at], batch.c).log_prob(x)
        other = model.decode(codes.mean[(at + 1) % len(codes)], batch.c).log_prob(x)
        found.append((own - other).double().cpu().numpy())
        done += len(x)
    return np.concatenate(found)[:TRADED]


@torch.no_grad()
def health_summary(model: LatentModel, loader: Loader) -> dict[str, float]:
    """Give the figures of health that cost a training run next to nothing.

    Args:
        model: the model; for the while in evaluation mode.
        loader: held-out examples; about 500 of them are encoded.

    Returns:
        Of a model with codes, `codebook_use` and `perplexity`. Of any other, `active_units`; from twenty
        examples on `aggregate_mmd`; and, for Gaussian posteriors, what there is of `split_rate` in nats, as
        long as so few examples tell it, and, from 200 examples on, `prior_holes`.
    """
    was_training = model.training
    codes = encode_split(model.eval(), loader.shuffled(0), limit=WATCHED)
    model.train(was_training)
    if model.coder is not None:
        used, perplexity = code_use(code_counts(codes.chosen, model.coder))
        return {"codebook_use": used, "perplexity": perplexity}
    figures: dict[str, float] = {"active_units": float(active_units(codes))}

    def divided() -> dict[str, float]:
        split = split_rate(model, codes)
        told = {} if split.saturated else split.parts
        return {name: float(values.mean()) for name, values in told.items()}

    for measure in (
        divided,
        lambda: {"aggregate_mmd": prior_distance(model, codes)[0]},
        lambda: {"prior_holes": prior_holes(model, codes)[0]},
    ):
        # What cannot be measured, as the rate of an autoencoder, is left out of the log.
        with contextlib.suppress(Unmeasurable):
            figures |= measure()
    return figures
