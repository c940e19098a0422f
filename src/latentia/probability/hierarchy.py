"""A joint distribution of several levels of latents, each level given those above or below it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal, constraints

ROWS = 2048
"""Latents that go through the levels together where no gradient is kept: memory holds no more."""

Choose = Callable[[int, Normal], Tensor]
"""Chooses z_l, shape `(*batch, D_l)`, from its level's number and its distribution given those before."""


@dataclass(frozen=True, slots=True)
class Walked:
    """What one walk through the levels found.

    Attributes:
        z: the latents chosen, the levels side by side, shape `(*batch, D)`.
        given: the distribution of each number given the levels walked before it, batch shape `(*batch, D)`.
    """

    z: Tensor
    given: Normal


class Hierarchy(Distribution):
    r"""p(z) = p(z_1) prod_l p(z_l | z_1 .. z_{l-1}), each factor a product of normals.

    An event is all levels side by side, shape `(D,)`, the first level first. What the factors are is the
    business of a walk: from the first level to the last it has each level chosen and goes on from there.
    One that goes up begins with the last level: p(z) = p(z_L) prod_l p(z_l | z_{l+1} .. z_L).

    Along a given z the joint density is that of one normal for each number, `given(z)`; that of the
    z drawn last is kept, so that nothing is walked twice.

    `mean` follows the means: each level at its mean given the means before it. `variance` holds the
    conditional variances on that way. Neither is a moment of the joint distribution where a level depends
    on those above other than linearly.
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore
    support: constraints.Constraint = constraints.real_vector  # pyright: ignore

    def __init__(
        self,
        walk: Callable[[torch.Size, Choose], Walked],
        sizes: tuple[int, ...],
        batch_shape: torch.Size,
        known: Walked | None = None,
        *,
        upward: bool = False,
    ) -> None:
        """Take the walk.

        Args:
            walk: from the batch shape of what is wanted and a choice of each level to what was found.
            sizes: how many numbers each level has.
            batch_shape: `()`, or `(B,)` where the factors depend on B examples.
            known: a walk that was taken already.
            upward: the walk goes from the last level to the first.
        """
        self._walk = walk
        self.upward = upward
        self.sizes = sizes
        self._known = known
        super().__init__(batch_shape, torch.Size((sum(sizes),)), validate_args=False)

    def given(self, z: Tensor) -> Normal:
        """Give the distribution of each number of z given the levels that were walked before it.

        Args:
            z: latents, shape `(*batch, D)`.

        Returns:
            A normal of batch shape `(*batch, D)`: its log density, summed over D, is that of the joint.
        """
        known = self._known
        if known and known.z is z and (known.given.loc.requires_grad or not torch.is_grad_enabled()):
            return known.given
        return _joined([self._along(part) for part in self._split(z)]).given

    def _along(self, z: Tensor) -> Walked:
        levels = z.split(self.sizes, dim=-1)
        return self._walk(z.shape[:-1], lambda level, _: levels[level])

    def _split(self, z: Tensor) -> tuple[Tensor, ...]:
        whole = torch.is_grad_enabled() or z.dim() <= len(self.batch_shape) + 1
        return (z,) if whole else z.split(self._chunk(z.shape[1:-1]))

    def _chunk(self, rest: torch.Size) -> int:
        return max(1, ROWS // max(1, math.prod(rest)))

    def log_prob(self, value: Tensor) -> Tensor:
        """Give the joint log density, shape `(*batch)`."""
        return self.given(value).log_prob(value).sum(dim=-1)

    def rsample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw the levels one after the other."""
        shape = torch.Size((*sample_shape, *self.batch_shape))
        return self._walk(shape, lambda _, normal: normal.rsample()).z

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw without a gradient, some at a time, and keep what was passed on the way."""
        count, *rest = sample_shape or (1,)
        shape = torch.Size((*rest, *self.batch_shape))
        chunk = self._chunk(shape)
        sizes = [min(chunk, count - done) for done in range(0, count, chunk)]
        found = _joined(
            [self._walk(torch.Size((n, *shape)), lambda _, normal: normal.rsample()) for n in sizes]
        )
        if not sample_shape:
            return found.z[0]
        self._known = found
        return found.z

    def redraw(self, z: Tensor, kept: int) -> Tensor:
        """Keep the first levels and draw the others.

        Args:
            z: latents, shape `(*batch, D)`.
            kept: how many levels to keep.

        Returns:
            Shape of `z`.
        """
        levels = z.split(self.sizes, dim=-1)
        return self._walk(
            z.shape[:-1], lambda level, normal: levels[level] if level < kept else normal.rsample()
        ).z

    def tempered(self, temperature: float) -> Hierarchy:
        """Scale the deviation of every level given those above it.

        Args:
            temperature: the factor.

        Returns:
            Another distribution.
        """

        def walk(shape: torch.Size, choose: Choose) -> Walked:
            def cooled(level: int, normal: Normal) -> Tensor:
                return choose(level, Normal(normal.loc, temperature * normal.scale, validate_args=False))

            found = self._walk(shape, cooled)
            normal = Normal(found.given.loc, temperature * found.given.scale, validate_args=False)
            return Walked(found.z, normal)

        return Hierarchy(walk, self.sizes, self.batch_shape, upward=self.upward)

    @property
    def mean(self) -> Tensor:
        """Each level at its mean given the means above it."""
        return self._walk(self.batch_shape, lambda _, normal: normal.loc).z

    @property
    def variance(self) -> Tensor:
        """The variance of each level given the means above it."""
        return self._walk(self.batch_shape, lambda _, normal: normal.loc).given.variance


def _joined(parts: list[Walked]) -> Walked:
    if len(parts) == 1:
        return parts[0]
    loc, scale = (torch.cat([getattr(part.given, name) for part in parts]) for name in ("loc", "scale"))
    return Walked(torch.cat([part.z for part in parts]), Normal(loc, scale, validate_args=False))
