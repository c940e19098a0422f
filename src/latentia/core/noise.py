"""Noise as a function of seeds: torch's generators, seeded for a while or for the next draw.

`torch.manual_seed` and `torch.random.fork_rng` look at every kind of device there may be, which takes longer
than to encode an image with a small network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


def _generators() -> list[torch.Generator]:
    """Give the generators that anything has been drawn from: the CPU's and those of devices in use."""
    found = [torch.default_generator, *torch.cuda.default_generators]
    if torch.backends.mps.is_available():
        found.append(torch.mps._get_default_mps_generator())
    return found


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a seed inside the context and leave torch's generators untouched.

    Args:
        seed: the seed.

    Yields:
        Nothing.
    """
    before = [(generator, generator.get_state()) for generator in _generators()]
    for generator, _ in before:
        generator.manual_seed(seed)
    try:
        yield
    finally:
        for generator, state in before:
            generator.set_state(state)


def mixed(*numbers: int) -> int:
    """Make one seed of some numbers, of neighbouring ones very different seeds.

    Args:
        numbers: not negative.

    Returns:
        64 bits.
    """
    seed = 0
    for number in numbers:
        seed = (seed ^ number) * 0x9E3779B97F4A7C15 % 2**64
        seed ^= seed >> 29
    return seed


def seed_next(*numbers: int) -> None:
    """Make what is drawn next a function of some numbers alone.

    Args:
        numbers: not negative, such as seed, step and part.
    """
    seed = mixed(*numbers)
    for generator in _generators():
        generator.manual_seed(seed)
