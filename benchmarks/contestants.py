"""Who takes part in the training benchmarks, and how their turns are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Generic, TypeVar

import numpy as np

from benchmarks import floor, jax_peer, lightning_peer, ours, peer
from benchmarks.workload import Lap, Workload

R = TypeVar("R")
Contestant = Callable[[Workload, np.ndarray, int], Lap]
WARM_UP = 50
"""Steps before the first turn, twice."""
RIVALS = {
    "latentia": "latentia",
    "floor": "latentia",
    "latentia compiled": "latentia compiled",
    "floor compiled": "latentia compiled",
    "pythae": "latentia",
    "Flax": "latentia",
    "Lightning": "latentia",
}
"""Whom each is compared with: eager with eager, compiled with compiled."""


class Apart(Generic[R]):
    """A contestant in a process of its own: what it does to its process helps or harms no other.

    One such thing is the C library's allocator, which latentia tells to keep what is freed.
    """

    def __init__(self, train: Callable[[Workload, np.ndarray, int], R]) -> None:
        """Take a contestant; the process starts with its first turn and ends with `dismiss`.

        Args:
            train: trains and gives the measurement; a function of a module, or `partial` of one.
        """
        self.train = train
        self.process: ProcessPoolExecutor | None = None

    def __call__(self, workload: Workload, images: np.ndarray, epochs: int) -> R:
        """Train there; see the contestant's own `train`."""
        if self.process is None:
            self.process = ProcessPoolExecutor(1, get_context("spawn"))
        return self.process.submit(self.train, workload, images, epochs).result()

    def dismiss(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.shutdown()
            self.process = None


PEERS = {"pythae": peer, "Flax": jax_peer, "Lightning": lightning_peer}
CONTESTANTS = {
    "latentia": Apart(ours.train),
    "floor": Apart(floor.train),
    "latentia compiled": Apart(ours.train_compiled),
    "floor compiled": Apart(floor.train_compiled),
    **{name: Apart(module.train) for name, module in PEERS.items()},
}


def present(workload: Workload, compiled: bool, peers: bool) -> tuple[dict[str, Contestant], list[str]]:
    """Gather the contestants that can run here.

    Args:
        workload: network and loss.
        compiled: whether latentia and the floor also run compiled.
        peers: whether other libraries take part.

    Returns:
        Contestants by name, and the names of those that are not installed.
    """
    names = ["latentia", "floor"]
    if compiled:
        names += ["latentia compiled", "floor compiled"]
    others = [name for name in PEERS if peers and not (name == "pythae" and workload.binarise)]
    missing = [name for name in others if not PEERS[name].available()]  # pythae cannot binarise anew
    return {name: CONTESTANTS[name] for name in [*names, *others] if name not in missing}, missing


def dismiss() -> None:
    """End the processes of all contestants, so that other benchmarks have the machine to themselves."""
    for contestant in CONTESTANTS.values():
        contestant.dismiss()


def in_turns(names: Iterable[str], rounds: int) -> Iterator[str]:
    """Say whose turn it is, with another one first in each round.

    Args:
        names: of the contestants.
        rounds: how many turns each has.

    Yields:
        A name.
    """
    names = list(names)
    for turn in range(rounds):
        shift = turn % len(names)
        yield from names[shift:] + names[:shift]


def race(
    contestants: Mapping[str, Contestant], workload: Workload, images: np.ndarray, rounds: int, seconds: float
) -> dict[str, list[Lap]]:
    """Let them take turns, with another one first in each round.

    Args:
        contestants: by name.
        workload: network and loss.
        images: uint8, shape `(N, 1, 28, 28)`.
        rounds: how many turns each has.
        seconds: how long a turn of the fastest is, roughly.

    Returns:
        The laps of each.
    """
    names = list(contestants)
    warm = [contestants[name](workload, images[: WARM_UP * workload.batch], 1) for name in names]
    sizes = {name: lap.parameters for name, lap in zip(names, warm, strict=True)}
    if len(set(sizes.values())) > 1:
        raise RuntimeError(f"the contestants' networks differ in parameters: {sizes}")
    wanted = max(lap.speed for lap in warm) * seconds
    count, epochs = length(wanted, len(images), workload.batch)
    laps: dict[str, list[Lap]] = {name: [] for name in names}
    for name in in_turns(names, rounds):
        laps[name].append(contestants[name](workload, images[:count], epochs))
    return laps


def length(wanted: float, available: int, batch: int) -> tuple[int, int]:
    """Say how to train on about this many images.

    Args:
        wanted: images in all.
        available: images that there are.
        batch: images in a step.

    Returns:
        How many images to use, and for how many epochs.
    """
    if wanted >= available:
        return available, round(wanted / available)
    return max(1, int(wanted / batch)) * batch, 1
