"""Peak resident memory of training, and how it grows with the data."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.images import COUNT, synthetic, train_source
from benchmarks.process import latentia, peak_memory
from benchmarks.result import Cell, Result

MB = 1e6
SIZES = (1, 2, 4)


def run() -> Result:
    """Weigh `latentia train` for one epoch: reading, training, validation and the test at the end.

    Returns:
        One row for each network on MNIST, and for each size of synthetic data.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source, name = train_source(folder)
        rows = [_row(name, network, source, COUNT + 10_000, folder) for network in ("mlp", "conv")]
        grown = [_synthetic_row(factor, folder) for factor in SIZES]
    first, last = grown[0], grown[-1]
    grown_by = {name: float(last[name] or 0) - float(first[name] or 0) for name in ("peak MB", "data MB")}
    slope = grown_by["peak MB"] / grown_by["data MB"]
    bare = peak_of_torch() / MB
    notes = [
        "peak resident memory of latentia train SOURCE --epochs 1, start to end, files that it maps included",
        f"a Python process that has imported torch and does nothing else: {bare:.0f} MB",
        f"with more data, the peak grows by {slope:.2f} bytes for each byte of uint8 data",
    ]
    return Result("Peak memory", [*rows, *grown], notes, {"bytes per byte": slope, "torch MB": bare})


def peak_of_torch() -> int:
    """Weigh the least that anything on torch needs.

    Returns:
        Bytes.
    """
    import sys

    return peak_memory([sys.executable, "-c", "import torch"])


def _synthetic_row(factor: int, folder: Path) -> dict[str, Cell]:
    path = folder / f"synthetic-{factor}.npy"
    np.save(path, synthetic(factor * COUNT))
    try:
        return _row(f"synthetic npy, {factor}x", "mlp", str(path), factor * COUNT, folder)
    finally:
        path.unlink()


def _row(name: str, network: str, source: str, count: int, folder: Path) -> dict[str, Cell]:
    words = ("--model", "vae", "--likelihood", "bernoulli", "--network", network, "--epochs", "1")
    out = folder / f"{network}-{count}"
    peak = peak_memory(latentia("train", source, *words, "--quiet", "--out", str(out)))
    return {
        "data": name,
        "network": network,
        "examples": count,
        "data MB": round(count * 784 / MB, 1),
        "peak MB": round(peak / MB, 1),
    }
