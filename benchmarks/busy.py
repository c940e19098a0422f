"""A busy machine: how much longer training takes beside other work, and what a quiet one pays for that."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.contestants import in_turns
from benchmarks.images import training_images
from benchmarks.process import latentia
from benchmarks.result import Cell, Result
from latentia.core import storage
from latentia.core.threads import TOLD

USUAL_SPIN = "300000"
"""Turns that GNU's OpenMP waits where nobody says otherwise; said here, so that latentia does not."""


class Case(NamedTuple):
    """Some work, long enough to be timed.

    Attributes:
        name: what to call it.
        source: what to train on; None for MNIST's images, or those that stand in for them.
        words: what else `latentia train` is told.
        epochs: how many passes.
    """

    name: str
    source: str | None
    words: Sequence[str]
    epochs: int


CASES = (
    Case("digits, conv", "digits", ("training.validate_every=10",), 10),
    Case("MNIST, mlp 784-512-16", None, ("--network", "mlp", "--hidden", "512"), 4),
    Case("MNIST, conv 16, 32; 128", None, ("network.channels=16,32", "network.hidden=[128]"), 2),
)
EXAMPLES = 10_000


def run(rounds: int, beside: int = 2) -> Result:
    """Time each case with latentia's choices and with torch's, alone and beside busy processes.

    Args:
        rounds: how often each.
        beside: how many busy processes.

    Returns:
        Medians of the seconds between the first step and the last, and their ratios.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ways: dict[str, tuple[Mapping[str, str], Sequence[str]]] = {
        "latentia": ({}, ()),
        "torch's default": ({"GOMP_SPINCOUNT": USUAL_SPIN}, ("--threads", str(cores))),
        "one thread": ({}, ("--threads", "1")),
    }
    times: dict[tuple[str, str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        images, name = training_images()
        source = Path(scratch) / "images.npy"
        np.save(source, images[:EXAMPLES], allow_pickle=False)
        for case in CASES:
            for way in in_turns(ways, rounds):
                for others in (0, beside):
                    environment, words = ways[way]
                    with _busy(others):
                        seconds = _train(case, source, environment, words)
                    times.setdefault((case.name, way, others), []).append(seconds)
    rows: list[dict[str, Cell]] = []
    for case in CASES:
        reference = median(times[case.name, "torch's default", 0])
        for way in ways:
            quiet, busy = (median(times[case.name, way, others]) for others in (0, beside))
            rows.append(
                {
                    "work": case.name,
                    "threads": way,
                    "quiet s": round(quiet, 2),
                    f"beside {beside} s": round(busy, 2),
                    "busy / quiet": round(busy / quiet, 2),
                    "quiet / default quiet": round(quiet / reference, 3),
                }
            )
    notes = [
        f"{name}, {EXAMPLES:,} of them; seconds in the training loop of `latentia train`, with validation; "
        f"medians of {rounds} rounds in turns",
        f"beside: {beside} processes that loop in Python on {cores} cores, from before the start to the end",
        f"torch's default: {cores} threads that spin {USUAL_SPIN} turns; latentia: as many threads as the "
        "work feeds and as find an idle core at the start, which sleep soon",
    ]
    raw = {f"{work}, {way}, beside {others}": found for (work, way, others), found in times.items()}
    return Result("A busy machine", rows, notes, {"seconds": raw})


@contextmanager
def _busy(count: int) -> Iterator[None]:
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _train(case: Case, source: Path, environment: Mapping[str, str], words: Sequence[str]) -> float:
    """Run the command line to its end, and read from the log how long it trained."""
    clean = {name: value for name, value in os.environ.items() if name not in (*TOLD, "OMP_NUM_THREADS")}
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        told = (*case.words, *words, "--epochs", str(case.epochs), "--quiet", "--out", str(out))
        command = latentia("train", case.source or str(source), *told, "training.compile=never")
        subprocess.run(command, check=True, env={**clean, **environment}, stdout=subprocess.DEVNULL)
        _, progress = storage.load_tensors(max((out / "checkpoints").glob("*.safetensors")))
        return float(progress["seconds"])
