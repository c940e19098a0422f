"""Training a codec: latentia's step beside a bare loop over the same networks, in turns.

`python -m benchmarks.run codecs` compares for images, `clips` for clips; `python -m benchmarks.codecs NETWORK
bare|latentia` is one of the processes that they compare: it trains without an end and writes a byte for each
step.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from benchmarks.result import Cell, Result
from benchmarks.slices import Turn, mark, paced, rates, ratio, train
from latentia.core import registry

PICTURE, CLIP = (3, 64, 64), (3, 9, 64, 64)
LATENTS, BETA, RATE = 4, 1e-6, 1e-3
BATCHES = {PICTURE: 16, CLIP: 2}
"""Examples in a step."""
EVENTS = {"deep_codec": PICTURE, "kl_codec": PICTURE, "causal3d": CLIP}
EXAMPLES = 320
SLICE = 2.0
"""Seconds of a turn: some steps."""


def run(rounds: int) -> Result:
    """Measure the speed of training for each network of images.

    Args:
        rounds: turns of each contestant.

    Returns:
        The speeds, and their ratios.
    """
    return _measured(PICTURE, rounds)


def clips(rounds: int) -> Result:
    """Measure it for the network of clips; see `run`."""
    return _measured(CLIP, rounds)


def _measured(event: tuple[int, ...], rounds: int) -> Result:
    """Measure it for the networks of one kind of example."""
    rows: list[dict[str, Cell]] = []
    raw: dict[str, Any] = {}
    for name in [name for name, of in EVENTS.items() if of == event]:
        command = [sys.executable, "-m", "benchmarks.codecs", name]
        with ExitStack() as stack:
            turns = {way: Turn(stack.enter_context(paced([*command, way]))) for way in ("bare", "latentia")}
            found = rates(turns, rounds, SLICE)
        share, error = ratio(found["latentia"], found["bare"])
        rows.append(
            {
                "network": name,
                "bare loop, examples/s": round(BATCHES[event] * float(found["bare"].mean()), 1),
                "latentia, examples/s": round(BATCHES[event] * float(found["latentia"].mean()), 1),
                "ratio": round(share, 3),
                "±": round(error, 3),
            }
        )
        raw[name] = {way: of.tolist() for way, of in found.items()}
    notes = [
        f"examples of {'x'.join(map(str, event))} made up here, batch {BATCHES[event]}; processes that train "
        f"beside each other, all but one stopped, in turns of {SLICE:g} s, {rounds} each; "
        f"{torch.get_num_threads()} threads",
        f"Gaussian likelihood of one deviation, beta {BETA:g}",
        "bare loop: uint8 examples in memory, the same encoder and decoder, fused Adam; latentia: log and "
        "its share of checkpoints, no validation",
    ]
    return Result("Training a codec", rows, notes, {"steps a second": raw})


def _examples(event: tuple[int, ...]) -> np.ndarray:
    """Draw smooth images or clips, uint8, `(EXAMPLES, *event)`."""
    channels, *sides = event
    coarse = [-(-side // 8) for side in sides]
    drawn = torch.rand(EXAMPLES, channels, *coarse, generator=torch.Generator().manual_seed(0))
    how = "bicubic" if len(sides) == 2 else "trilinear"
    fine = torch.nn.functional.interpolate(drawn, size=sides, mode=how).clamp(0, 1)
    return (255 * fine).to(torch.uint8).numpy()


def _bare(name: str, images: np.ndarray, batch: int) -> NoReturn:
    """Train in a loop of a few lines."""
    torch.manual_seed(0)
    recipe: Any = registry.lookup("network", name)()
    event = images.shape[1:]
    grid = recipe.latent(event, LATENTS)[1:]
    encoder, decoder = recipe.encoder(event, (2 * LATENTS, *grid)), recipe.decoder((LATENTS, *grid), event)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=RATE, fused=True)
    data = torch.from_numpy(images)
    while True:
        for rows in torch.randperm(len(data)).split(batch):
            x = data.index_select(0, rows).to(torch.float32).mul_(1 / 255)
            optimiser.zero_grad(set_to_none=True)
            _loss(encoder(x), decoder, x).backward()
            optimiser.step()
            mark()


def _loss(features: Tensor, decoder: torch.nn.Module, x: Tensor) -> Tensor:
    """Give the mean over the batch of squared error in nats, and of beta times the rate."""
    mean, log_variance = features.chunk(2, dim=1)
    z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    error = (decoder(z) - x).square()
    variance = error.detach().mean()
    distortion = 0.5 * (error / variance + variance.log()).sum()
    rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
    return (distortion + BETA * rate) / len(x)


def _ours(name: str, images: np.ndarray, batch: int) -> NoReturn:
    """Train as a user does."""
    train(
        images,
        network=name,
        latent_dim=LATENTS,
        likelihood="gaussian_optimal",
        objective={"beta": BETA},
        batch_size=batch,
        data={"validation": 0.0, "test": 0.0},
        training={"lr": RATE, "schedule": {"name": "constant"}, "device": "cpu"},
    )


if __name__ == "__main__":
    network, way = sys.argv[1:]
    shape = EVENTS[network]
    {"bare": _bare, "latentia": _ours}[way](network, _examples(shape), BATCHES[shape])
