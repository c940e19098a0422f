"""Data larger than memory: peak resident memory of training on sparse files, up to 20 GiB."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.memory import MB, peak_of_torch
from benchmarks.process import latentia, peak_memory
from benchmarks.result import Cell, Result

SHAPE = (3, 64, 64)
BATCH = 128
SIZES = (2, 20)
"""GiB."""


def run(minutes: float = 1.0) -> Result:
    """Train on files of bytes that are mostly holes, which take no place on the disk.

    Args:
        minutes: how long to train on each.

    Returns:
        One row for each size.
    """
    with tempfile.TemporaryDirectory() as scratch:
        rows = [_row(size, minutes, Path(scratch)) for size in SIZES]
    notes = [
        f"latentia train FILE --max-minutes {minutes:g} --network mlp --hidden 64 training.compile=never, "
        "data.buffer at its default of 1,024 MiB; peak resident memory of the process, start to end",
        "a file of holes is read from memory, not from a disk: this measures memory, not the disk",
        f"a Python process that has imported torch and does nothing else: {peak_of_torch() / MB:.0f} MB",
    ]
    return Result("Data larger than memory", rows, notes)


def _row(size: int, minutes: float, folder: Path) -> dict[str, Cell]:
    path, out = folder / f"{size}.npy", folder / f"run-{size}"
    count = (size << 30) // int(np.prod(SHAPE))
    sparse = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *SHAPE))
    sparse[:: count // 200] = np.arange(256, dtype=np.uint8).repeat(48).reshape(SHAPE)
    del sparse
    words = ("--network", "mlp", "--hidden", "64", "--max-minutes", str(minutes), "training.compile=never")
    shares = ("data.validation=0.0005", "data.test=0.0005")
    started = time.perf_counter()
    peak = peak_memory(latentia("train", str(path), *shares, *words, "--quiet", "--out", str(out)))
    whole = time.perf_counter() - started
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = [line for line in lines if line["split"] == "train"][-1]
    path.unlink()
    return {
        "data GiB": size,
        "examples": count,
        "peak MB": round(peak / MB, 1),
        "steps": last["step"],
        "data read GiB": round(last["step"] * BATCH * int(np.prod(SHAPE)) / 2**30, 1),
        "images/s": round(last["step"] * BATCH / last["seconds"]),
        "start and end s": round(whole - last["seconds"], 1),
    }
