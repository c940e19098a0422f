"""The test loss that each contestant reaches in the same time, under one common evaluation."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks import floor
from benchmarks.contestants import Contestant, dismiss, length, present
from benchmarks.images import test_images, training_images
from benchmarks.result import Cell, Result
from benchmarks.workload import MLP, Lap, Workload

SEED = 0


def run(seconds: float) -> Result:
    """Train the MLP with every contestant.

    Args:
        seconds: how long each may train.

    Returns:
        One row for each contestant.
    """
    images, name = training_images()
    held_out, about = test_images()
    contestants, missing = present(MLP, compiled=True, peers=True)
    rows: list[dict[str, Cell]] = []
    for contestant, train in contestants.items():
        lap = _trained(train, MLP, images, seconds)
        rows.append(
            {
                "contestant": contestant,
                "seconds": round(lap.seconds, 1),
                "epochs": round(lap.images / len(images), 1),
                "test loss": round(test_loss(MLP, lap, held_out), 2),
            }
        )
    dismiss()
    notes = [
        f"{MLP.network}, batch {MLP.batch}, grey pixels, Adam, {name}; {torch.get_num_threads()} threads",
        f"test loss: negative ELBO in nats on {about}, one sample with the same noise for all, the weights "
        "put into the same torch modules",
        "each trains as many whole epochs as its speed gives it in the time; compiling is not timed",
        *(f"{peer} is not installed here: use make bench" for peer in missing),
    ]
    return Result(f"Loss after {seconds:g} seconds", rows, notes)


def _trained(train: Contestant, workload: Workload, images: np.ndarray, seconds: float) -> Lap:
    """Train for a time, told in images: a short lap says how many that is."""
    train(workload, images[: 20 * workload.batch], 1)
    speed = train(workload, images, 1).speed
    count, epochs = length(speed * seconds, len(images), workload.batch)
    return train(workload, images[:count], epochs)


@torch.no_grad()
def test_loss(workload: Workload, lap: Lap, images: np.ndarray) -> float:
    """Evaluate the weights of a lap.

    Args:
        workload: network and loss.
        lap: what was trained.
        images: uint8, shape `(N, 1, 28, 28)`.

    Returns:
        Negative ELBO, the mean over the images, in nats.
    """
    encoder, decoder = workload.build()
    parameters = [*encoder.parameters(), *decoder.parameters()]
    for parameter, weight in zip(parameters, lap.weights, strict=True):
        parameter.copy_(torch.from_numpy(weight.copy()))
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        return float(floor.loss(encoder, decoder, torch.from_numpy(images).to(torch.float32) / 255))
