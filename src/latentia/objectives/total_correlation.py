"""Objectives that weigh the total correlation of the aggregate posterior: beta-TC and FactorVAE."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional

from latentia.core.needs import ADVERSARY, BATCHWISE, BOUND, FACTORISED, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.networks.base import dense
from latentia.objectives.adversary import Adversary, checked_betas
from latentia.objectives.base import Objective, at_least
from latentia.objectives.elbo import ELBO
from latentia.objectives.schedules import Constant, Schedule
from latentia.probability import factors


def split_rate(q: Distribution, p: Distribution, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Divide log q(z|x) - log p(z) into mutual information, total correlation and dimension-wise KL.

    They are log q(z|x) - log q(z), log q(z) - sum_j log q(z_j) and sum_j log q(z_j) - log p(z), with the
    equal mixture of the batch's M posteriors for the aggregate q(z): exact where the batch is all the
    data, else with an information of log M at most and a correlation that is too high.

    This is minibatch-weighted sampling less its constants: there a mixture component weighs 1/(N M), not
    1/M, N being the number of training examples, which adds (D - 1) log N to the correlation of D
    dimensions and nothing to a gradient. (Weights that make q(z) unbiased, 1/N for the own example, were
    measured too: in small batches their gradient can point away from that of the exact correlation.)

    Args:
        q: the posterior, a product over dimensions, batch shape `(M,)`.
        p: the prior, broadcastable against it.
        z: samples of q, shape `(S, M, *latent)`.

    Returns:
        The three parts, each `(M,)`, in nats; their sum is the Monte Carlo estimate of the KL.

    References:
        Ricky T. Q. Chen et al., "Isolating Sources of Disentanglement in Variational Autoencoders", 2018.
    """
    each = factors(q).log_prob(z.unsqueeze(2)).flatten(start_dim=3)  # (S, M, M, D)
    size = math.log(z.shape[1])
    joint = each.sum(dim=3).logsumexp(dim=2) - size
    marginals = (each.logsumexp(dim=2) - size).sum(dim=2)
    own, prior = q.log_prob(z), p.log_prob(z)
    parts = (own - joint, joint - marginals, marginals - prior)
    return parts[0].mean(dim=0), parts[1].mean(dim=0), parts[2].mean(dim=0)


@register("objective", "beta_tc")
class BetaTC(Objective):
    r"""The ELBO with weights on the parts of its rate: alpha * MI + beta * TC + gamma * dimension-wise KL.

    Distortion and rate are the ELBO's, example by example; what the weights add to 1 is the penalty,
    (alpha - 1) MI + (beta - 1) TC + (gamma - 1) dimension-wise KL, estimated over the batch by `split_rate`.
    The diagnostics hold the three parts. A batch of one has no others to compare with: its MI and TC are 0.

    References:
        Ricky T. Q. Chen et al., "Isolating Sources of Disentanglement in Variational Autoencoders", 2018.
    """

    needs: Words = Objective.needs | {FACTORISED}
    gives: Words = frozenset({BOUND, BATCHWISE})

    def __init__(
        self,
        beta: float = 6.0,
        alpha: float = 1.0,
        gamma: float = 1.0,
        samples: int = 1,
        schedule: Schedule = Constant(),  # noqa: B008
    ) -> None:
        """Set the weights.

        Args:
            beta: weight of the total correlation.
            alpha: weight of the mutual information.
            gamma: weight of the dimension-wise KL.
            samples: latent samples for each example.
            schedule: what the weights' distance from 1 is multiplied with along the run.
        """
        at_least(0, beta=beta, alpha=alpha, gamma=gamma)
        self.weights = (alpha - 1, beta - 1, gamma - 1)
        self.schedule = schedule
        self.elbo = ELBO(samples=samples)
        self.samples = samples

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        terms = self.elbo(state)
        parts = split_rate(state.q, state.p_z, state.z)
        added = sum((weight * part for weight, part in zip(self.weights, parts)), start=torch.zeros(()))
        names = ("mutual_information", "total_correlation", "dimension_wise_kl")
        diagnostics = {**terms.diagnostics, **dict(zip(names, parts))}
        return replace(terms, penalty=self.schedule(progress) * added, diagnostics=diagnostics)


