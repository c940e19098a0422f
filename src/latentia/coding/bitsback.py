"""Bits-back coding: latents are paid for by what the stack gives back when they are drawn from it.

An example x is pushed by popping a latent z under q(z|x), pushing x under p(x|z) and pushing z under p(z): on
average -log2 p(x|z) - log2 p(z) + log2 q(z|x) bits, the negative ELBO. The first example of a block finds an
empty stack: it is pushed with a latent that is chosen, near the posterior's mean and as fine as pays off.
Blocks know nothing of each other, and so are worked on side by side, their networks evaluated together.

References:
    Brendan Frey, Geoffrey Hinton, "Efficient Stochastic Source Coding and an Application to a Bayesian
    Network Source Model", 1997.
    James Townsend, Tom Bird, David Barber, "Practical Lossless Compression with Latent Variables using Bits
    Back Coding", 2019.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from latentia.coding.masses import Bisection, Masses, cost
from latentia.coding.stages import Stage, choices_of, read
from latentia.coding.stack import LEAST, Stack


@dataclass
class Block:
    """What a block of examples became.

    Attributes:
        content: its bits.
        rounds: by how many binary choices a chosen latent is coded.
        chosen: the examples whose latents were chosen, for want of bits to draw them with; the first is one.
        bound: what the others cost by the bound, with the latents that they were coded with, in bits.
    """

    content: bytes = b""
    rounds: int = 1
    chosen: list[int] = field(default_factory=list)
    bound: float = 0.0


class Walk(abc.ABC):
    """The latents of some examples, found level by level: each level's posterior knows those above.

    Attributes:
        z: the latents so far, `(B, D)`, int64.
    """

    z: np.ndarray

    @abc.abstractmethod
    def q(self) -> Masses | None:
        """Give the masses of the next level's latents, of shape `(B, D_l)`; None behind the last one."""

    @abc.abstractmethod
    def mean(self) -> np.ndarray:
        """Give the latents next to the means of that level, `(B, D_l)`, int64."""

    @abc.abstractmethod
    def take(self, z: np.ndarray) -> None:
        """Go on with latents of that level."""


class Model(abc.ABC):
    """What bits-back coding asks of a model: masses in whole numbers, the same on every machine."""

    prior_rounds: int
    """By how many binary choices a number of a latent is coded."""

    @abc.abstractmethod
    def posterior(self, x: np.ndarray) -> np.ndarray:
        """Give what `q` reads of examples, one row each, from their symbols `(B, symbols)`."""

    @abc.abstractmethod
    def walk(self, rows: np.ndarray) -> Walk:
        """Begin to find latents of examples, whose rows of `posterior` these are."""

    @abc.abstractmethod
    def prior(self, count: int) -> Masses:
        """Give the masses of p(z), of shape `(count, D)`."""

    @abc.abstractmethod
    def p(self, z: np.ndarray) -> list[Stage]:
        """Give the stages by which examples are coded, from latents `(B, D)`."""

    def coarse(self, z: np.ndarray, rounds: int | np.ndarray) -> np.ndarray:
        """Keep the first binary choices of latents, and take the middle of what is left."""
        width = 1 << (self.prior_rounds - rounds)
        return z // width * width + width // 2


AT_ONCE = 64
"""Examples that are encoded together, and latents that are tried together."""


def encode(
    model: Model, blocks: Sequence[np.ndarray], advance: Callable[[int], object] | None = None
) -> list[Block]:
    """Code blocks of examples, side by side.

    Args:
        model: what codes them.
        blocks: their symbols, each of shape `(N, symbols)` with N at least 1.
        advance: told after each step how many examples it coded.

    Returns:
        What each became; it does not depend on the others.
    """
    lanes = [_Lane(model, x) for x in blocks]
    for at in range(max(map(len, blocks))):
        active = [lane for lane in lanes if at < len(lane.x)]
        rows = np.stack([lane.row(at) for lane in active])
        z, drawn, spent = _drawn(model, active, rows, at)
        parts = choices_of(model.p(z), np.stack([lane.x[at] for lane in active]))
        z_bits, z_chances = model.prior(len(active)).choices(z)
        costs = sum(cost(*part) for part in parts) + cost(z_bits, z_chances) - spent
        for number, lane in enumerate(active):
            for bits, chances in reversed(parts):
                lane.stack.push(bits[:, number].ravel(), chances[:, number].ravel())
            rounds = model.prior_rounds if drawn[number] else lane.block.rounds
            lane.stack.push(z_bits[:rounds, number].ravel(), z_chances[:rounds, number].ravel())
            lane.block.bound += costs[number] if drawn[number] else 0.0
        if advance is not None:
            advance(len(active))
    for lane in lanes:
        lane.block.content = lane.stack.content
    return [lane.block for lane in lanes]


class _Lane:
    """A block at work."""

    def __init__(self, model: Model, x: np.ndarray) -> None:
        self.model, self.x = model, x
        self.stack, self.block = Stack(), Block()
        self._rows = np.empty(0)
        self._from = -AT_ONCE

    def row(self, at: int) -> np.ndarray:
        """Give what q reads of an example; those after it are encoded with it."""
        if not self._from <= at < self._from + AT_ONCE:
            self._from = at
            self._rows = self.model.posterior(self.x[at : at + AT_ONCE])
        return self._rows[at - self._from]


