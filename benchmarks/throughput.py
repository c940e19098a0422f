"""Training images per second: latentia, a bare loop, both compiled, and peers, in turns, each apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import torch

from benchmarks.contestants import RIVALS, dismiss, present, race
from benchmarks.images import training_images
from benchmarks.limits import operations_per_image, product_rate
from benchmarks.result import Cell, Result
from benchmarks.workload import BATCH, CONV, MLP, MLP_BINARISED, RESNET, Lap

PEERS = (MLP, CONV)
COMPILED = (MLP, MLP_BINARISED, CONV)
WORKLOADS = (MLP, MLP_BINARISED, CONV, RESNET)
BATCHES = (32, 512, 1024)
SHORT = 3
"""Rounds at other batch sizes; their turns are a third as long."""


def run(rounds: int, seconds: float) -> Result:
    """Measure all networks at one batch size, and three of them at others.

    Args:
        rounds: how often each contestant has its turn.
        seconds: how long a turn of the fastest is, roughly.

    Returns:
        Medians of the speeds, and of the ratios within a round.
    """
    images, name = training_images()
    matches = [(workload, rounds, seconds) for workload in WORKLOADS]
    matches += [
        (replace(workload, batch=batch), min(rounds, SHORT), seconds / 3)
        for workload in (MLP, CONV, RESNET)
        for batch in BATCHES
    ]
    rows: list[dict[str, Cell]] = []
    raw: dict[str, Any] = {}
    missing: set[str] = set()
    for workload, turns, length in matches:
        full = workload.batch == BATCH
        contestants, absent = present(workload, full and workload in COMPILED, full and workload in PEERS)
        missing |= set(absent)
        laps = race(contestants, workload, images, turns, length)
        share = operations_per_image(workload) / product_rate()
        about: dict[str, Cell] = {
            "network": workload.network,
            "pixels": workload.loss,
            "batch": workload.batch,
        }
        rows += [{**about, **row} for row in _rows(laps, share)]
        raw[", ".join(map(str, about.values()))] = {
            contestant: [[round(lap.speed), lap.images, round(lap.seconds, 4)] for lap in runs]
            for contestant, runs in laps.items()
        }
    dismiss()
    notes = [
        f"{name}; Adam, float32, {torch.get_num_threads()} threads, no validation",
        f"{rounds} rounds in turns of about {seconds:g} s (batch {BATCH}; {min(rounds, SHORT)} of "
        f"{seconds / 3:.1f} s at others); ratio: latentia's speed over the contestant's in the same round, "
        "median (least to most), and the ratio of the best rounds, which stands other work on the machine "
        "better; compiled is compared with compiled",
        "floor: a bare loop with uint8 tensors in memory and fused Adam; latentia: progress bar, log and its "
        "share of a checkpoint included; compiling is not timed",
        "of products: operations of all products and convolutions, forwards and backwards, at the median "
        "speed, over the rate of a large square product just after",
        "loss: mean over the lap in nats, from each library's own initial weights; pythae has no dynamic "
        "binarisation",
        *(f"{peer} is not installed here: use make bench" for peer in sorted(missing)),
    ]
    return Result("Training throughput", rows, notes, {"speed, images, seconds": raw})


def _rows(laps: Mapping[str, Sequence[Lap]], share: float) -> list[dict[str, Cell]]:
    rows: list[dict[str, Cell]] = []
    for name, runs in laps.items():
        rival = laps[RIVALS[name]]
        ratios = [own.speed / lap.speed for own, lap in zip(rival, runs, strict=True)]
        best = max(lap.speed for lap in rival) / max(lap.speed for lap in runs)
        speed = median(lap.speed for lap in runs)
        rows.append(
            {
                "contestant": name,
                "images/s": round(speed),
                "ratio": round(median(ratios), 3),
                "least to most": "" if name == RIVALS[name] else f"{min(ratios):.3f} to {max(ratios):.3f}",
                "of bests": round(best, 3),
                "of products": round(speed * share, 2),
                "loss": round(median(lap.loss for lap in runs), 1),
            }
        )
    return rows
