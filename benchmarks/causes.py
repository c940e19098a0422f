"""Why latentia is slower or faster than the floor: the same bare loop with one cause taken away at a time."""

from __future__ import annotations

import resource
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

from benchmarks import floor, ours
from benchmarks.contestants import WARM_UP, Apart, Contestant, in_turns
from benchmarks.images import training_images
from benchmarks.result import Cell, Result
from benchmarks.workload import CONV, MLP, RESNET, Lap, Workload
from latentia.core.memory import kept_memory

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


def _flushed(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train the floor with subnormal numbers taken as zero.

    Threads take that over when they start: it is set in the first turn of a process, before any has.
    """
    torch.set_flush_denormal(True)
    return floor.train(workload, images, epochs)


def _kept(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train the floor with freed memory kept, as latentia keeps it."""
    with kept_memory(torch.device("cpu")):
        return floor.train(workload, images, epochs)


TRAININGS: dict[str, Contestant] = {
    "latentia": ours.train,
    "floor": floor.train,
    "floor, subnormal numbers flushed": _flushed,
    "floor, freed memory kept": _kept,
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
    contestants = {name: Apart(partial(_turn, train)) for name, train in TRAININGS.items()}
    found: dict[str, list[Turn]] = {name: [] for name in contestants}
    warm = images[: min(WARM_UP * workload.batch, len(images) // 2)]
    try:
        for contestant in contestants.values():
            contestant(workload, warm, 1)
        for name in in_turns(contestants, rounds):
            found[name].append(contestants[name](workload, images, epochs))
    finally:
        for contestant in contestants.values():
            contestant.dismiss()
    return found


def _turn(train: Contestant, workload: Workload, images: np.ndarray, epochs: int) -> Turn:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    Path("/proc/self/clear_refs").write_text("5")  # what is the most begins anew
    lap = train(workload, images, epochs)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return Turn(lap.speed, faults * workload.batch / lap.images, peak * 1024 / 1e6)
