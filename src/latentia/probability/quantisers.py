"""Quantisers: posteriors whose latents are vectors from a finite set, with codes that name them."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.core.errors import ConfigError
from latentia.core.needs import CODE_ENTROPY, CODES, Words
from latentia.core.registry import name_of, register
from latentia.probability.codes import CodeChoice, Coded, nearest
from latentia.probability.moving import Moving
from latentia.probability.posteriors import Posterior
from latentia.probability.precision import exact


def _at_least(value: int, least: int, where: str) -> int:
    if value < least:
        raise ConfigError(f"'{where}' must be at least {least}, not {value}")
    return value


class Quantiser(Posterior):
    """A posterior over codes: one of `size` vectors at each place of the grid `latent[1:]`, `levels` times.

    The latent at a place is the sum of the vectors of its codes, one from the table of each level.
    """

    gives: ClassVar[Words] = frozenset({CODES})
    pointwise: ClassVar[bool] = True
    certain: ClassVar[bool] = True
    """Whether an example has its codes for certain; if not, q(codes|x) can be sampled."""
    size: int
    levels: int = 1

    @property
    def code_shape(self) -> tuple[int, ...]:
        """The shape of the codes of one example: the grid, then the levels where there are several."""
        return (*self.latent[1:], self.levels) if self.levels > 1 else self.latent[1:]

    @property
    def tables(self) -> Tensor:
        """The vectors of all codes, shape `(levels, size, D)`."""
        raise TypeError("a quantiser defines its own tables")

    def vectors(self, codes: Tensor) -> Tensor:
        """Turn codes into latents.

        Args:
            codes: shape `(*batch, *code_shape)`, from 0 to `size - 1`; of a grid of any size.

        Returns:
            Shape `(*batch, *latent)`.
        """
        index = codes if self.levels > 1 else codes.unsqueeze(-1)
        vectors = [table[place] for table, place in zip(self.tables, index.unbind(-1), strict=True)]
        return torch.stack(vectors).sum(dim=0).movedim(-1, -len(self.latent))

    def moments(self) -> tuple[Tensor, Tensor]:
        """Give mean and variance of the latent where all codes are equally likely, each of shape `latent`."""
        tables, shape = self.tables, (-1, *(1,) * (len(self.latent) - 1))
        mean, variance = tables.mean(dim=1).sum(dim=0), tables.var(dim=1, correction=0).sum(dim=0)
        return mean.view(shape).expand(self.latent), variance.view(shape).expand(self.latent)

    def _points(self, features: Tensor) -> Tensor:
        """Bring the channels last: `(B, D, *grid)` to `(B, *grid, D)`."""
        return features.movedim(-len(self.latent), -1)

    def _coded(self, features: Tensor, points: Tensor, codes: Tensor, commitment: Tensor) -> Coded:
        """Put the chosen vectors in the place of the features, and let gradients pass."""
        quantised = points.movedim(-1, -len(self.latent)).detach()
        loc = self._passed(features, quantised)
        shape = (features.shape[0], *features.shape[2:], *(self.levels,) * (self.levels > 1))
        return Coded(loc, len(self.latent), codes.view(shape), commitment)

    def _passed(self, features: Tensor, chosen: Tensor) -> Tensor:
        """Give the chosen vectors with a gradient by the features, all of it: straight through."""
        return chosen + (features - features.detach())


class Codebook(nn.Module, Moving):
    r"""K vectors that follow the mean of the points that chose them.

    With n_k the points of a batch nearest to e_k, and s_k their sum, N_k <- d N_k + (1 - d) n_k,
    S_k <- d S_k + (1 - d) s_k and e_k = S_k / N_k: k-means over a moving window of batches, in buffers. A
    code whose N_k falls to `revive` times the average starts anew at a point of the batch, drawn with
    probability proportional to its squared distance from its code, as the start of k-means++ is. All codes
    start dead, so the first batch of training places them.
    """

    table: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, size: int, dim: int, decay: float, revive: float) -> None:
        """Make the vectors.

        Args:
            size: how many, K.
            dim: their dimension, D.
            decay: what a step leaves of the past, d.
            revive: share of the average use below which a code is dead.
        """
        super().__init__()
        self.decay, self.revive = decay, revive
        self.register_buffer("table", torch.randn(size, dim))
        self.register_buffer("counts", torch.zeros(size))
        self.register_buffer("sums", torch.zeros(size, dim))

    @torch.no_grad()
    def observe(self, points: Tensor, codes: Tensor) -> None:
        """Move the vectors towards the points that chose them, and revive those that nobody chooses.

        Args:
            points: shape `(M, D)`.
            codes: the code of each, shape `(M,)`.
        """
        size = len(self.table)
        far = (points - self.table[codes]).square().sum(dim=1) + torch.finfo(points.dtype).tiny
        self.see(
            torch.bincount(codes, minlength=size).to(self.counts),
            torch.zeros_like(self.sums).index_add_(0, codes, points),
            points[torch.multinomial(far, size, replacement=True)],
        )

    @torch.no_grad()
    def move(self, *seen: Tensor) -> None:
        """Move by n, s and a point for each code that may be dead; see `Moving`."""
        chosen, total, fresh = seen
        self.counts.lerp_(chosen, 1 - self.decay)
        self.sums.lerp_(total, 1 - self.decay)
        share = chosen.sum() / len(chosen)
        dead = self.counts <= self.revive * share  # also at 0, where a code has no mean
        self.counts.copy_(torch.where(dead, share, self.counts))
        self.sums.copy_(torch.where(dead.unsqueeze(1), share * fresh, self.sums))
        self.table.copy_(self.sums / self.counts.unsqueeze(1))

    def merge(self, *seen: Tensor) -> tuple[Tensor, ...]:
        """Take the points in turn from the parts, as their mean is no point of the batch; see `Moving`."""
        chosen, total, fresh = seen
        code = torch.arange(fresh.shape[1], device=fresh.device)
        return chosen.mean(dim=0), total.mean(dim=0), fresh[code % len(fresh), code]


@register("posterior", "residual_codebook")
class ResidualCodebook(Quantiser):
    r"""Codes of codes: each level's codebook quantises what the levels before it left.

    r_1 is the encoder's output, e_l the vector nearest to r_l, r_{l+1} = r_l - e_l, and z = sum_l e_l. A
    place has K^L values at the price of L K vectors. The commitment is sum_l |r_l - e_l|^2 / 2.

    References:
        Doyup Lee et al., "Autoregressive Image Generation using Residual Quantization", 2022.
        Neil Zeghidour et al., "SoundStream: An End-to-End Neural Audio Codec", 2021.
    """

    def __init__(
        self,
        latent: tuple[int, ...],
        size: int = 64,
        levels: int = 4,
        decay: float = 0.99,
        revive: float = 0.05,
    ) -> None:
        """Make the codebooks.

        Args:
            latent: shape of one latent; its first dimension is the vectors'.
            size: vectors of each level, K.
            levels: how many levels, L.
            decay: what a step leaves of the codebook's past.
            revive: share of the average use below which a code starts anew.

        Raises:
            ConfigError: if a setting is out of its range.
        """
        super().__init__(latent)
        self.size = _at_least(size, 2, "posterior.size")
        self.levels = _at_least(levels, 1, "posterior.levels")
        for name, value in (("decay", decay), ("revive", revive)):
            if not 0 <= value < 1:
                raise ConfigError(f"'posterior.{name}' must be at least 0 and below 1, not {value}")
        self.books = nn.ModuleList(Codebook(size, latent[0], decay, revive) for _ in range(levels))

    @property
    def tables(self) -> Tensor:
        """The vectors of all codes; see `Quantiser`."""
        return torch.stack([book.table for book in self._books])

    @property
    def _books(self) -> list[Codebook]:
        return [book for book in self.books if isinstance(book, Codebook)]

    def forward(self, features: Tensor) -> Distribution:
        """Choose the nearest codes, level by level; see `Posterior`."""
        with exact(features):
            points = self._points(features)
            chosen = torch.zeros_like(points).detach()
            commitment, codes = points.new_zeros(points.shape[0]), []
            for book in self._books:
                left = (points.detach() - chosen).flatten(0, -2)
                index = nearest(left, book.table)
                chosen = chosen + book.table[index].view_as(chosen)
                if self.training:
                    book.observe(left, index)
                codes.append(index)
                commitment = commitment + 0.5 * (points - chosen).square().flatten(1).sum(dim=1)
            return self._coded(features, chosen, torch.stack(codes, dim=-1), commitment)


@register("posterior", "ema_codebook")
class EMACodebook(ResidualCodebook):
    r"""The nearest of K vectors, which follow the encoder as moving averages: the VQ-VAE's posterior.

    z = e_k with k = argmin_k |f(x) - e_k| at each place. Gradients pass straight through to the encoder.

    References:
        Aaron van den Oord, Oriol Vinyals, Koray Kavukcuoglu, "Neural Discrete Representation Learning", 2017.
        Ali Razavi, Aaron van den Oord, Oriol Vinyals, "Generating Diverse High-Fidelity Images with
        VQ-VAE-2", 2019 (moving averages).
        Prafulla Dhariwal et al., "Jukebox: A Generative Model for Music", 2020 (revival).
    """

    def __init__(
        self, latent: tuple[int, ...], size: int = 512, decay: float = 0.99, revive: float = 0.05
    ) -> None:
        """Make the codebook.

        Args:
            latent: shape of one latent; its first dimension is the vectors'.
            size: how many vectors, K.
            decay: what a step leaves of the codebook's past.
            revive: share of the average use below which a code starts anew.
        """
        super().__init__(latent, size, 1, decay, revive)


@register("posterior", "finite_scalar")
class FiniteScalar(Quantiser):
    r"""Every channel rounded to one of a few values: a codebook that is a grid and needs no learning.

    v = tanh(f(x)), and channel d is moved to the middle of its interval among L_d equal ones of [-1, 1]. The
    L_1 L_2 ... codes count through the channels, the first one fastest.

    References:
        Fabian Mentzer, David Minnen, Eirikur Agustsson, Michael Tschannen, "Finite Scalar Quantization:
        VQ-VAE Made Simple", 2024.
    """

    values: Tensor
    places: Tensor
    grid_table: Tensor

    MOST = 65_536
    """Codes at the most: their vectors are kept in a table."""

    def __init__(self, latent: tuple[int, ...], levels: tuple[int, ...] = (8,)) -> None:
        """Lay out the grid.

        Args:
            latent: shape of one latent; its first dimension is the number of channels.
            levels: values of each channel; one number is that of all.

        Raises:
            ConfigError: if there are not as many levels as channels, fewer than 2 values or too many codes.
        """
        super().__init__(latent)
        channels, name = latent[0], name_of("posterior", type(self))
        for value in levels or (0,):
            _at_least(value, 2, "posterior.levels")
        if len(levels) not in (1, channels):
            raise ConfigError(
                f"posterior '{name}' has {len(levels)} levels and the latent {channels} channels; use "
                f"model.latent_dim={len(levels)}, or give posterior.levels {channels} values"
            )
        levels = levels * channels if len(levels) == 1 else levels
        self.size = math.prod(levels)
        if self.size > self.MOST:
            raise ConfigError(
                f"posterior '{name}' would have {self.size:,} codes, and {self.MOST:,} are the most; "
                "use model.latent_dim=4, or lower posterior.levels"
            )
        self.register_buffer("values", torch.tensor(levels), persistent=False)
        self.register_buffer("places", self.values.cumprod(0) // self.values, persistent=False)
        digits = torch.arange(self.size).unsqueeze(1) // self.places % self.values
        self.register_buffer("grid_table", self.grid(digits), persistent=False)

    def grid(self, digits: Tensor) -> Tensor:
        """Give the points of whole numbers from 0 to L - 1, the middles of the intervals, shape `(*, D)`."""
        return (2 * digits + 1) / self.values - 1

    def bounded(self, features: Tensor) -> Tensor:
        """Bring features `(B, D, *grid)` to where the points are."""
        return features.tanh()

    @property
    def tables(self) -> Tensor:
        """The points of the grid; see `Quantiser`."""
        return self.grid_table.unsqueeze(0)

    def codes_of(self, points: Tensor) -> Tensor:
        """Find the codes of points of [-1, 1]^D.

        Args:
            points: shape `(*, D)`.

        Returns:
            Shape `(*)`.
        """
        digits = ((points + 1) / 2 * self.values).floor().long()
        return (digits.clamp(min=torch.zeros_like(self.values), max=self.values - 1) * self.places).sum(
            dim=-1
        )

    def forward(self, features: Tensor) -> Distribution:
        """Round; see `Posterior`."""
        squashed = self.bounded(features)
        codes = self.codes_of(self._points(squashed))
        return self._coded(squashed, self.grid_table[codes], codes, features.new_zeros(features.shape[0]))


@register("posterior", "gumbel_codebook")
class GumbelCodebook(Quantiser):
    r"""A choice among K learned vectors by chance, with the gradient of its Gumbel-softmax relaxation.

    The encoder gives the K log odds at each place, and the KL from the uniform prior is
    sum over places of log K - H(q).

    References:
        Eric Jang, Shixiang Gu, Ben Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017.
        Aditya Ramesh et al., "Zero-Shot Text-to-Image Generation", 2021.
    """

    gives: ClassVar[Words] = Quantiser.gives | {CODE_ENTROPY}
    certain: ClassVar[bool] = False

    def __init__(self, latent: tuple[int, ...], size: int = 512, temperature: float = 1.0) -> None:
        """Make the vectors.

        Args:
            latent: shape of one latent; its first dimension is the vectors'.
            size: how many vectors, K.
            temperature: of the relaxation whose gradient is taken.

        Raises:
            ConfigError: if a setting is out of its range.
        """
        super().__init__(latent)
        self.size = _at_least(size, 2, "posterior.size")
        if not temperature > 0:
            raise ConfigError(f"'posterior.temperature' must be positive, not {temperature}")
        self.temperature = temperature
        self.table = nn.Parameter(torch.randn(size, latent[0]))

    @property
    def features(self) -> tuple[int, ...]:
        """Log odds in the place of the channels."""
        return (self.size, *self.latent[1:])

    @property
    def tables(self) -> Tensor:
        """The learned vectors; see `Quantiser`."""
        return self.table.unsqueeze(0)

    def forward(self, features: Tensor) -> Distribution:
        """Give the choice; see `Posterior`."""
        return CodeChoice(self._points(features), self.table, self.temperature)
