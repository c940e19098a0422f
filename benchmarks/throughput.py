"""Training images per second: latentia's trainer, a bare loop, and pythae, in turns in one process."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks import floor, ours, peer
from benchmarks.images import training_images
from benchmarks.result import Cell, Result
from benchmarks.workload import BATCH, WORKLOADS, Lap, Workload

Contestant = Callable[[Workload, np.ndarray, int], Lap]
WARM_UP = 50 * BATCH


def run(rounds: int, seconds: float) -> Result:
    """Measure all workloads.

    Args:
        rounds: how often each contestant has its turn.
        seconds: how long a turn is, roughly.

    Returns:
        Medians of the speeds, and of the ratios within a round.
    """
    images, name = training_images()
    rows: list[dict[str, Cell]] = []
    raw: dict[str, Any] = {}
    for workload in WORKLOADS:
        laps = _race(workload, images, rounds, seconds)
        rows += _rows(workload, laps)
        raw[f"{workload.network}, {workload.loss}"] = {
            contestant: [[round(lap.speed), lap.images, round(lap.seconds, 4)] for lap in runs]
            for contestant, runs in laps.items()
        }
    notes = [
        f"{name}; batch {BATCH}, Adam, float32, {torch.get_num_threads()} threads, no validation",
        f"{rounds} rounds in turns of about {seconds:g} s; ratio: latentia's speed over the contestant's in "
        "the same round, median (least to most), and the ratio of the best rounds, which stands other work "
        "on the machine better",
        "floor: a bare loop with uint8 tensors in memory and fused Adam; latentia: progress bar, log and its "
        "share of a checkpoint included",
        "loss: mean over the lap in nats; pythae has no dynamic binarisation",
    ]
    if not peer.available():
        notes.append("pythae is not installed here: use make bench")
    return Result("Training throughput", rows, notes, {"speed, images, seconds": raw})


def _race(workload: Workload, images: np.ndarray, rounds: int, seconds: float) -> dict[str, list[Lap]]:
    """Let the contestants take turns, with another one first in each round."""
    contestants: dict[str, Contestant] = {"latentia": ours.train, "floor": floor.train}
    if peer.available() and not workload.binarise:
        contestants["pythae"] = peer.train
    warm = [train(workload, images[:WARM_UP], 1) for train in (*contestants.values(),) * 2]
    _require_same_size(warm, list(contestants))
    count, epochs = _length(max(lap.speed for lap in warm) * seconds, len(images))
    laps: dict[str, list[Lap]] = {name: [] for name in contestants}
    names = list(contestants)
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            laps[name].append(contestants[name](workload, images[:count], epochs))
    return laps


def _length(wanted: float, available: int) -> tuple[int, int]:
    """Give the images and epochs of a turn that trains on about this many images."""
    if wanted >= available:
        return available, round(wanted / available)
    return max(1, int(wanted / BATCH)) * BATCH, 1


def _require_same_size(laps: list[Lap], names: list[str]) -> None:
    sizes = {name: lap.parameters for name, lap in zip(names, laps)}
    if len(set(sizes.values())) > 1:
        raise RuntimeError(f"the contestants' networks differ in parameters: {sizes}")


def _rows(workload: Workload, laps: dict[str, list[Lap]]) -> list[dict[str, Cell]]:
    rows: list[dict[str, Cell]] = []
    best = {name: max(lap.speed for lap in runs) for name, runs in laps.items()}
    for name, runs in laps.items():
        ratios = [own.speed / lap.speed for own, lap in zip(laps["latentia"], runs)]
        rows.append(
            {
                "network": workload.network,
                "pixels": workload.loss,
                "contestant": name,
                "images/s": round(median(lap.speed for lap in runs)),
                "ratio": round(median(ratios), 3),
                "least to most": "" if name == "latentia" else f"{min(ratios):.3f} to {max(ratios):.3f}",
                "of bests": round(best["latentia"] / best[name], 3),
                "loss": round(median(lap.loss for lap in runs), 1),
            }
        )
    return rows
