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
PICTURE, CLIP = (3, 64, 64), (3, 9, 64, 64)
LATENTS, BETA, RATE = 4, 1e-6, 1e-3
BATCH, CLIPS = 16, 2
"""Images and clips in a step."""
STEPS = 20
"""Steps of a turn."""


def run(rounds: int) -> Result:
    """Measure the speed of training for each network of images.

    Args:
        rounds: turns of each contestant.

    Returns:
        Medians of the speeds, and of their ratios within a round.
    """
    return _measured(NETWORKS, PICTURE, BATCH, rounds)


def clips(rounds: int) -> Result:
    """Measure it for the network of clips; see `run`."""
    return _measured(("causal3d",), CLIP, CLIPS, rounds)


def _measured(networks: tuple[str, ...], event: tuple[int, ...], batch: int, rounds: int) -> Result:
    """Measure it for some networks, on examples of a shape."""
    images = _examples(batch * STEPS, event)
    rows: list[dict[str, Cell]] = []
    raw: dict[str, Any] = {}
    for name in networks:
        pairs = []
        for _ in range(rounds + 1):  # the first turn of each is for the caches
            pairs.append((_bare(name, images, batch), _ours(name, images, batch)))
        bare, ours = zip(*pairs[1:], strict=True)
        ratios = [mine / floor for floor, mine in pairs[1:]]
        rows.append(
            {
                "network": name,
                "bare loop, examples/s": round(median(bare), 1),
                "latentia, examples/s": round(median(ours), 1),
                "ratio": round(median(ratios), 3),
                "least": round(min(ratios), 3),
                "most": round(max(ratios), 3),
            }
        )
        raw[name] = {"bare": bare, "latentia": ours}
    notes = [
        f"examples of {'x'.join(map(str, event))} made up here, batch {batch}, {STEPS} steps a turn, "
        f"{rounds} rounds; {torch.get_num_threads()} threads",
        f"Gaussian likelihood of one deviation, beta {BETA:g}",
        "bare loop: uint8 examples in memory, the same encoder and decoder, fused Adam; latentia: progress "
        "bar, log, no validation",
    ]
    return Result("Training a codec", rows, notes, raw)


def _examples(count: int, event: tuple[int, ...]) -> np.ndarray:
    """Draw smooth images or clips, uint8, `(count, *event)`."""
    channels, *sides = event
    coarse = [-(-side // 8) for side in sides]
    drawn = torch.rand(count, channels, *coarse, generator=torch.Generator().manual_seed(0))
    how = "bicubic" if len(sides) == 2 else "trilinear"
    fine = torch.nn.functional.interpolate(drawn, size=sides, mode=how).clamp(0, 1)
    return (255 * fine).to(torch.uint8).numpy()


def _bare(name: str, images: np.ndarray, batch: int) -> float:
    """Train in a loop of a few lines; examples per second."""
    torch.manual_seed(0)
    recipe: Any = registry.lookup("network", name)()
    event = images.shape[1:]
    grid = recipe.latent(event, LATENTS)[1:]
    encoder, decoder = recipe.encoder(event, (2 * LATENTS, *grid)), recipe.decoder((LATENTS, *grid), event)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=RATE, fused=True)
    data = torch.from_numpy(images)
    started = time.perf_counter()
    order = torch.randperm(len(data))
    for step in range(STEPS):
        x = data.index_select(0, order[step * batch : (step + 1) * batch]).to(torch.float32).mul_(1 / 255)
        optimiser.zero_grad(set_to_none=True)
        _loss(encoder(x), decoder, x).backward()
        optimiser.step()
    return batch * STEPS / (time.perf_counter() - started)


def _loss(features: Tensor, decoder: torch.nn.Module, x: Tensor) -> Tensor:
    """Give the mean over the batch of squared error in nats, and of beta times the rate."""
    mean, log_variance = features.chunk(2, dim=1)
    z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    error = (decoder(z) - x).square()
    variance = error.detach().mean()
    distortion = 0.5 * (error / variance + variance.log()).sum()
    rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
    return (distortion + BETA * rate) / len(x)


def _ours(name: str, images: np.ndarray, batch: int) -> float:
    """Train as a user does; examples per second by the trainer's own clock."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stderr(Terminal()):
        run = latentia.train(
            images,
            out=Path(scratch) / "run",
            network=name,
            latent_dim=LATENTS,
            likelihood="gaussian_optimal",
            objective={"beta": BETA},
            epochs=1,
            batch_size=batch,
            data={"validation": 0.0, "test": 0.0},
            training={"lr": RATE, "schedule": {"name": "constant"}, "device": "cpu"},
        )
        rows = [row for row in run.folder.metrics() if row["split"] == "train"]
    return batch * STEPS / rows[-1]["seconds"]
