"""A busy machine: how much slower training is beside other work, and what a quiet one pays for that.

`python -m benchmarks.run busy` compares; `python -m benchmarks.busy CASE THREADS SOURCE` is one of the
processes that it compares: it trains without an end and writes a byte for each step.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.images import training_images
from benchmarks.result import Cell, Result
from benchmarks.slices import SLICE, Turn, loops, paced, rates, ratio, train
from latentia.core.threads import TOLD

USUAL_SPIN = "300000"
"""Turns that GNU's OpenMP waits where nobody says otherwise; said here, so that latentia does not."""


class Case(NamedTuple):
    """Some work.

    Attributes:
        source: what to train on; None for MNIST's images, or those that stand in for them.
        settings: what else `latentia.train` is told.
    """

    source: str | None
    settings: Mapping[str, Any]


CASES = {
    "digits, conv": Case("digits", {}),
    "MNIST, mlp 784-512-16": Case(None, {"network": "mlp", "hidden": [512]}),
    "MNIST, conv 16, 32; 128": Case(
        None, {"network": {"name": "conv", "channels": [16, 32], "hidden": [128]}}
    ),
}
EXAMPLES = 10_000


def run(rounds: int, beside: int = 2) -> Result:
    """Compare each case with latentia's choices and with torch's, alone and beside busy processes.

    Args:
        rounds: how many turns each has.
        beside: how many busy processes.

    Returns:
        Steps a second, and their ratios.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    rows: list[dict[str, Cell]] = []
    raw: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        images, name = training_images()
        source = Path(scratch) / "images.npy"
        np.save(source, images[:EXAMPLES], allow_pickle=False)
        for case in CASES:
            found = _compare(case, source, rounds, beside, cores)
            raw[case] = {" ".join(turn): of.tolist() for turn, of in found.items()}
            for way in ("latentia", "torch's default", "one thread"):
                quiet, busy = found[way, "quiet"], found[way, "busy"]
                cost, error = ratio(found["torch's default", "quiet"], quiet)
                rows.append(
                    {
                        "work": case,
                        "threads": way,
                        "quiet steps/s": round(float(quiet.mean()), 1),
                        f"beside {beside} steps/s": round(float(busy.mean()), 1),
                        "busy / quiet time": round(float(quiet.mean() / busy.mean()), 2),
                        "quiet / default quiet time": round(cost, 3),
                        "±": round(error, 3),
                    }
                )
    notes = [
        f"{name}, {EXAMPLES:,} of them; processes that train beside each other, all but one stopped, in "
        f"turns of {SLICE:g} s, {rounds} each; steps without validation and reading",
        f"beside: {beside} processes that loop in Python on {cores} cores; latentia's run was started beside "
        "them, too",
        f"torch's default: {cores} threads that spin {USUAL_SPIN} turns; latentia: as many threads as the "
        "work feeds and as find an idle core at the start, which sleep soon",
    ]
    return Result("A busy machine", rows, notes, {"steps a second": raw})


def _compare(
    case: str, source: Path, rounds: int, beside: int, cores: int
) -> dict[tuple[str, str], np.ndarray]:
    """Measure a case, each way, alone and beside others."""
    clean = {name: value for name, value in os.environ.items() if name not in (*TOLD, "OMP_NUM_THREADS")}
    spinning = {**clean, "GOMP_SPINCOUNT": USUAL_SPIN}

    def command(threads: int) -> list[str]:
        return [sys.executable, "-m", "benchmarks.busy", case, str(threads), str(source)]

    with ExitStack() as stack:
        quiet = stack.enter_context(paced(command(0), clean))
        default = stack.enter_context(paced(command(cores), spinning))
        one = stack.enter_context(paced(command(1), clean))
        others = stack.enter_context(loops(beside))
        busy = stack.enter_context(paced(command(0), clean))
        turns = {
            ("latentia", "quiet"): Turn(quiet),
            ("torch's default", "quiet"): Turn(default),
            ("one thread", "quiet"): Turn(one),
            ("latentia", "busy"): Turn(busy, others),
            ("torch's default", "busy"): Turn(default, others),
            ("one thread", "busy"): Turn(one, others),
        }
        for process in others:
            process.send_signal(signal.SIGSTOP)
        return rates(turns, rounds)


if __name__ == "__main__":
    given, count, images = CASES[sys.argv[1]], int(sys.argv[2]), sys.argv[3]
    train(given.source or images, training={"threads": count} if count else {}, **given.settings)
