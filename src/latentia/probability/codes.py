"""Distributions over codes: a choice from a finite set of vectors at every place of a grid."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl

from latentia.core.needs import CODES, Words
from latentia.core.registry import register
from latentia.core.types import Coder
from latentia.probability.delta import Delta
from latentia.probability.precision import exact
from latentia.probability.priors import Prior


class Coded(Delta):
    """All mass at one choice of codes, whose vectors are the point.

    Codes have probabilities, not densities, so unlike a `Delta` it has a finite KL from a prior over codes.
    """

    def __init__(self, loc: Tensor, event_dims: int, codes: Tensor, commitment: Tensor) -> None:
        """Choose codes.

        Args:
            loc: their vectors, shape `(B, *latent)`.
            event_dims: how many dimensions a latent has.
            codes: the codes, int64, shape `(B, *codes)`.
            commitment: what the choice cost, 1/2 the squared distance moved, shape `(B,)`.
        """
        super().__init__(loc, event_dims)
        self.codes = codes
        self.commitment = commitment

    def log_prob(self, value: Tensor) -> Tensor:
        """Give the log of a probability: 0 at the point and minus infinity elsewhere."""
        return super().log_prob(value).clamp(max=0.0)

    def entropy(self) -> Tensor:
        """Give 0: nothing is left to chance."""
        return self.loc.new_zeros(self.batch_shape)


DISTANCES = 1 << 22
"""Distances from vectors that are held at a time."""


class CodeChoice(Distribution):
    r"""An independent choice of one of K vectors at every place of a grid.

    `rsample` draws codes exactly and gives their vectors; its gradient is that of the relaxation
    softmax((logits + Gumbel noise) / temperature). What is computed from a draw is therefore what the model
    says of codes, in training as in evaluation, and the temperature is a matter of gradients alone.

    References:
        Eric Jang, Shixiang Gu, Ben Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017 (the
        straight-through estimator).
        Chris Maddison, Andriy Mnih, Yee Whye Teh, "The Concrete Distribution", 2017.
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore
    support: constraints.Constraint = constraints.real_vector  # pyright: ignore

    def __init__(self, logits: Tensor, table: Tensor, temperature: float) -> None:
        """Set the odds.

        Args:
            logits: log odds of the codes, shape `(B, *grid, K)`.
            table: the vectors, shape `(K, D)`.
            temperature: of the relaxation.
        """
        self.log_odds = logits.log_softmax(dim=-1)
        self.table = table
        self.temperature = temperature
        super().__init__(
            logits.shape[:1], torch.Size((table.shape[1], *logits.shape[1:-1])), validate_args=False
        )

    @property
    def codes(self) -> Tensor:
        """The likeliest codes, shape `(B, *grid)`."""
        return self.log_odds.argmax(dim=-1)

    @property
    def commitment(self) -> Tensor:
        """Zero, shape `(B,)`: nothing was moved."""
        return self.log_odds.new_zeros(self.batch_shape)

    @property
    def mean(self) -> Tensor:
        """The vectors of the likeliest codes: a mean over vectors would be none of them."""
        return self._placed(self.table[self.codes])

    @property
    def variance(self) -> Tensor:
        """The variance of the vectors, shape `(B, *latent)`."""
        odds = self.log_odds.exp()
        with exact(odds):
            return self._placed(odds @ self.table.square() - (odds @ self.table).square())

    def entropies(self) -> tuple[Tensor, Tensor]:
        """Give the mean entropy of an example's places, `(B,)`, and that of the mean choice, `()`; nats."""
        odds = self.log_odds.exp().reshape(len(self.log_odds), -1, len(self.table))  # (B, places, K)
        own = torch.special.entr(odds).sum(dim=2).mean(dim=1)
        return own, torch.special.entr(odds.mean(dim=(0, 1))).sum()

    def _placed(self, vectors: Tensor) -> Tensor:
        """Move the vectors' dimension to where a latent has its channels."""
        return vectors.movedim(-1, -len(self.event_shape))

    def relaxed(self, sample_shape: torch.Size | tuple[int, ...] = (), hard: bool = False) -> Tensor:
        """Draw weights of the codes.

        Args:
            sample_shape: how many.
            hard: give the code drawn, as weights of 0 and 1 with the relaxation's gradient.

        Returns:
            Shape `(*sample_shape, B, *grid, K)`.
        """
        logits = self.log_odds.expand(*sample_shape, *self.log_odds.shape)
        return F.gumbel_softmax(logits, self.temperature, hard=hard)

    def rsample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw vectors, shape `(*sample_shape, B, *latent)`."""
        with exact(self.table):
            return self._placed(self.relaxed(sample_shape, hard=True) @ self.table)

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw vectors without a gradient, in memory for the codes alone; see `rsample`."""
        odds = self.log_odds.exp().flatten(end_dim=-2)
        codes = torch.multinomial(odds, math.prod(sample_shape), replacement=True).T
        return self._placed(self.table[codes.reshape(*sample_shape, *self.log_odds.shape[:-1])])

    def log_prob(self, value: Tensor) -> Tensor:
        """Give the log probability of the codes whose vectors these are, shape of the batch."""
        points = value.movedim(-len(self.event_shape), -1)
        codes = nearest(points, self.table)
        odds = self.log_odds.expand(*codes.shape, -1).gather(-1, codes.unsqueeze(-1)).squeeze(-1)
        places = len(self.event_shape) - 1
        return odds.flatten(start_dim=-places).sum(dim=-1) if places else odds