class Discriminator(Adversary):
    """Tells latents of the aggregate posterior from latents whose dimensions were shuffled in the batch.

    Its output is a logit; at the optimum it is the density ratio log q(z) - sum_j log q(z_j).
    """

    def __init__(
        self, latent: tuple[int, ...], hidden: tuple[int, ...], lr: float, betas: tuple[float, ...]
    ) -> None:
        """Build the network with random weights.

        Args:
            latent: shape of one latent.
            hidden: widths of the hidden layers.
            lr: peak learning rate of its Adam.
            betas: decay of the two moments of its Adam.
        """
        super().__init__()
        self.lr = lr
        self.betas = checked_betas(betas)
        layers = dense([math.prod(latent), *hidden], "leaky_relu")
        self.network = nn.Sequential(*layers, nn.Linear(hidden[-1], 1))

    def forward(self, z: Tensor) -> Tensor:
        """Give the logit of `(S, B, *latent)`, shape `(S, B)`."""
        return self.network(z.flatten(start_dim=2)).squeeze(-1).float()

    def logits(self, state: Pass) -> tuple[Tensor, Tensor]:
        """Judge latents, and shuffled ones; see `Adversary`."""
        z = state.z.detach().flatten(start_dim=2)
        order = torch.rand(z.shape[1:], device=z.device).argsort(dim=0)
        shuffled = z.gather(1, order.expand_as(z))
        return self(z), self(shuffled)

    def losses(self, true: Tensor, false: Tensor) -> Tensor:
        """Give the cross-entropy of telling both apart, in nats; see `Adversary`."""
        return 0.5 * (functional.softplus(-true) + functional.softplus(false)).mean(dim=0)


@register("objective", "factor")
class FactorVAE(Objective):
    r"""The ELBO and gamma * TC, the density ratio of TC learnt by a discriminator.

    The adversarial term of an example is gamma times the discriminator's logit at its latents. The
    discriminator is kept in checkpoints alone: that term has a meaning in training, the others always.

    References:
        Hyunjik Kim, Andriy Mnih, "Disentangling by Factorising", 2018 (there six layers of 1000 units).
    """

    needs: Words = Objective.needs | {FACTORISED, ADVERSARY}

    def __init__(
        self,
        latent: tuple[int, ...],
        gamma: float = 10.0,
        hidden: tuple[int, ...] = (256, 256, 256),
        lr: float = 1e-4,
        betas: tuple[float, ...] = (0.5, 0.9),
        samples: int = 1,
    ) -> None:
        """Set the weight and build the discriminator.

        Args:
            latent: shape of one latent; the program provides it.
            gamma: weight of the total correlation, on top of the ELBO.
            hidden: widths of the discriminator's hidden layers.
            lr: peak learning rate of the discriminator's Adam.
            betas: decay of the two moments of the discriminator's Adam.
            samples: latent samples for each example.
        """
        at_least(0, gamma=gamma, lr=lr)
        at_least(1, samples=samples, hidden=min(hidden, default=0))
        self.gamma = gamma
        self.adversary: Discriminator = Discriminator(latent, hidden, lr, betas)
        self.elbo = ELBO(samples=samples)
        self.samples = samples

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`. The diagnostics hold `total_correlation`, one logit's worth each."""
        terms = self.elbo(state)
        ratio = self.adversary.frozen(state.z).mean(dim=0)
        diagnostics = {**terms.diagnostics, "total_correlation": ratio}
        return replace(terms, adversarial=self.gamma * ratio, diagnostics=diagnostics)
