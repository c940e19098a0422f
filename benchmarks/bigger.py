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
CASES = ((2, 128, 1024), (20, 128, 1024), (20, 512, 1024), (20, 512, 128))
"""GiB of data, examples in a batch, MiB of the buffer; the last passes through several buffers."""


def run(minutes: float = 0.5) -> Result:
    """Train on files of bytes that are mostly holes, which take no place on the disk.

    Args:
        minutes: how long to train on each.

    Returns:
        One row for each case.
    """
    with tempfile.TemporaryDirectory() as scratch:
        rows = [_row(*case, minutes, Path(scratch)) for case in CASES]
    notes = [
        f"latentia train FILE --max-minutes {minutes:g} --network mlp --hidden 64 training.compile=never, "
        "data.buffer at its default of 1,024 MiB or smaller; peak resident memory, start to end",
        "a file of holes is read from memory, not from a disk: this measures memory, not the disk",
        f"a Python process that has imported torch and does nothing else: {peak_of_torch() / MB:.0f} MB",
    ]
    return Result("Data larger than memory", rows, notes)


def _row(size: int, batch: int, buffer: int, minutes: float, folder: Path) -> dict[str, Cell]:
    path, out = folder / f"{size}.npy", folder / f"run-{size}-{batch}-{buffer}"
    count = (size << 30) // int(np.prod(SHAPE))
    sparse = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *SHAPE))
    sparse[:: count // 200] = np.arange(256, dtype=np.uint8).repeat(48).reshape(SHAPE)
    del sparse
    words = ("--network", "mlp", "--hidden", "64", "--max-minutes", str(minutes), "training.compile=never")
    shares = ("data.validation=0.0005", "data.test=0.0005", f"data.buffer={buffer}")
    words = (*words, "--batch-size", str(batch))
    started = time.perf_counter()
    peak = peak_memory(latentia("train", str(path), *shares, *words, "--quiet", "--out", str(out)))
    whole = time.perf_counter() - started
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = [line for line in lines if line["split"] == "train"][-1]
    path.unlink()
    read = last["step"] * batch * int(np.prod(SHAPE))
    return {
        "data GiB": size,
        "batch": batch,
        "buffer MiB": buffer,
        "examples": count,
        "peak MB": round(peak / MB, 1),
        "steps": last["step"],
        "data read GiB": round(read / 2**30, 1),
        "halves of the buffer": round(read / (buffer << 19), 1),
        "images/s": round(last["step"] * batch / last["seconds"]),
        "start and end s": round(whole - last["seconds"], 1),
    }
