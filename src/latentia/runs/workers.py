"""Processes that code parts of a file: each opens the run, and has its coder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from latentia.coding.bitsback import Block
from latentia.core.errors import ConfigError
from latentia.core.pool import Pool, pool
from latentia.core.threads import cores
from latentia.runs.kept_coders import kept_name
from latentia.runs.own import bound_to_session
from latentia.runs.unfinished import Stopped

if TYPE_CHECKING:
    from latentia.runs.applied import Applied

LANES = 16
"""Blocks that are worked on side by side."""
ENOUGH = 4
"""Blocks that are worth starting a process for."""
FEWER = 8
"""The same in each of several processes, which tell of their progress, and end, behind them alone."""
_opened: list[Any] = []
"""The run, in a process that codes."""


def _open(opens: Callable[[Path], Any], folder: Path) -> None:
    torch.set_num_threads(1)
    _opened.append(opens(folder))


def here() -> Any:
    """Give the run, in a process that codes."""
    return _opened[0]


@contextlib.contextmanager
def coders(run: Applied, which: str, count: int | None, parts: int, each: int) -> Iterator[Pool]:
    """Start processes that code by a run; this one alone, if that is all.

    It is also this one alone where others would not find the same coder: in a folder that it cannot be kept
    in, or for a run whose parts are objects of this program.

    Args:
        run: the run.
        which: the name of the coder among its attributes.
        count: how many; by default one for each core, if there are enough parts.
        parts: how many parts there are, of which each process has one at least.
        each: how many parts are worth starting a process for.

    Yields:
        What does tasks.

    Raises:
        ConfigError: if less than one process is asked for.
        Stopped: if one cannot be started, or dies.
    """
    if count is not None and count < 1:
        raise ConfigError(f"workers is {count}; a number from 1 on is needed")
    died = Stopped(
        f"{run.folder.path}: a process that coded died, for want of memory perhaps; go on with the same "
        "command, --resume and --workers 1"
    )
    count = max(1, min(cores(), parts // each) if count is None else min(count, parts))
    if count > 1 and (
        bound_to_session(run.recipe) or kept_name(run, which) != getattr(run, which).name.hex()
    ):
        count = 1
    kind: Any = type(run)
    with pool(count, died, _open, kind.open, run.folder.path) as processes:
        yield processes


def grouped(numbers: range, pool: Pool) -> Iterator[range]:
    """Give blocks that are worked on side by side, so few that each process has some.

    Args:
        numbers: of all blocks.
        pool: what works on them.

    Yields:
        Some of them, at most `LANES`.
    """
    lanes = max(1, min(LANES if pool.count == 1 else FEWER, -(-len(numbers) // pool.count)))
    for at in range(0, len(numbers), lanes):
        yield numbers[at : at + lanes]


def encode(parts: list[np.ndarray], which: str) -> list[Block]:
    """Code blocks in another process; see `Compressor`.

    Args:
        parts: their symbols.
        which: the name of the coder among the run's attributes.

    Returns:
        What they became.
    """
    return getattr(here(), which).encode(parts)


def decode(blocks: Sequence[Block], counts: Sequence[int], which: str) -> list[np.ndarray | None]:
    """Give blocks back in another process; see `Compressor`.

    Args:
        blocks: the blocks.
        counts: how many examples each holds.
        which: the name of the coder among the run's attributes.

    Returns:
        The symbols of each; None for a block that is damaged.
    """
    return getattr(here(), which).decode(blocks, counts)
