"""Latent health: what the latents carry, and whether the prior covers where they are."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal

from latentia.data.feed import Feed
from latentia.evaluation.codes import code_counts, code_use
from latentia.evaluation.figures import Unmeasurable
from latentia.evaluation.terms import blocks, stream
from latentia.noise import seeded
from latentia.probability import CodeChoice, Coded, Delta, UniformChoice, codes_of, discrepancy
from latentia.types import LatentModel

ACTIVE = 0.01
"""A latent whose posterior mean varies by more than this over the data is active."""
DRAWN = 2000
"""Latents drawn from the aggregate posterior."""
WORK = 5e8
"""Densities evaluated at most; of large latents fewer are drawn."""
LEAST = 1.0
"""Percentile of the data's own latents below which a place is called a hole."""
FEWEST = 200
"""Examples whose half can tell where the thinnest hundredth begins."""
RESAMPLED = 100
WATCHED = 500
"""Examples that are looked at during training."""


@dataclass(frozen=True)
class Codes:
    """The posteriors of some examples, and one latent drawn from each.

    Attributes:
        posteriors: q(z|x) of each block of examples.
        mean: posterior means, shape `(N, *latent)`.
        drawn: a latent of each, shape `(N, *latent)`.
        c: the conditions, shape `(N, C)`, those that the model infers filled in, or None.
    """

    posteriors: tuple[Distribution, ...]
    mean: Tensor
    drawn: Tensor
    c: Tensor | None = None

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def chosen(self) -> Tensor:
        """The codes, of a model that has codes, shape `(N, *code_shape)`."""
        return torch.cat([codes_of(q) for q in self.posteriors])


@torch.no_grad()
def encode_split(model: LatentModel, feed: Feed, *, limit: int | None = None, seed: int = 0) -> Codes:
    """Encode a split, always with the same noise.

    Args:
        model: in evaluation mode.
        feed: the split.
        limit: encode no block of examples after this many; all by default.
        seed: seed of the noise in data and latents.

    Returns:
        The posteriors.
    """
    posteriors, drawn, told = [], [], []
    for noise, rows in blocks(feed, seed, limit):
        with seeded(noise):
            batch = feed.batch(rows)
            c = model.complete(batch.x, batch.c)
            posteriors.append(model.encode(batch.x, c))
            drawn.append(posteriors[-1].sample())
            told.append(c)
    c = None if feed.c is None else torch.cat(told)
    return Codes(tuple(posteriors), torch.cat([q.mean for q in posteriors]), torch.cat(drawn), c)


def prior_draws(model: LatentModel, codes: Codes, count: int) -> Tensor:
    """Draw latents from the prior, under the conditions of the examples where it depends on them.

    Args:
        model: gives the prior.
        codes: some examples, in random order.
        count: how many latents.

    Returns:
        Shape `(count, *latent)`.
    """
    c = None if codes.c is None else codes.c[torch.arange(count, device=codes.c.device) % len(codes)]
    prior = model.prior(c)
    return prior.sample(torch.Size(() if prior.batch_shape else (count,)))


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


@dataclass(frozen=True)
class Split:
    """The aggregate rate divided, one value for each drawn latent, in nats.

    The first two add up, in the mean and but for the noise of the draws, to the rate: KL(q(z|x) || p(z))
    averaged over the data; the last two add up to the second.

    Attributes:
        mutual_information: log q(z|x) - log q(z), shape `(M,)`.
        aggregate_kl: log q(z) - log p(z).
        examples: how many posteriors the aggregate q(z) consists of.
        total_correlation: log q(z) - sum_j log q(z_j); None where the posteriors are no products over
            dimensions, whose marginals are unknown.
        dimension_wise_kl: sum_j log q(z_j) - log p(z_j); None where the prior is no product either.
    """

    mutual_information: np.ndarray
    aggregate_kl: np.ndarray
    examples: int
    total_correlation: np.ndarray | None
    dimension_wise_kl: np.ndarray | None

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """What there is, by name."""
        names = ("mutual_information", "total_correlation", "dimension_wise_kl", "aggregate_kl")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@torch.no_grad()
def split_rate(model: LatentModel, codes: Codes, seed: int = 0) -> Split:
    r"""Divide the aggregate rate into mutual information, total correlation and dimension-wise KL.

    With q(z) = (1/N) sum_n q(z|x_n) over all examples given and z ~ q(z):
    E KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || prod_j q(z_j)) + sum_j KL(q(z_j) || p(z_j)).
    q(z) is the aggregate posterior of these N examples exactly, not a minibatch's estimate of it; the
    information about which of N examples it was is log N at most.

    Args:
        model: gives the prior.
        codes: the posteriors.
        seed: seed of which examples' latents are looked at.

    Returns:
        The parts for each latent looked at.

    Raises:
        Unmeasurable: if the posterior has no density, or one that takes too long to ask of every pair of
            latent and example.

    References:
        Matthew Hoffman, Matthew Johnson, "ELBO surgery", 2016.
        Ricky T. Q. Chen et al., "Isolating Sources of Disentanglement in Variational Autoencoders", 2018.
    """
    prior = model.prior(codes.c)
    if prior.batch_shape:
        raise Unmeasurable("the prior depends on the condition")
    chosen = _some(codes, len(codes), seed)
    z = codes.drawn[chosen]
    joint, marginals = _aggregate(codes.posteriors, z)
    below = prior.log_prob(z).double()
    product = isinstance(prior, Independent)
    return Split(
        _numpy(_own_density(codes, chosen) - joint),
        _numpy(joint - below),
        len(codes),
        None if marginals is None else _numpy(joint - marginals),
        _numpy(marginals - below) if product and marginals is not None else None,
    )


