"""Posteriors of some examples, and draws of the prior beside them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentia.core.noise import seeded
from latentia.core.types import LatentModel
from latentia.data.loader import Loader
from latentia.metrics.terms import blocks
from latentia.probability import codes_of


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
def encode_split(model: LatentModel, loader: Loader, *, limit: int | None = None, seed: int = 0) -> Codes:
    """Encode a split, always with the same noise.

    Args:
        model: in evaluation mode.
        loader: the split.
        limit: encode no block of examples after this many; all by default.
        seed: seed of the noise in data and latents.

    Returns:
        The posteriors.
    """
    posteriors, drawn, told = [], [], []
    for noise, rows in blocks(loader, seed, limit):
        with seeded(noise):
            batch = loader.batch(rows)
            c = model.complete(batch.x, batch.c)
            posteriors.append(model.encode(batch.x, c))
            drawn.append(posteriors[-1].sample())
            told.append(c)
    c = None if loader.c is None else torch.cat(told)
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