def codes_of(q: Distribution) -> Tensor:
    """Give the likeliest codes of a posterior over codes.

    Args:
        q: the posterior.

    Returns:
        Shape `(B, *code_shape)`, int64.

    Raises:
        TypeError: if it is over continuous latents.
    """
    if isinstance(q, Coded | CodeChoice):
        return q.codes
    raise TypeError(f"{type(q).__name__} is no posterior over codes")


def codes_drawn(q: Distribution, z: Tensor) -> Tensor:
    """Give the codes that latents drawn from a posterior over codes stand for.

    Args:
        q: the posterior.
        z: a draw of each example, shape `(B, *latent)`.

    Returns:
        Shape `(B, *code_shape)`, int64.
    """
    if isinstance(q, CodeChoice):
        return nearest(z.movedim(1, -1), q.table)
    return codes_of(q)  # a certain choice has nothing else to draw


def nearest(points: Tensor, table: Tensor) -> Tensor:
    """Find the nearest vector of a table.

    Args:
        points: shape `(*, D)`.
        table: shape `(K, D)`.

    Returns:
        Its index, shape `(*)`.
    """
    flat = points.reshape(-1, points.shape[-1])
    # A graph is for any number of points, and so is not divided by it.
    parts = [flat] if torch.compiler.is_compiling() else flat.split(max(1, DISTANCES // len(table)))
    with exact(table):
        norms = table.square().sum(dim=1)
        found = [torch.addmm(norms, part, table.T, alpha=-2).argmin(dim=1) for part in parts]
    return torch.cat(found).view(points.shape[:-1])


class UniformChoice(Distribution):
    """Every code as likely as any other, at every place of the grid."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore
    support: constraints.Constraint = constraints.real_vector  # pyright: ignore

    def __init__(self, coder: Coder) -> None:
        """Take the set of codes.

        Args:
            coder: the codes and their vectors.
        """
        self.coder = coder
        self.nats = math.prod(coder.code_shape) * math.log(coder.size)
        """-log of the probability of any choice of codes."""
        super().__init__(torch.Size(), torch.Size(coder.latent), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The mean over all codes, shape `latent`."""
        return self.coder.moments()[0]

    @property
    def variance(self) -> Tensor:
        """The variance over all codes, shape `latent`."""
        return self.coder.moments()[1]

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw codes and give their vectors, shape `(*sample_shape, *latent)`."""
        shape = (*sample_shape, *self.coder.code_shape)
        return self.coder.vectors(torch.randint(self.coder.size, shape, device=self.mean.device))

    def log_prob(self, value: Tensor) -> Tensor:
        """Give the log probability of the codes whose vectors these are."""
        return value.new_full(value.shape[: value.dim() - len(self.event_shape)], -self.nats)


@register_kl(Coded, UniformChoice)
def _kl_coded_uniform(q: Coded, p: UniformChoice) -> Tensor:
    return q.loc.new_full(q.batch_shape, p.nats)


@register_kl(CodeChoice, UniformChoice)
def _kl_choice_uniform(q: CodeChoice, p: UniformChoice) -> Tensor:
    return p.nats + (q.log_odds.exp() * q.log_odds).flatten(start_dim=1).sum(dim=1)


@register("prior", "uniform_codes")
class UniformCodes(Prior):
    """Every code as likely as any other: the prior under which a code costs log K nats."""

    needs: ClassVar[Words] = frozenset({CODES})

    def __init__(self, latent: tuple[int, ...], posterior: Coder) -> None:
        """Make the prior.

        Args:
            latent: shape of one latent.
            posterior: whose codes these are. It is no part of the prior: its weights are the model's.
        """
        super().__init__(latent)
        self._choice = UniformChoice(posterior)

    def forward(self, c: Tensor | None = None) -> Distribution:
        """Give the uniform distribution; see `Prior`."""
        return self._choice
