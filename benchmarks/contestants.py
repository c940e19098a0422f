"""Who takes part in the training benchmarks, and how their turns are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from benchmarks import floor, jax_peer, lightning_peer, ours, peer
from benchmarks.workload import Lap, Workload

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


class Apart:
    """A contestant in a process of its own: what it does to its process helps or harms no other.

    One is the C library's allocator, which latentia tells to keep what is freed.
    """

    def __init__(self, train: Contestant) -> None:
        """Take a contestant; the process starts with its first turn and ends with `dismiss`.

        Args:
            train: trains and gives the measurement.
        """
        self.train = train
        self.process: ProcessPoolExecutor | None = None

    def __call__(self, workload: Workload, images: np.ndarray, epochs: int) -> Lap:
        """Train there.

        Args:
            workload: network and loss.
            images: uint8, shape `(N, 1, 28, 28)`.
            epochs: passes over the images.

        Returns:
            The measurement.
        """
        if self.process is None:
            self.process = ProcessPoolExecutor(1, get_context("spawn"))
        return self.process.submit(self.train, workload, images, epochs).result()

    def dismiss(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.shutdown()
            self.process = None


OWN = {
    "latentia": Apart(ours.train),
    "floor": Apart(floor.train),
    "latentia compiled": Apart(ours.train_compiled),
    "floor compiled": Apart(floor.train_compiled),
}
PEERS = {"pythae": peer, "Flax": jax_peer, "Lightning": lightning_peer}
APART = {name: Apart(module.train) for name, module in PEERS.items()}


def present(workload: Workload, compiled: bool, peers: bool) -> tuple[dict[str, Contestant], list[str]]:
    """Gather the contestants that can run here.

    Args:
        workload: network and loss.
        compiled: whether latentia and the floor also run compiled.
        peers: whether other libraries take part.

    Returns:
        Contestants by name, and the names of those that are not installed.
    """
    found: dict[str, Contestant] = {
        name: train for name, train in OWN.items() if compiled or "compiled" not in name
    }
    if not peers:
        return found, []
    wanted = [name for name in PEERS if name != "pythae" or not workload.binarise]  # which it does not know
    found |= {name: APART[name] for name in wanted if PEERS[name].available()}
    return found, [name for name in wanted if name not in found]


def dismiss() -> None:
    """End the processes of all contestants, so that other benchmarks have the machine to themselves."""
    for contestant in (*OWN.values(), *APART.values()):
        contestant.dismiss()


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
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
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