def _numpy(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()


def _some(codes: Codes, against: int, seed: int) -> Tensor:
    """Choose examples, as many as the work allows."""
    values = codes.mean[0].numel()
    count = max(64, min(DRAWN, int(WORK / (against * values))))
    order = torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))
    return order[:count].sort().values.to(codes.mean.device)


def _known(q: Distribution) -> Independent | MultivariateNormal:
    """Give a posterior whose density can be asked of every pair of latent and example."""
    if isinstance(q, (Independent, MultivariateNormal)):
        return q
    if isinstance(q, Coded | CodeChoice | UniformChoice):
        raise Unmeasurable("latents are codes, which have probabilities and no density")
    if isinstance(q, Delta):
        raise Unmeasurable("the posterior is a point, as an autoencoder's is, and has no density")
    raise Unmeasurable("the posterior is no Gaussian: its mixture over all examples takes too long")


def _own_density(codes: Codes, chosen: Tensor) -> Tensor:
    """Give log q(z_n|x_n) of the chosen examples, shape `(M,)`."""
    start, found = 0, []
    for q in codes.posteriors:
        size = q.batch_shape[0]
        found.append(q.log_prob(codes.drawn[start : start + size]).double())
        start += size
    return torch.cat(found)[chosen]


def _aggregate(posteriors: tuple[Distribution, ...], z: Tensor) -> tuple[Tensor, Tensor | None]:
    """Give log q(z) and sum_j log q(z_j), `(M,)` each, of the equal mixture of posteriors.

    There are no marginals, the second, where the posteriors are no products over dimensions.
    """
    count = sum(q.batch_shape[0] for q in posteriors)
    values = z[0].numel()
    known = [_known(q) for q in posteriors]
    split = all(isinstance(q, Independent) for q in known)
    joint, single = [], []
    for part in z.split(max(1, int(4e6 / (512 * values)))):
        inner = part.unsqueeze(1)
        whole = torch.full((len(part),), -math.inf, dtype=torch.float64, device=z.device)
        each = torch.full((len(part), values), -math.inf, dtype=torch.float64, device=z.device)
        for q in known:
            if isinstance(q, Independent):
                density = q.base_dist.log_prob(inner).flatten(2)  # (m, B, D)
                each = torch.logaddexp(each, density.logsumexp(dim=1).double())
                density = density.sum(dim=2)
            else:
                density = q.log_prob(inner)
            whole = torch.logaddexp(whole, density.logsumexp(dim=1).double())
        joint.append(whole)
        single.append((each - math.log(count)).sum(dim=1))
    return torch.cat(joint) - math.log(count), torch.cat(single) if split else None


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
    count = min(len(chosen), len(_some(codes, len(codes), seed)))
    chosen = chosen[torch.randperm(len(chosen), generator=torch.Generator().manual_seed(seed))[:count]]
    own, _ = _aggregate(mixture, codes.drawn[chosen.to(codes.drawn.device)])
    with seeded(stream(seed, "prior")):
        z = prior_draws(model, codes, count)
    drawn, _ = _aggregate(mixture, z)
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
    known = _known(q)
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
def decoder_use(
    model: LatentModel, feed: Feed, codes: Codes, *, limit: int = 1000, seed: int = 0
) -> np.ndarray:
    """Measure how much worse the decoder explains an example with another example's latent.

    Args:
        model: in evaluation mode.
        feed: the split that was encoded.
        codes: its posteriors.
        limit: how many examples at most.
        seed: seed of the noise in the data.

    Returns:
        log p(x|z) - log p(x|z') in nats for each example, z its own posterior mean and z' that of the
        example after it.

    Raises:
        Unmeasurable: if there is but one example.
    """
    if len(codes) < 2:
        raise Unmeasurable("the use that the decoder makes of z needs two examples")
    found, done = [], 0
    for noise, rows in blocks(feed, seed, limit):
        with seeded(noise):
            batch = feed.batch(rows)
        x = batch.x
        at = torch.arange(done, done + len(x), device=codes.mean.device)
        own = model.decode(codes.mean[at], batch.c).log_prob(x)
        other = model.decode(codes.mean[(at + 1) % len(codes)], batch.c).log_prob(x)
        found.append((own - other).double().cpu().numpy())
        done += len(x)
    return np.concatenate(found)[:limit]


@torch.no_grad()
def health_summary(model: LatentModel, feed: Feed) -> dict[str, float]:
    """Give the figures of health that cost a training run next to nothing.

    Args:
        model: the model; for the while in evaluation mode.
        feed: held-out examples; about 500 of them are encoded.

    Returns:
        Of a model with codes, `codebook_use` and `perplexity`. Of any other, `active_units`; from twenty
        examples on `aggregate_mmd`; and, for Gaussian posteriors, what there is of `split_rate` in nats and,
        from 200 examples on, `prior_holes`.
    """
    was_training = model.training
    codes = encode_split(model.eval(), feed.shuffled(0), limit=WATCHED)
    model.train(was_training)
    if model.coder is not None:
        used, perplexity = code_use(code_counts(codes.chosen, model.coder))
        return {"codebook_use": used, "perplexity": perplexity}
    figures: dict[str, float] = {"active_units": float(active_units(codes))}

    def divided() -> dict[str, float]:
        parts = split_rate(model, codes).parts
        return {name: float(values.mean()) for name, values in parts.items()}

    for measure in (
        divided,
        lambda: {"aggregate_mmd": prior_distance(model, codes)[0]},
        lambda: {"prior_holes": prior_holes(model, codes)[0]},
    ):
        # What cannot be measured, as the rate of an autoencoder, is left out of the log.
        with contextlib.suppress(Unmeasurable):
            figures |= measure()
    return figures
