"""Training a codec: latentia's step beside a bare loop over the same networks, in turns."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

import latentia
from benchmarks.result import Cell, Result
from benchmarks.workload import Terminal
from latentia.core import registry

NETWORKS = ("deep_codec", "kl_codec")
SIDE, LATENTS, BETA, RATE = 64, 4, 1e-6, 1e-3
BATCH = 16
STEPS = 20
"""Steps of a turn."""


def run(rounds: int) -> Result:
    """Measure the speed of training for each network.

    Args:
        rounds: turns of each contestant.

    Returns:
        Medians of the speeds, and of their ratios within a round.
    """
    images = _images(BATCH * STEPS)
    rows: list[dict[str, Cell]] = []
    raw: dict[str, Any] = {}
    for name in NETWORKS:
        pairs = []
        for _ in range(rounds + 1):  # the first turn of each is for the caches
            pairs.append((_bare(name, images), _ours(name, images)))
        bare, ours = zip(*pairs[1:], strict=True)
        ratios = [mine / floor for floor, mine in pairs[1:]]
        rows.append(
            {
                "network": name,
                "bare loop, images/s": round(median(bare), 1),
                "latentia, images/s": round(median(ours), 1),
                "ratio": round(median(ratios), 3),
                "least": round(min(ratios), 3),
                "most": round(max(ratios), 3),
            }
        )
        raw[name] = {"bare": bare, "latentia": ours}
    notes = [
        f"{SIDE}x{SIDE} colour images made up here, batch {BATCH}, {STEPS} steps a turn, {rounds} rounds; "
        f"{torch.get_num_threads()} threads; Gaussian likelihood of one deviation, beta {BETA:g}",
        "bare loop: uint8 images in memory, the same encoder and decoder, fused Adam; latentia: progress "
        "bar, log, no validation",
    ]
    return Result("Training a codec", rows, notes, raw)


def _images(count: int) -> np.ndarray:
    """Draw smooth colour images, uint8, `(count, 3, SIDE, SIDE)`."""
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
    return (255 * fine).to(torch.uint8).numpy()


def _bare(name: str, images: np.ndarray) -> float:
    """Train in a loop of a few lines; images per second."""
    torch.manual_seed(0)
    recipe: Any = registry.lookup("network", name)()
    event, grid = (3, SIDE, SIDE), (SIDE // 8, SIDE // 8)
    encoder, decoder = recipe.encoder(event, (2 * LATENTS, *grid)), recipe.decoder((LATENTS, *grid), event)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=RATE, fused=True)
    data = torch.from_numpy(images)
    started = time.perf_counter()
    order = torch.randperm(len(data))
    for step in range(STEPS):
        x = data.index_select(0, order[step * BATCH : (step + 1) * BATCH]).to(torch.float32).mul_(1 / 255)
        optimiser.zero_grad(set_to_none=True)
        _loss(encoder(x), decoder, x).backward()
        optimiser.step()
    return BATCH * STEPS / (time.perf_counter() - started)


def _loss(features: Tensor, decoder: torch.nn.Module, x: Tensor) -> Tensor:
    """Give the mean over the batch of squared error in nats, and of beta times the rate."""
    mean, log_variance = features.chunk(2, dim=1)
    z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    error = (decoder(z) - x).square()
    variance = error.detach().mean()
    distortion = 0.5 * (error / variance + variance.log()).sum()
    rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
    return (distortion + BETA * rate) / len(x)


def _ours(name: str, images: np.ndarray) -> float:
    """Train as a user does; images per second by the trainer's own clock."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stderr(Terminal()):
        run = latentia.train(
            images,
            out=Path(scratch) / "run",
            network=name,
            latent_dim=LATENTS,
            likelihood="gaussian_optimal",
            objective={"beta": BETA},
            epochs=1,
            batch_size=BATCH,
            data={"validation": 0.0, "test": 0.0},
            training={"lr": RATE, "schedule": {"name": "constant"}, "device": "cpu"},
        )
        rows = [row for row in run.folder.metrics() if row["split"] == "train"]
    return BATCH * STEPS / rows[-1]["seconds"]
