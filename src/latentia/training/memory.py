"""Training as a part of other work: in memory, with nothing written and nothing changed around it."""

from __future__ import annotations

import signal
from typing import Any

import torch
from torch import Tensor, nn

from latentia.core.noise import seeded
from latentia.data.loader import Loader
from latentia.data.transforms import Identity
from latentia.objectives import Cosine, Objective
from latentia.training.loop import Outcome, Trainer
from latentia.training.settings import Training
from latentia.training.watch import LossWatch

LOOK = 100
"""Steps between two looks at what is held out."""
PLAIN: dict[str, Any] = {"log_every": LOOK, "precision": "float32", "compile": "never"}
"""How a small module is trained, whatever it is."""


def train_in_memory(
    model: nn.Module,
    objective: Objective,
    data: Tensor,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    targets: Tensor | None = None,
    held_out: int = 0,
    warmup: float = 0.0,
    clip: float | None = None,
    ema: float = 0.0,
    seed: int = 0,
    title: str = "",
    quiet: bool = True,
) -> Outcome:
    """Train a module in place, by Adam, its learning rate falling along a cosine.

    Where examples are held out, they are looked at about every hundred steps, and the module is left as it
    was when they liked it best. It draws from a seed of its own, whatever was drawn before; torch's
    generators stay as they are. A signal that stopped it then acts as it would have.

    Args:
        model: what is trained, on the device where its data are.
        objective: what it is trained by.
        data: the examples, shape `(N, *event)`.
        steps: how many, about: whole epochs, or a part of the data where they are more than one needs.
        batch_size: examples in a step.
        lr: the highest learning rate.
        targets: what belongs to each example, shape `(N, ...)`; the batch's `c`.
        held_out: how many examples to choose the weights by, at the most a half of them; drawn by the seed.
        warmup: share of the steps over which the learning rate rises.
        clip: largest norm of the gradient.
        ema: decay of the average of the weights, which is what is left; 0 leaves the weights themselves.
        seed: seed of order and noise.
        title: what the progress bar is called.
        quiet: show no progress bar.

    Returns:
        How it ended.
    """
    splits = _split(data, targets, held_out, steps * batch_size, seed)
    epoch = max(1, len(splits["train"]) // batch_size)
    settings = Training(
        epochs=max(1, round(steps / epoch)),
        batch_size=batch_size,
        lr=lr,
        schedule=Cosine(warmup),
        clip=clip,
        ema=ema,
        validate_every=max(1, LOOK // epoch),
        seed=seed,
        **PLAIN,
    )
    with seeded(seed):
        outcome = Trainer(
            model, objective, splits, settings, watch=LossWatch(), quiet=quiet, title=title
        ).fit()
    model.eval()
    if outcome.interrupted:
        signal.raise_signal(outcome.interrupted)
    return outcome


def _split(data: Tensor, targets: Tensor | None, held_out: int, most: int, seed: int) -> dict[str, Loader]:
    """Draw the examples that are held out, and give the others, so many at the most."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    held_out = min(held_out, len(data) // 2)
    train = Loader(data, order[held_out:][:most], Identity(), targets)
    return {"train": train, "validation": train.with_rows(order[:held_out])}
