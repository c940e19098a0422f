"""The aggregate posterior of some examples, and the rate divided by it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal

from latentia.core.types import LatentModel
from latentia.metrics.encoded import Codes
from latentia.metrics.figures import Unmeasurable
from latentia.probability import CodeChoice, Coded, Delta, UniformChoice

APART = 0.1
"""Bounds on the mutual information that are closer than this, in nats, are one value."""
DRAWN = 2000
"""Latents drawn from the aggregate posterior."""
WORK = 5e8
"""Densities evaluated at most; of large latents fewer are drawn."""


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
        marginals: sum_j log q(z_j), where there is such.
    """

    mutual_information: np.ndarray
    aggregate_kl: np.ndarray
    examples: int
    total_correlation: np.ndarray | None
    dimension_wise_kl: np.ndarray | None
    marginals: np.ndarray | None = None

    @property
    def between(self) -> tuple[float, float]:
        """What the mutual information of the data's source is between, in expectation, in nats.

        An example among those that make q(z) is found more often than a new one would be: its own posterior
        in the mixture makes the information too small, and no more than log N; left out, too large. The rate,
        of which the aggregate's KL is the rest, is never below it either.
        """
        count, mean = self.examples, float(self.mutual_information.mean())
        most = mean + float(self.aggregate_kl.mean())
        if count == 1:
            return mean, max(mean, most)  # without its own posterior there is no mixture
        own = np.exp(self.mutual_information - math.log(count))
        with np.errstate(divide="ignore"):
            left_out = mean - float(np.log1p(-np.minimum(own, 1.0)).mean()) - math.log(count / (count - 1))
        return mean, max(mean, min(left_out, most))

    @property
    def saturated(self) -> bool:
        """Whether so few examples bound the information only: the two bounds are apart by more than noise."""
        (least, most), values = self.between, self.mutual_information
        error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        return most - least > max(APART, 2 * error)

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
    information about which of N examples it was is log N at most, and what the source of the data has beyond
    that is counted as distance from the prior: see `Split.saturated`, and `fitted_split`, which has no cap.

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
    chosen = some(codes, len(codes), seed)
    z = codes.drawn[chosen]
    joint, marginals = mixture_density(codes.posteriors, z)
    below = prior.log_prob(z).double()
    product = isinstance(prior, Independent)
    return Split(
        _numpy(own_density(codes, chosen) - joint),
        _numpy(joint - below),
        len(codes),
        None if marginals is None else _numpy(joint - marginals),
        _numpy(marginals - below) if product and marginals is not None else None,
        None if marginals is None else _numpy(marginals),
    )


def _numpy(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()


def some(codes: Codes, against: int, seed: int) -> Tensor:
    """Choose examples, as many as the work allows."""
    values = codes.mean[0].numel()
    count = max(64, min(DRAWN, int(WORK / (against * values))))
    order = torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))
    return order[:count].sort().values.to(codes.mean.device)


def known_density(q: Distribution) -> Independent | MultivariateNormal:
    """Give a posterior whose density can be asked of every pair of latent and example."""
    if isinstance(q, (Independent, MultivariateNormal)):
        return q
    if isinstance(q, Coded | CodeChoice | UniformChoice):
        raise Unmeasurable("latents are codes, which have probabilities and no density")
    if isinstance(q, Delta):
        raise Unmeasurable("the posterior is a point, as an autoencoder's is, and has no density")
    raise Unmeasurable("the posterior is no Gaussian: its mixture over all examples takes too long")


def own_density(codes: Codes, chosen: Tensor) -> Tensor:
    """Give log q(z_n|x_n) of the chosen examples, shape `(M,)`."""
    start, found = 0, []
    for q in codes.posteriors:
        size = q.batch_shape[0]
        found.append(q.log_prob(codes.drawn[start : start + size]).double())
        start += size
    return torch.cat(found)[chosen]


def mixture_density(posteriors: tuple[Distribution, ...], z: Tensor) -> tuple[Tensor, Tensor | None]:
    """Give log q(z) and sum_j log q(z_j), `(M,)` each, of the equal mixture of posteriors.

    There are no marginals, the second, where the posteriors are no products over dimensions.
    """
    count = sum(q.batch_shape[0] for q in posteriors)
    values = z[0].numel()
    known = [known_density(q) for q in posteriors]
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
