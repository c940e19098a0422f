"""All data of a run, encoded once: latents, errors and rates, kept in the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from latentia.core import storage
from latentia.explorer.jobs import Tick
from latentia.runs.scores import reconstructed

if TYPE_CHECKING:
    from latentia.runs.run import Run

PART = 8192
"""Examples between two signs of progress."""
ACTIVE = 0.01
"""A latent dimension that carries less than this, in nats, is called dead."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """What a model says of all its data, each example under its own condition.

    Attributes:
        latents: posterior means, flat, shape `(N, D)`.
        error: mean squared error of each reconstruction in the model's units, shape `(N,)`.
        rate: KL(q(z|x) || p(z)) of each example in nats, shape `(N,)`, or None without a bound.
        kl: its mean in each latent dimension, shape `(D,)`, or None where it cannot be split.
        score: how unusual each example is, shape `(N,)`, or None where that would take long.
    """

    latents: np.ndarray
    error: np.ndarray
    rate: np.ndarray | None
    kl: np.ndarray | None
    score: np.ndarray | None = None

    @property
    def use(self) -> np.ndarray:
        """How much each dimension is used: its KL in nats, or its variance without one; shape `(D,)`."""
        return self.latents.var(axis=0) if self.kl is None else self.kl

    @property
    def active(self) -> np.ndarray:
        """Whether a dimension carries anything, shape `(D,)`: by its KL, or by its share of the variance."""
        use = self.use
        return use > (ACTIVE if self.kl is not None else ACTIVE * float(use.max(initial=0)))


def label_of(run: Run) -> dict[str, int | str]:
    """Say what kept results belong to.

    Args:
        run: the run.

    Returns:
        The checksum of the weights, and the fingerprint of the data.
    """
    return {"weights": storage.checksum(run.model.state_dict()), "data": run.data_key}


def encode_all(run: Run, folder: Path, tick: Tick) -> Encoded:
    """Encode and reconstruct all examples, or read what is kept of the same weights.

    Args:
        run: the run.
        folder: where results are kept; one that cannot be written is done without.
        tick: is told of progress.

    Returns:
        The results.
    """
    path, label = folder / "encoded.safetensors", label_of(run)
    kept = storage.kept(path, label)
    if kept is None:
        parts: list[dict[str, np.ndarray]] = []
        for start in range(0, len(run.dataset), PART):
            rows = np.arange(start, min(start + PART, len(run.dataset)))
            parts.append(measured(run, run.dataset.x[rows], run.conditions_at(rows)))
            tick(len(rows) / len(run.dataset))
        kept = {name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in parts[0]}
        if "kl" in kept:
            kept["kl"] = kept["kl"].double().mean(dim=0).float()
        storage.keep(path, kept, label)
    arrays = {name: value.numpy() for name, value in kept.items()}
    score = _scores(run, folder / "scores.safetensors", label)
    return Encoded(arrays["latents"], arrays["error"], arrays.get("rate"), arrays.get("kl"), score)


def _scores(run: Run, path: Path, label: dict[str, int | str]) -> np.ndarray | None:
    """Score all examples, those of the training as if they had not been in it, or read what is kept."""
    if (kept := storage.kept(path, label)) is not None:
        return kept["score"].numpy()
    if not run.quick_to_score(len(run.dataset)):
        return None
    rows = np.arange(len(run.dataset))
    score = run.scorer().score(run.dataset.part(rows), run.conditions_at(rows)).astype(np.float32)
    storage.keep(path, {"score": torch.from_numpy(score)}, label)
    return score


def measured(run: Run, x: np.ndarray, c: np.ndarray | None) -> dict[str, np.ndarray]:
    """Encode and reconstruct some examples.

    Args:
        run: the run.
        x: data, shape `(N, *event)`.
        c: their conditions, shape `(N, C)`, or None.

    Returns:
        `latents`, `(N, D)`, and `error`, `(N,)`; of a model with a bound `rate`, `(N,)`, and `kl`, `(N, D)`,
        where it can be split.
    """
    found = reconstructed(run, x, c, rates=True)
    values = {"latents": found.latents.reshape(len(found.latents), -1), "error": found.error}
    values |= {"rate": found.rate, "kl": found.kl}
    return {name: value for name, value in values.items() if value is not None}
