"""Bits-back coding: latents are paid for by what the stack gives back when they are drawn from it.

An example x is pushed by popping a latent z under q(z|x), pushing x under p(x|z) and pushing z under p(z): on
average -log2 p(x|z) - log2 p(z) + log2 q(z|x) bits, the negative ELBO. The first example of a block finds an
empty stack: it is pushed with a latent that is chosen, near the posterior's mean and as fine as pays off.
Blocks know nothing of each other, and so are worked on side by side, their networks evaluated together.

Where latents form a chain x, z_1, ..., z_L of which both p and q are Markov chains, they are coded by links,
each of which does this with the one before in the place of x, and only the last has its z pushed under p(z):
z_1 is popped and x pushed, z_2 is popped and z_1 pushed. So the first example has to have one level chosen.

References:
    Brendan Frey, Geoffrey Hinton, "Efficient Stochastic Source Coding and an Application to a Bayesian
    Network Source Model", 1997.
    James Townsend, Tom Bird, David Barber, "Practical Lossless Compression with Latent Variables using Bits
    Back Coding", 2019.
    Friso Kingma, Pieter Abbeel, Jonathan Ho, "Bit-Swap: Recursive Bits-Back Coding for Lossless Compression
    with Hierarchical Latent Variables", 2019 (the order along a chain).
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress

import numpy as np

from latentia.coding.masses import Bisection, Masses, cost
from latentia.coding.stack import LEAST, Stack
from latentia.coding.stages import Choices, Stage, choices_of, read


@dataclass
class Block:
    """What a block of examples became.

    Attributes:
        content: its bits.
        rounds: by how many binary choices a chosen latent is coded.
        chosen: what was chosen, for want of bits to draw it with: of example n, where there are L links,
            that of link l counted from 0 is number n L + l. The first is 0.
        drawn: of how many examples everything was drawn.
        bound: what these cost by the bound, with the latents that they were coded with, in bits.
    """

    content: bytes = b""
    rounds: int = 1
    chosen: list[int] = field(default_factory=list)
    drawn: int = 0
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

    @property
    def links(self) -> Sequence[Model]:
        """The links of the chain, of which the first codes data, and each one after it the latents before."""
        return (self,)

    @abc.abstractmethod
    def posterior(self, x: np.ndarray) -> np.ndarray:
        """Give what `q` reads of examples, one row each, from their symbols `(B, symbols)`."""

    @abc.abstractmethod
    def walk(self, rows: np.ndarray) -> Walk:
        """Begin to find latents of examples, whose rows of `posterior` these are."""

    @abc.abstractmethod
    def prior(self, count: int) -> Masses:
        """Give the masses of p(z), of shape `(count, D)`; of any, where p(z) depends on a next link."""

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
    lanes, links = [_Lane(model, x) for x in blocks], model.links
    for at in range(max(map(len, blocks))):
        active = [lane for lane in lanes if at < len(lane.x)]
        x, drawn = np.stack([lane.x[at] for lane in active]), [True] * len(active)
        whole, costs = np.ones(len(active), bool), np.zeros(len(active))
        for number, link in enumerate(links):
            rows = link.posterior(x) if number else np.stack([lane.row(at) for lane in active])
            before = drawn
            z, drawn, spent = _drawn(link, active, rows, x, at * len(links) + number)
            parts = choices_of(link.p(z), x)
            for part in reversed(parts):
                _push(active, part, before)
            costs += sum(cost(*part) for part in parts) - spent
            whole &= drawn
            x = z
        last = links[-1].prior(len(active)).choices(x)
        _push(active, last, drawn)
        costs += cost(*last)
        for lane, bits in zip(compress(active, whole), costs[whole], strict=True):
            lane.block.drawn += 1
            lane.block.bound += bits
        if advance is not None:
            advance(len(active))
    for lane in lanes:
        lane.block.content = lane.stack.content
    return [lane.block for lane in lanes]


def _push(lanes: list[_Lane], part: Choices, drawn: list[bool]) -> None:
    """Push binary choices: of what was chosen as many as it is coded by."""
    bits, chances = part
    for number, lane in enumerate(lanes):
        most = None if drawn[number] else lane.block.rounds
        lane.stack.push(bits[:most, number].ravel(), chances[:most, number].ravel())


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
    model: Model, lanes: list[_Lane], rows: np.ndarray, x: np.ndarray, place: int
) -> tuple[np.ndarray, list[bool], np.ndarray]:
    """Pop latents of x from the stacks, and choose them where a stack holds too little.

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
            lane.block.rounds = _best_rounds(model, row, x[number])
        lane.block.chosen.append(place)
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


def popped(masses: Masses, stacks: Sequence[Stack], rounds: Sequence[int] | None = None) -> np.ndarray:
    """Pop symbols, those of each row from a stack of its own.

    Args:
        masses: shape `(B, ...)`.
        stacks: B stacks.
        rounds: how many binary choices each row has; all by default.

    Returns:
        The symbols, int64; where choices are left out, the least that those made allow.
    """
    search = Bisection(masses)
    bits = np.empty(masses.shape, np.int32)
    for turn in range(masses.rounds):
        chances = search.chance()
        for number, stack in enumerate(stacks):
            left_out = rounds is not None and turn >= rounds[number]
            bits[number] = 0 if left_out else stack.pop(chances[number])
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
    chosen, links = [set(block.chosen) for block in blocks], model.links
    for at in range(max(counts, default=0) - 1, -1, -1):
        active = [number for number, count in enumerate(counts) if at < count]
        own = [stacks[number] for number in active]
        z = np.empty((len(active), 0), np.int64)
        for number in range(len(links), -1, -1):
            x = _given(model, blocks, chosen, own, active, at, number, z)
            drawn = [
                place for place, block in enumerate(active) if at * len(links) + number not in chosen[block]
            ]
            if number < len(links) and drawn:
                _give_back(links[number], x[drawn], z[drawn], [own[place] for place in drawn])
            z = x
        for number, row in zip(active, z, strict=True):
            found[number].append(row)
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


def _given(
    model: Model,
    blocks: Sequence[Block],
    chosen: Sequence[set[int]],
    stacks: Sequence[Stack],
    active: list[int],
    at: int,
    number: int,
    z: np.ndarray,
) -> np.ndarray:
    """Pop what a link has in the place of x, given its latents; behind the last one, its latents."""
    links = model.links
    if not number:
        return read(links[0].p(z), len(z), partial(popped, stacks=stacks))
    link, own = links[number - 1], at * len(links) + number - 1  # whose latents they are
    rounds = [blocks[block].rounds if own in chosen[block] else link.prior_rounds for block in active]
    pop = partial(popped, stacks=stacks, rounds=rounds)  # as many binary choices of each as were made
    top, count = number == len(links), len(active)
    found = pop(link.prior(count)) if top else read(links[number].p(z), count, pop)
    return link.coarse(found, np.array(rounds)[:, None])
