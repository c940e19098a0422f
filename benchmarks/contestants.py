"""Who takes part in the training benchmarks, and how their turns are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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


def present(workload: Workload, compiled: bool, peers: bool) -> tuple[dict[str, Contestant], list[str]]:
    """Gather the contestants that can run here.

    Args:
        workload: network and loss.
        compiled: whether latentia and the floor also run compiled.
        peers: whether other libraries take part.

    Returns:
        Contestants by name, and the names of those that are not installed.
    """
    found: dict[str, Contestant] = {"latentia": ours.train, "floor": floor.train}
    if compiled:
        found |= {"latentia compiled": ours.train_compiled, "floor compiled": floor.train_compiled}
    if not peers:
        return found, []
    others = {"pythae": peer, "Flax": jax_peer, "Lightning": lightning_peer}
    if workload.binarise:
        del others["pythae"]  # it has no dynamic binarisation
    found |= {name: module.train for name, module in others.items() if module.available()}
    return found, [name for name in others if name not in found]


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
