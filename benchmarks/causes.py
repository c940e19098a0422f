"""Why latentia is slower or faster than the floor: the same bare loop with one cause taken away at a time."""

from __future__ import annotations

import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

from benchmarks import floor, ours
from benchmarks.contestants import WARM_UP, Contestant
from benchmarks.images import training_images
from benchmarks.result import Cell, Result
from benchmarks.workload import CONV, MLP, RESNET, Lap, Workload

CASES = (
    (MLP, 468, 1),
    (MLP, 468, 5),
    (CONV, 100, 1),
    (RESNET, 30, 1),
    (replace(RESNET, batch=1024), 8, 1),
)
"""Network and batch, steps of an epoch, epochs."""


class Turn(NamedTuple):
    """What a turn gave.

    Attributes:
        speed: images per second.
        faults: pages that the system had to clear, per step; a turn's first uses of memory are among them.
        peak: the most resident memory in this turn, in MB.
    """

    speed: float
    faults: float
    peak: float


def flushed(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train the floor with subnormal numbers taken as zero.

    Threads take that over when they start: it is set in the first turn of a process, before any has.

    Args:
        workload: network and loss.
        images: uint8, shape `(N, 1, 28, 28)`.
        epochs: passes over the images.

    Returns:
        The measurement.
    """
    torch.set_flush_denormal(True)
    return floor.train(workload, images, epochs)


def kept(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train the floor with freed memory kept, as latentia keeps it.

    Args:
        workload: network and loss.
        images: uint8, shape `(N, 1, 28, 28)`.
        epochs: passes over the images.

    Returns:
        The measurement.
    """
    from latentia.memory import kept_memory

    with kept_memory(torch.device("cpu")):
        return floor.train(workload, images, epochs)


CONTESTANTS: dict[str, Contestant] = {
    "latentia": ours.train,
    "floor": floor.train,
    "floor, subnormal numbers flushed": flushed,
    "floor, freed memory kept": kept,
}


def run(rounds: int) -> Result:
    """Measure all of them in all cases.

    Args:
        rounds: how often each has its turn.

    Returns:
        A row for each case and contestant.
    """
    images, name = training_images()
    rows: list[dict[str, Cell]] = []
    for workload, steps, epochs in CASES:
        turns = _turns(workload, images[: steps * workload.batch], epochs, rounds)
        base = median(turn.speed for turn in turns["floor"])
        for contestant, found in turns.items():
            speed = median(turn.speed for turn in found)
            rows.append(
                {
                    "network": workload.network,
                    "batch": workload.batch,
                    "epochs": epochs,
                    "contestant": contestant,
                    "images/s": round(speed),
                    "to the floor": round(speed / base, 2),
                    "pages cleared a step": round(median(turn.faults for turn in found)),
                    "peak MB": round(max(turn.peak for turn in found)),
                }
            )
    notes = [
        f"{name}; Adam, float32, {torch.get_num_threads()} threads; medians of {rounds} rounds in turns, "
        "each contestant and case in a process of its own; pages cleared: first uses of memory included",
        "in five epochs the moments of pixels that are hardly ever white have become subnormal numbers, "
        "with which a CPU is slow; latentia sets them to zero",
        "what glibc gives back to the system comes back as pages to be cleared; latentia keeps it",
    ]
    return Result("Causes", rows, notes)


def _turns(workload: Workload, images: np.ndarray, epochs: int, rounds: int) -> dict[str, list[Turn]]:
    pools = {name: ProcessPoolExecutor(1, get_context("spawn")) for name in CONTESTANTS}
    try:
        found: dict[str, list[Turn]] = {name: [] for name in CONTESTANTS}
        warm = images[: min(WARM_UP * workload.batch, len(images) // 2)]
        for name, pool in pools.items():
            pool.submit(_turn, CONTESTANTS[name], workload, warm, 1).result()
        for _ in range(rounds):
            for name, pool in pools.items():
                found[name].append(pool.submit(_turn, CONTESTANTS[name], workload, images, epochs).result())
        return found
    finally:
        for pool in pools.values():
            pool.shutdown()


def _turn(
    train: Callable[[Workload, np.ndarray, int], Lap], workload: Workload, images: np.ndarray, epochs: int
) -> Turn:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    Path("/proc/self/clear_refs").write_text("5")  # what is the most begins anew
    lap = train(workload, images, epochs)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return Turn(lap.speed, faults * workload.batch / lap.images, peak * 1024 / 1e6)
