"""Encoding and decoding: a run's `encode` and `decode` against the same modules called by hand."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import latentia
from benchmarks.images import training_images
from benchmarks.result import Cell, Result
from benchmarks.workload import CONV, LATENTS, MLP, Workload
from latentia.runs.run import Run

SIZES = (1, 128, 10_000)
"""Images in a call."""
TRAINED = 2000
CHUNK = 512
"""Images at a time of the bare modules."""
TURN = 0.3
"""Seconds of a turn, roughly."""

Call = Callable[[np.ndarray], np.ndarray]


def run(rounds: int) -> Result:
    """Measure both networks in both directions.

    Args:
        rounds: how often each has its turn.

    Returns:
        Images per second, and the ratio to the bare modules.
    """
    images, name = training_images()
    rows: list[dict[str, Cell]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for workload in (MLP, CONV):
            opened = _run(workload, images, Path(scratch) / workload.settings["name"])
            for size in SIZES:
                x = images[:size]
                rows.append(_row(workload, "encode", size, x, opened.encode, _encoder(opened), rounds))
                z = opened.encode(x)
                rows.append(_row(workload, "decode", size, z, opened.decode, _decoder(opened), rounds))
    notes = [
        f"{name}; arrays in, arrays out; {torch.get_num_threads()} threads, medians of {rounds} rounds",
        f"bare: the same modules without a gradient, {CHUNK} images at a time, scaling and the copies from "
        "and to arrays included",
    ]
    return Result("Encoding and decoding", rows, notes)


def _run(workload: Workload, images: np.ndarray, path: Path) -> Run:
    """Train as a user does, for a moment: the weights do not matter for the time."""
    return latentia.train(
        images[:TRAINED],
        model="vae",
        latent_dim=LATENTS,
        network=dict(workload.settings),
        likelihood="bernoulli",
        transform="scale",
        epochs=1,
        out=path,
        quiet=True,
    )


def _encoder(opened: Run) -> Call:
    encoder: Any = opened.model.get_submodule("encoder")

    def encode(x: np.ndarray) -> np.ndarray:
        return encoder(torch.from_numpy(x).to(torch.float32).mul_(1 / 255)).chunk(2, dim=1)[0].numpy()

    return _in_chunks(encode)


def _decoder(opened: Run) -> Call:
    decoder: Any = opened.model.get_submodule("decoder")

    def decode(z: np.ndarray) -> np.ndarray:
        return decoder(torch.from_numpy(z)).sigmoid_().mul_(255).numpy()

    return _in_chunks(decode)


def _in_chunks(call: Call) -> Call:
    @torch.no_grad()
    def whole(x: np.ndarray) -> np.ndarray:
        return np.concatenate([call(x[start : start + CHUNK]) for start in range(0, len(x), CHUNK)])

    return whole


def _row(
    workload: Workload, what: str, size: int, data: np.ndarray, run: Call, bare: Call, rounds: int
) -> dict[str, Cell]:
    if not np.allclose(run(data), bare(data), rtol=1e-3, atol=1e-2):
        raise RuntimeError(f"{workload.network}: latentia and the bare modules {what} differently")
    started = time.perf_counter()
    bare(data)
    repeats = max(1, int(TURN / (time.perf_counter() - started)))
    speeds: dict[str, list[float]] = {"latentia": [], "bare": []}
    for turn in range(rounds):
        calls = [("latentia", run), ("bare", bare)]
        for name, call in calls if turn % 2 else calls[::-1]:
            started = time.perf_counter()
            for _ in range(repeats):
                call(data)
            speeds[name].append(repeats * size / (time.perf_counter() - started))
    ratios = [own / other for own, other in zip(speeds["latentia"], speeds["bare"], strict=True)]
    return {
        "network": workload.network,
        "what": what,
        "images in a call": size,
        "latentia, images/s": round(median(speeds["latentia"])),
        "bare, images/s": round(median(speeds["bare"])),
        "ratio": round(median(ratios), 3),
        "least to most": f"{min(ratios):.3f} to {max(ratios):.3f}",
    }