def _drawn(
    model: Model, lanes: list[_Lane], rows: np.ndarray, at: int
) -> tuple[np.ndarray, list[bool], np.ndarray]:
    """Pop latents from the stacks, and choose them where a stack holds too little.

    Gives the latents, which of them were popped, and the bits that these took from the stacks.
    """
    plenty = 24 * model.prior_rounds * model.prior(1).shape[1] + 2 * LEAST  # enough for any latent at all
    before = [lane.stack.copy() if lane.stack.size < plenty else None for lane in lanes]
    walk, spent = model.walk(rows), np.zeros(len(lanes))
    while (masses := walk.q()) is not None:
        found = popped(masses, [lane.stack for lane in lanes])
        spent += cost(*masses.choices(found))
        walk.take(found)
    z, drawn = walk.z, [True] * len(lanes)
    for number, (lane, kept) in enumerate(zip(lanes, before, strict=True)):
        if kept is None or lane.stack.size >= LEAST:
            continue
        drawn[number], lane.stack = False, kept
        row = rows[number : number + 1]
        if not lane.block.chosen:
            lane.block.rounds = _best_rounds(model, row, lane.x[at])
        lane.block.chosen.append(at)
        z[number] = _chosen(model, row, np.array([[lane.block.rounds]]))[0]
    return z, drawn, spent


def _chosen(model: Model, rows: np.ndarray, rounds: np.ndarray) -> np.ndarray:
    """Give latents next to the means, as fine as so many binary choices of each row, `(B, 1)`, say."""
    walk = model.walk(rows)
    while walk.q() is not None:
        walk.take(model.coarse(walk.mean(), rounds))
    return walk.z


def _best_rounds(model: Model, row: np.ndarray, x: np.ndarray) -> int:
    """Choose how finely an example's latent is best given where all of it has to be paid for."""
    turns = np.arange(model.prior_rounds)
    z = _chosen(model, np.repeat(row, len(turns), axis=0), turns[:, None] + 1)
    data = sum(cost(*part) for part in choices_of(model.p(z), np.broadcast_to(x, (len(z), *x.shape))))
    bits, chances = model.prior(len(z)).choices(z)
    latent = [
        cost(bits[: turn + 1, turn : turn + 1], chances[: turn + 1, turn : turn + 1])[0] for turn in turns
    ]
    return int(np.argmin(np.array(latent) + data)) + 1


def popped(masses: Masses, stacks: Sequence[Stack], rounds: int | None = None) -> np.ndarray:
    """Pop symbols, those of each row from a stack of its own.

    Args:
        masses: shape `(B, ...)`.
        stacks: B stacks.
        rounds: how many binary choices; all by default.

    Returns:
        The symbols, int64; where choices are left out, the least that those made allow.
    """
    search = Bisection(masses)
    bits = np.empty(masses.shape, np.int32)
    for _ in range(masses.rounds if rounds is None else rounds):
        chances = search.chance()
        for number, stack in enumerate(stacks):
            bits[number] = stack.pop(chances[number])
        search.choose(bits)
    return search.start.astype(np.int64)


def decode(
    model: Model,
    blocks: Sequence[Block],
    counts: Sequence[int],
    advance: Callable[[int], object] | None = None,
) -> list[np.ndarray | None]:
    """Give back the examples of blocks, side by side.

    Args:
        model: what coded them.
        blocks: the blocks.
        counts: how many examples each holds.
        advance: told after each step how many examples it gave back.

    Returns:
        Symbols of each, `(N, symbols)`, int64; None for a block that is damaged.
    """
    stacks = [stack_of(block.content) for block in blocks]
    found: list[list[np.ndarray]] = [[] for _ in blocks]
    chosen = [set(block.chosen) for block in blocks]
    for at in range(max(counts, default=0) - 1, -1, -1):
        active = [number for number, count in enumerate(counts) if at < count]
        z = _latents(model, blocks, chosen, stacks, active, at)
        own = [stacks[number] for number in active]
        x = read(model.p(z), len(z), partial(popped, stacks=own))
        for number, row in zip(active, x, strict=True):
            found[number].append(row)
        drawn = [place for place, number in enumerate(active) if at not in chosen[number]]
        if drawn:
            _give_back(model, x[drawn], z[drawn], [own[place] for place in drawn])
        if advance is not None:
            advance(len(active))
    whole = zip(stacks, found, strict=True)
    return [np.stack(rows[::-1]) if stack.empty and rows else None for stack, rows in whole]


def _give_back(model: Model, x: np.ndarray, z: np.ndarray, stacks: Sequence[Stack]) -> None:
    """Push latents under q(z|x): what was popped last is pushed first."""
    walk, parts, start = model.walk(model.posterior(x)), [], 0
    while (masses := walk.q()) is not None:
        own = z[:, start : start + masses.shape[1]]
        parts.append(masses.choices(own))
        walk.take(own)
        start += masses.shape[1]
    for bits, chances in reversed(parts):
        for number, stack in enumerate(stacks):
            stack.push(bits[:, number].ravel(), chances[:, number].ravel())


def stack_of(content: bytes) -> Stack:
    """Take the content of a stack; one that cannot be is read as another, and fails when it is checked.

    Args:
        content: what `Stack.content` gave, or something else.

    Returns:
        The stack.
    """
    try:
        return Stack(content)
    except ValueError:
        return Stack(content + b"\1\0\0\0")


def _latents(
    model: Model,
    blocks: Sequence[Block],
    chosen: Sequence[set[int]],
    stacks: Sequence[Stack],
    active: list[int],
    at: int,
) -> np.ndarray:
    """Pop latents under the prior: as many binary choices of each as were made."""
    groups: dict[int, list[int]] = {}
    for place, number in enumerate(active):
        rounds = blocks[number].rounds if at in chosen[number] else model.prior_rounds
        groups.setdefault(rounds, []).append(place)
    parts = []
    for rounds, places in groups.items():
        z = popped(model.prior(len(places)), [stacks[active[place]] for place in places], rounds)
        parts.append(z if rounds == model.prior_rounds else model.coarse(z, rounds))
    order = np.argsort(np.concatenate([np.array(places) for places in groups.values()]))
    return np.concatenate(parts)[order]
