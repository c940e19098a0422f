"""The symbols of examples in stages, each of which knows those before: colours, or what cells leave open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from latentia.coding.masses import Even, Masses

Stage = Callable[[np.ndarray], Masses]
"""Gives the masses of its symbols, of shape `(B, n)`, from all symbols of the stages before it, `(B, m)`."""
Choices = tuple[np.ndarray, np.ndarray]
"""Binary choices, and the probability of a one in each."""


def choices_of(stages: Sequence[Stage], symbols: np.ndarray) -> list[Choices]:
    """Give the binary choices of examples, stage by stage.

    Args:
        stages: theirs.
        symbols: those of all stages, side by side, shape `(B, symbols)`.

    Returns:
        Those of each stage, in the order in which a reader makes them.
    """
    found, start = [], 0
    for stage in stages:
        masses = stage(symbols[:, :start])
        end = start + masses.shape[1]
        found.append(masses.choices(symbols[:, start:end]))
        start = end
    return found


def read(stages: Sequence[Stage], count: int, pop: Callable[[Masses], np.ndarray]) -> np.ndarray:
    """Read examples, stage by stage.

    Args:
        stages: theirs.
        count: how many examples there are.
        pop: reads symbols by their masses.

    Returns:
        The symbols of all stages, side by side, int64, shape `(count, symbols)`.
    """
    found = np.empty((count, 0), np.int64)
    for stage in stages:
        found = np.concatenate([found, pop(stage(found))], axis=1)
    return found


def fixed(stages: Sequence[Stage], count: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Make up examples by which machines are compared.

    Args:
        stages: theirs.
        count: how many.

    Returns:
        The symbols of all stages, shape `(count, symbols)`, and what coding them takes.
    """
    taken: list[np.ndarray] = []

    def made(masses: Masses) -> np.ndarray:
        if isinstance(masses, Even):  # of which no machine computes anything, and which may have one symbol
            return np.zeros(masses.shape, np.int64)
        x = np.arange(np.prod(masses.shape)).reshape(masses.shape) * 7919 % masses.n
        taken.extend(masses.choices(x))
        return x

    return read(stages, count, made), taken
